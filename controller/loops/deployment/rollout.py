"""How many pods each replica set should have: rolling, recreate and proportional scaling. Pure.

Invariant of a rolling update, whatever the state: the sizes never sum to more than replicas + maxSurge unless they did
before, and no set shrinks when that could leave fewer than replicas - maxUnavailable pods available.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from controller.loops.deployment.replica_sets import (
    DESIRED,
    MAXIMUM,
    active,
    bounds,
    by_age,
    counted,
    notes,
    number,
    size,
    total,
    wanted,
)

Obj = dict[str, Any]
Sizes = dict[str, int]  # replica set name -> spec.replicas; only sets that change are in it


def grown_new(deployment: Obj, new: Obj, sets: Sequence[Obj]) -> int:
    """The new set's next size when it grows as far as maxSurge allows."""
    if (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
        return wanted(deployment)
    surge, _ = bounds(deployment)
    room = wanted(deployment) + surge - total(sets)
    if room <= 0:
        return size(new)
    return size(new) + min(room, wanted(deployment) - size(new))


def resize_new(deployment: Obj, new: Obj, sets: Sequence[Obj]) -> Sizes:
    if size(new) == wanted(deployment):
        return {}
    if size(new) > wanted(deployment):
        return {new["metadata"]["name"]: wanted(deployment)}
    grown = grown_new(deployment, new, sets)
    return {new["metadata"]["name"]: grown} if grown != size(new) else {}


def shrink_old(deployment: Obj, new: Obj, olds: Sequence[Obj]) -> Sizes:
    """First the old pods that are not available anyway, then available ones while enough others are."""
    if total(olds) == 0:
        return {}
    _, unavailable = bounds(deployment)
    least = wanted(deployment) - unavailable
    new_unavailable = size(new) - counted(new, "availableReplicas")
    allowed = total([*olds, new]) - least - new_unavailable
    if allowed <= 0:
        return {}
    sizes = {o["metadata"]["name"]: size(o) for o in olds}
    _drop_unhealthy(by_age(olds), sizes, allowed)
    _drop_available(by_age(olds), sizes, total([*olds, new], "availableReplicas") - least)
    return {name: n for o in olds if (n := sizes[name := o["metadata"]["name"]]) != size(o)}


def _drop_unhealthy(olds: Sequence[Obj], sizes: Sizes, allowed: int) -> None:
    for old in olds:
        if allowed <= 0:
            return
        dropped = min(allowed, max(0, size(old) - counted(old, "availableReplicas")))
        sizes[old["metadata"]["name"]] -= dropped
        allowed -= dropped


def _drop_available(olds: Sequence[Obj], sizes: Sizes, allowed: int) -> None:
    for old in olds:
        if allowed <= 0:
            return
        dropped = min(allowed, sizes[old["metadata"]["name"]])
        sizes[old["metadata"]["name"]] -= dropped
        allowed -= dropped


def is_scaling(deployment: Obj, sets: Sequence[Obj]) -> bool:
    """spec.replicas changed since the sets were last sized."""
    return any(
        DESIRED in notes(s) and number(s, DESIRED) != wanted(deployment) for s in active(sets)
    )  # fmt: skip


def _is_saturated(deployment: Obj, new: Obj | None) -> bool:
    count = wanted(deployment)
    return (
        new is not None
        and size(new) == count
        and number(new, DESIRED) == count
        and counted(new, "availableReplicas") == count
    )


def rescale(deployment: Obj, new: Obj | None, olds: Sequence[Obj]) -> Sizes:
    """Sizes after spec.replicas changed, or while paused: the only active set takes it all, a finished rollout's old sets
    go, otherwise all active sets share in proportion to their size."""
    sets = [*olds, new] if new is not None else list(olds)
    living = active(sets)
    if len(living) <= 1:
        only = living[0] if living else new if new is not None else by_age(olds)[-1] if olds else None
        if only is None:
            return {}
        return {only["metadata"]["name"]: wanted(deployment)}
    if _is_saturated(deployment, new):
        return {o["metadata"]["name"]: 0 for o in active(olds)}
    if (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
        return {}
    return _proportional(deployment, living)


def _proportional(deployment: Obj, sets: Sequence[Obj]) -> Sizes:
    surge, _ = bounds(deployment)
    allowed = wanted(deployment) + surge if wanted(deployment) > 0 else 0
    change = allowed - total(sets)
    ordered = _by_size(sets, newer_first=change >= 0)
    sizes: Sizes = {}
    added = 0
    for replica_set in ordered:
        part = _share(replica_set, deployment, change - added) if change else 0
        sizes[replica_set["metadata"]["name"]] = size(replica_set) + part
        added += part
    largest = ordered[0]["metadata"]["name"]
    sizes[largest] = max(0, sizes[largest] + change - added)
    return sizes


def _by_size(sets: Sequence[Obj], *, newer_first: bool) -> list[Obj]:
    """Largest first; equals by age, so that growth goes to the newest and shrinking to the oldest."""
    aged = by_age(sets)
    return sorted(reversed(aged) if newer_first else aged, key=size, reverse=True)


def _share(replica_set: Obj, deployment: Obj, left: int) -> int:
    """This set's part of what is left to add (or, below 0, to take away)."""
    if size(replica_set) == 0 or left == 0:
        return 0
    if wanted(deployment) == 0:
        part = -size(replica_set)
    else:
        surge, _ = bounds(deployment)
        before = number(replica_set, MAXIMUM) or counted(deployment, "replicas") or wanted(deployment)
        part = _round(size(replica_set) * (wanted(deployment) + surge), before) - size(replica_set)
    return min(part, left) if left > 0 else max(part, left)


def _round(numerator: int, denominator: int) -> int:
    """The nearest integer, halves away from zero."""
    return (2 * numerator + denominator) // (2 * denominator)
