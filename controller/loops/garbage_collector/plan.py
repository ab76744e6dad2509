"""What becomes of one object, given its owners as the server knows them now. Pure.

Each owner is *solid* (exists and is not waiting for this object), *dangling* (does not exist) or *waiting* (is being deleted
in the foreground and this reference blocks it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from controller.loops.garbage_collector.graph import FOREGROUND, ORPHAN

Obj = dict[str, Any]
Standing = Literal["solid", "dangling", "waiting"]


@dataclass(frozen=True, slots=True)
class Keep:
    """Nothing to do."""


@dataclass(frozen=True, slots=True)
class DropOwners:
    """Another owner keeps it; references to these uids go."""

    uids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Delete:
    """`unblock` first: it is part of a circle in which everyone waits for everyone."""

    propagation: str
    unblock: bool = False


Action = Keep | DropOwners | Delete


def standing(owner: Obj | None, reference: Obj) -> Standing:
    """How a live owner (None: not found, or another uid) stands to the object that has the reference."""
    if owner is None or owner["metadata"]["uid"] != reference["uid"]:
        return "dangling"
    metadata = owner["metadata"]
    waits = metadata.get("deletionTimestamp") and FOREGROUND in (metadata.get("finalizers") or ())
    return "waiting" if waits and reference.get("blockOwnerDeletion") else "solid"


def plan(live: Obj, standings: Mapping[str, Standing], *, has_dependents: bool, dependents_wait: bool) -> Action:
    """`standings` by owner uid. `dependents_wait`: one of its dependents is itself being deleted in the foreground."""
    references = live["metadata"].get("ownerReferences") or ()
    if not references:
        return Keep()
    by: dict[str, list[str]] = {"solid": [], "dangling": [], "waiting": []}
    for reference in references:
        by[standings[reference["uid"]]].append(reference["uid"])
    if by["solid"]:
        drop = (*by["dangling"], *by["waiting"])
        return DropOwners(drop) if drop else Keep()
    if by["waiting"] and has_dependents:
        return Delete("Foreground", unblock=dependents_wait)
    finalizers = live["metadata"].get("finalizers") or ()
    if ORPHAN in finalizers:
        return Delete("Orphan")
    return Delete("Foreground" if FOREGROUND in finalizers else "Background")
