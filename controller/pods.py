"""Pure facts about pods that the workload loops share: active, ready, available, and which to delete first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pocketkube.api.meta import times
from pocketkube.api.meta.objects import condition, is_true

Obj = dict[str, Any]

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASE_RANK = {"Pending": 0, "Unknown": 1, "": 1, "Running": 2}


def phase(pod: Obj) -> str:
    return (pod.get("status") or {}).get("phase") or ""


def is_terminal(pod: Obj) -> bool:
    return phase(pod) in ("Succeeded", "Failed")


def is_terminating(pod: Obj) -> bool:
    """Being deleted, and not finished yet."""
    return bool(pod["metadata"].get("deletionTimestamp")) and not is_terminal(pod)


def is_active(pod: Obj) -> bool:
    """Counts as a replica: neither finished nor being deleted."""
    return not is_terminal(pod) and not pod["metadata"].get("deletionTimestamp")


def is_ready(pod: Obj) -> bool:
    return is_true(pod, "Ready")


def available_in(pod: Obj, min_ready_seconds: int, now: datetime) -> float | None:
    """Seconds until a ready pod counts as available, 0 if it does now, None if it is not ready."""
    found = condition(pod, "Ready")
    if found is None or found.get("status") != "True":
        return None
    if not min_ready_seconds:
        return 0.0
    since = found.get("lastTransitionTime")
    if not since:
        return None
    return max(0.0, min_ready_seconds - (now - times.parse(since)).total_seconds())


def is_available(pod: Obj, min_ready_seconds: int, now: datetime) -> bool:
    return available_in(pod, min_ready_seconds, now) == 0.0


def restarts(pod: Obj) -> int:
    status = pod.get("status") or {}
    statuses = [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]
    return max((s.get("restartCount", 0) for s in statuses), default=0)


def deletion_cost(pod: Obj) -> int:
    try:
        return int((pod["metadata"].get("annotations") or {}).get(DELETION_COST, "0"))
    except ValueError:
        return 0


def _log_age(text: str | None, now: datetime) -> int:
    """Ages in powers of two: among pods of about the same age the choice is random (by uid), as upstream since v1.22."""
    if not text:
        return 1 << 30
    seconds = (now - times.parse(text)).total_seconds()
    return -1 if seconds <= 0 else int(math.log2(seconds * 1e9)) if seconds > 1e-9 else 0


def deletion_order(pods: Iterable[Obj], crowd: Mapping[str, int], now: datetime) -> list[Obj]:
    """Pods, those to delete first in front. `crowd` counts related pods a node: the fuller node loses one first.

    Order: unassigned, pending, not ready, cheap, crowded, shortest ready, most restarts, youngest."""

    def rank(pod: Obj) -> tuple[Any, ...]:
        ready = condition(pod, "Ready")
        is_ready_now = ready is not None and ready.get("status") == "True"
        node = pod["spec"].get("nodeName") or ""
        ready_age = _log_age(ready.get("lastTransitionTime") if ready else None, now) if is_ready_now else 0
        return (
            bool(node),
            _PHASE_RANK.get(phase(pod), 1),
            is_ready_now,
            deletion_cost(pod),
            -crowd.get(node, 0),
            ready_age,
            -restarts(pod),
            _log_age(pod["metadata"].get("creationTimestamp"), now),
            pod["metadata"].get("uid", ""),
        )

    return sorted(pods, key=rank)


def crowd_by_node(pods: Iterable[Obj]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for pod in pods:
        if is_active(pod):
            node = pod["spec"].get("nodeName") or ""
            counts[node] = counts.get(node, 0) + 1
    return counts


def first_available_in(pods: Sequence[Obj], min_ready_seconds: int, now: datetime) -> float | None:
    """Seconds until the next ready pod becomes available, None if nothing is under way."""
    waits = [w for w in (available_in(p, min_ready_seconds, now) for p in pods) if w]
    return min(waits, default=None)
