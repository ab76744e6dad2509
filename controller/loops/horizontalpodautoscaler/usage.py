"""How many replicas one metric asks for. Pure.

    proposal = ceil(current * usage / target), unless usage is within the tolerance of the target

Pods without metrics, and pods that are still starting, are assumed to use nothing when that would scale up, and all of
their target when it would scale down: doubt never changes the direction.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controller.pods import is_terminal, phase
from pocketkube.api.meta import quantity, times
from pocketkube.api.meta.objects import condition

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Settings:
    """Seconds and a ratio, from the manager's flags."""

    tolerance: float = 0.1
    initialization: float = 300.0  # since start, CPU of a pod that was never ready does not count
    readiness_delay: float = 30.0


@dataclass(frozen=True, slots=True)
class Proposal:
    replicas: int
    utilization: int | None  # percent of the requests
    average: int  # thousandths


class NoMetrics(Exception):
    """Nothing to decide by: why, as the condition's message says it."""


def request_of(pod: Obj, resource: str, container: str = "") -> int:
    """Thousandths. Raises NoMetrics if a container does not request the resource."""
    total = 0
    for found in pod["spec"].get("containers") or ():
        if container and found["name"] != container:
            continue
        asked = ((found.get("resources") or {}).get("requests") or {}).get(resource)
        if asked is None:
            raise NoMetrics(
                f"missing request for {resource} in container {found['name']} of Pod {pod['metadata']['name']}"
            )
        total += quantity.milli(str(asked))
    return total


def usage_of(metrics: Obj, resource: str, container: str = "") -> int | None:
    """Thousandths that a PodMetrics object reports, None if a container lacks it."""
    total = 0
    for found in metrics.get("containers") or ():
        if container and found["name"] != container:
            continue
        used = (found.get("usage") or {}).get(resource)
        if used is None:
            return None
        total += quantity.milli(str(used))
    return total


@dataclass(slots=True)
class _Groups:
    measured: dict[str, int]
    unready: list[Obj]
    missing: list[Obj]


def _grouped(
    pods: Sequence[Obj], usage: Mapping[str, int], resource: str, settings: Settings, now: datetime
) -> _Groups:
    groups = _Groups({}, [], [])
    for pod in pods:
        name = pod["metadata"]["name"]
        if pod["metadata"].get("deletionTimestamp") or is_terminal(pod):
            continue
        if phase(pod) == "Pending":
            groups.unready.append(pod)
        elif name not in usage:
            groups.missing.append(pod)
        elif resource == "cpu" and _is_starting(pod, settings, now):
            groups.unready.append(pod)
        else:
            groups.measured[name] = usage[name]
    return groups


def _is_starting(pod: Obj, settings: Settings, now: datetime) -> bool:
    ready, started = condition(pod, "Ready"), (pod.get("status") or {}).get("startTime")
    if ready is None or started is None:
        return True
    begin = times.parse(started)
    if (now - begin).total_seconds() < settings.initialization:
        return bool(ready["status"] != "True")
    changed = times.parse(ready["lastTransitionTime"]) if ready.get("lastTransitionTime") else begin
    return ready["status"] == "False" and (changed - begin).total_seconds() < settings.readiness_delay


def propose(
    pods: Sequence[Obj],
    usage: Mapping[str, int],
    *,
    current: int,
    resource: str,
    container: str = "",
    percent: int | None = None,
    average: int | None = None,
    settings: Settings,
    now: datetime,
) -> Proposal:
    """`usage` maps pod names to thousandths. One of `percent` (of requests) and `average` (thousandths a pod) is given."""
    groups = _grouped(pods, usage, resource, settings, now)
    if not groups.measured:
        raise NoMetrics(f"no metrics returned from resource metrics API for {resource}")
    living = {p["metadata"]["name"]: p for p in pods}
    target = _targets(living, groups, resource, container, percent=percent, average=average)
    used = sum(groups.measured.values())
    ratio = used / max(1, sum(target[n] for n in groups.measured))
    utilization = None
    if percent is not None:
        requested = sum(request_of(living[n], resource, container) for n in groups.measured)
        utilization = used * 100 // max(1, requested)
    mean = used // len(groups.measured)
    if not groups.missing and not (groups.unready and ratio > 1.0):
        count = current if abs(ratio - 1.0) <= settings.tolerance else math.ceil(ratio * len(groups.measured))
        return Proposal(count, utilization, mean)
    return Proposal(_with_doubt(groups, target, ratio, current=current, settings=settings), utilization, mean)


def _targets(
    living: Mapping[str, Obj],
    groups: _Groups,
    resource: str,
    container: str,
    *,
    percent: int | None,
    average: int | None,
) -> dict[str, int]:
    """Thousandths that each pod should use."""
    names = [*groups.measured, *(p["metadata"]["name"] for p in (*groups.unready, *groups.missing))]
    if percent is not None:
        return {n: request_of(living[n], resource, container) * percent // 100 for n in names}
    return dict.fromkeys(names, average or 1)


def _with_doubt(groups: _Groups, target: Mapping[str, int], ratio: float, *, current: int, settings: Settings) -> int:
    assumed = dict(groups.measured)
    if ratio < 1.0:
        assumed |= {n: target[n] for n in (p["metadata"]["name"] for p in groups.missing)}
    elif ratio > 1.0:
        assumed |= dict.fromkeys((p["metadata"]["name"] for p in (*groups.missing, *groups.unready)), 0)
    again = sum(assumed.values()) / max(1, sum(target[n] for n in assumed))
    if abs(again - 1.0) <= settings.tolerance or (ratio < 1.0) != (again < 1.0):
        return current
    count = math.ceil(again * len(assumed))
    return current if (again < 1.0 and count > current) or (again > 1.0 and count < current) else count
