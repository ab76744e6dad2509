"""Conditions of a status: set without touching those of others, and stamped only when something changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pocketkube.api.meta.objects import find_condition

Obj = dict[str, Any]


def find(conditions: Iterable[Obj] | None, type: str) -> Obj | None:
    return find_condition(conditions or (), type)


def with_condition(conditions: Iterable[Obj] | None, new: Obj, *, now: str, update_time: bool = False) -> list[Obj]:
    """A new list with `new` in it. An old one of the same status and reason stays as it is; one of the same status keeps its
    lastTransitionTime. `update_time` also stamps lastUpdateTime."""
    kept = list(conditions or ())
    old = find(kept, new["type"])
    if old is not None and old["status"] == new["status"] and old.get("reason") == new.get("reason"):
        return kept
    fresh: Obj = {"type": new["type"], "status": new["status"]}
    if update_time:
        fresh["lastUpdateTime"] = now
    same = old is not None and old["status"] == new["status"]
    fresh["lastTransitionTime"] = ((old or {}).get("lastTransitionTime") or now) if same else now
    fresh.update({k: v for k, v in new.items() if k not in fresh})
    return [c for c in kept if c["type"] != new["type"]] + [fresh]


def without(conditions: Iterable[Obj] | None, type: str) -> list[Obj]:
    return [c for c in conditions or () if c["type"] != type]
