"""Replaces daemon pods of an older template within maxUnavailable, or beside them within maxSurge. Pure.

Invariant: pods that are available are only deleted while fewer than maxUnavailable nodes lack an available pod.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from controller.pods import is_available, phase
from controller.revisions import POD_LABEL
from controller.shares import share

Obj = dict[str, Any]


@dataclass(slots=True)
class Replacement:
    create: list[str] = field(default_factory=list)
    delete: list[Obj] = field(default_factory=list)


def bounds(daemon_set: Obj, desired: int) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in nodes, percentages rounded up; never both 0."""
    rolling = (daemon_set["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    surge = share(rolling.get("maxSurge", 0), desired, up=True)
    unavailable = share(rolling.get("maxUnavailable", 1), desired, up=True)
    return surge, unavailable if surge or unavailable else 1


def surges(daemon_set: Obj) -> bool:
    rolling = (daemon_set["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    return rolling.get("maxSurge", 0) not in (0, "0%")


def plan(
    daemon_set: Obj, placed: Mapping[str, Sequence[Obj]], wanted: Sequence[str], digest: str, now: datetime
) -> Replacement:
    """`wanted` are the nodes that should have a pod, `placed` the pods by node."""
    surge, unavailable = bounds(daemon_set, len(wanted))
    min_ready = daemon_set["spec"].get("minReadySeconds") or 0
    pairs = {name: _pair(placed.get(name, ()), digest) for name in wanted}

    def available(pod: Obj) -> bool:
        return not pod["metadata"].get("deletionTimestamp") and is_available(pod, min_ready, now)

    if surge:
        return _beside(pairs, surge, available)
    return _in_place(pairs, unavailable, available)


def _pair(pods: Sequence[Obj], digest: str) -> tuple[Obj | None, Obj | None]:
    """(the pod of the new template, the pod of an older one), the latest of each; those being deleted count as neither."""
    found: list[Obj | None] = [None, None]
    for pod in sorted(pods, key=lambda p: p["metadata"].get("creationTimestamp") or ""):
        if not pod["metadata"].get("deletionTimestamp") and phase(pod) not in ("Failed", "Succeeded"):
            found[(pod["metadata"].get("labels") or {}).get(POD_LABEL) != digest] = pod
    return found[0], found[1]


def _in_place(pairs: Mapping[str, tuple[Obj | None, Obj | None]], most: int, available: Any) -> Replacement:
    at_once: list[Obj] = []
    candidates: list[Obj] = []
    down = 0
    for new, old in pairs.values():
        if new is not None:
            down += not available(new)
        elif old is None:
            down += 1
        elif available(old):
            candidates.append(old)
        else:
            down += 1
            at_once.append(old)
    return Replacement(delete=at_once + candidates[: max(0, most - down)])


def _beside(pairs: Mapping[str, tuple[Obj | None, Obj | None]], most: int, available: Any) -> Replacement:
    at_once: list[str] = []
    candidates: list[str] = []
    made, surging = Replacement(), 0
    for name, (new, old) in pairs.items():
        if old is None:
            continue
        if new is None:
            (candidates if available(old) else at_once).append(name)
        elif available(new):
            made.delete.append(old)
        else:
            surging += 1
    made.create = (at_once + candidates)[: max(0, most - surging)]
    return made
