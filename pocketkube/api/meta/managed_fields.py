"""`metadata.managedFields`: who set which field. Kept by every write; server-side apply decides by it.

A write that is no apply takes what it changed away from all others and owns it. Entries are never changed in place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from pocketkube.api.meta import fieldsets, fieldwalk
from pocketkube.api.meta.fieldsets import FieldSet

if TYPE_CHECKING:
    from pocketkube.api.schema.model import Schema

Obj = dict[str, Any]
Entries = list[Obj]
# (object, api version) -> the object in that version and its schema; None for a version that nobody knows (any more).
View = Callable[[Obj, str], "tuple[Obj, Schema] | None"]
Change = tuple[FieldSet, FieldSet]  # (added or modified, removed) paths

MAX_UPDATERS = 10  # entries of operation Update; older ones are put together
ANCIENT = "ancient-changes"


def reset_fields(schema: Schema, subresource: str) -> Collection[str]:
    """Top-level fields that a write of this (sub)resource cannot set: status for the main one, spec for /status."""
    if subresource == "status":
        return ("spec",)
    return ("status",) if not subresource and "status" in schema.fields else ()


def entry(fields: FieldSet, *, manager: str, operation: str, api_version: str, subresource: str = "", now: str) -> Obj:
    found: Obj = {"manager": manager, "operation": operation, "apiVersion": api_version, "time": now}
    found["fieldsType"] = "FieldsV1"
    found["fieldsV1"] = fieldsets.ordered(fields)
    if subresource:
        found["subresource"] = subresource
    return found


def update_manager(
    old: Obj | None,
    new: Obj,
    schema: Schema,
    *,
    manager: str,
    operation: str = "Update",
    subresource: str = "",
    api_version: str,
    now: str,
    reset: Collection[str] | None = None,
    view: View | None = None,
) -> Entries:
    """The managedFields of `new` after `manager` turned `old` (None: created) into it. [] where nothing is tracked.

    `now` is RFC 3339. `reset` are fields this write cannot set, `spec` or `metadata.labels`; by default what `reset_fields`
    says. `view` shows objects in other versions, in which others may own fields; without one all versions are alike.
    """
    entries = current_entries(old, new, subresource)
    if not entries and old is not None:
        return []  # never tracked, or wiped by its owner: stays so
    if reset is None:
        reset = reset_fields(schema, subresource)
    changed, removed = fieldwalk.compare(old, new, schema, ignored=reset)
    changes = Changes(old, new, (changed, removed), api_version=api_version, ignored=reset, view=view)
    entries = changes.known(entries)
    if not changed and not removed:
        return entries
    mine: FieldSet = {}
    mine_before: Obj | None = None
    found: Entries = []
    for other in entries:
        if _is_of(other, manager, operation, api_version, subresource):
            mine_before = other
            mine = fieldsets.difference(other["fieldsV1"], removed)
        else:
            keep(found, other, changes.left(other))
    if changed:
        mine = fieldsets.union(mine, changed)
        found.append(
            entry(mine, manager=manager, operation=operation, api_version=api_version, subresource=subresource, now=now)
        )
    elif mine_before is not None:
        keep(found, mine_before, mine)
    return in_order(_capped(found))


class Changes:
    """What one write changed, in each version that somebody owns fields in."""

    def __init__(
        self,
        old: Obj | None,
        new: Obj,
        change: Change,
        *,
        api_version: str,
        ignored: Collection[str] = (),
        view: View | None = None,
    ):
        self._old = old
        self._new = new
        self._ignored = ignored
        self._view = view
        self._found: dict[str, Change | None] = {api_version: change}

    def of(self, other: Obj) -> Change | None:
        """The paths in the version of an entry; None where nobody knows it."""
        version: str = other.get("apiVersion", "")
        if version not in self._found:
            self._found[version] = self._seen(version)
        return self._found[version]

    def _seen(self, version: str) -> Change | None:
        if self._view is None:
            return next(iter(self._found.values()))
        new = self._view(self._new, version)
        old = self._view(self._old, version) if self._old is not None else None
        if new is None:
            return None
        return fieldwalk.compare(old[0] if old is not None else None, new[0], new[1], ignored=self._ignored)

    def known(self, entries: Entries) -> Entries:
        """Without those in versions that nobody knows."""
        if all(self.of(entry) is not None for entry in entries):
            return entries
        return [entry for entry in entries if self.of(entry) is not None]

    def left(self, other: Obj) -> FieldSet:
        """What an entry of someone else still owns afterwards."""
        changed, removed = self.of(other) or ({}, {})
        return fieldsets.difference(fieldsets.difference(other["fieldsV1"], changed), removed)


def keep(found: Entries, other: Obj, left: FieldSet) -> None:
    """Append an entry with what is left of its fields, if anything."""
    if left is other["fieldsV1"]:
        found.append(other)
    elif left:
        found.append({**other, "fieldsV1": left})


def _is_of(other: Obj, manager: str, operation: str, api_version: str, subresource: str) -> bool:
    return bool(
        other.get("manager") == manager
        and other.get("operation") == operation
        and other.get("apiVersion") == api_version
        and other.get("subresource", "") == subresource
    )


def current_entries(old: Obj | None, new: Obj, subresource: str) -> Entries:
    """The entries to start from: the new object's own where a client changed them in good form, else the old ones.

    An empty list or a single empty entry wipes them; none does not, so that a client that knows nothing of them keeps them.
    """
    before: Entries = (old["metadata"].get("managedFields") or []) if old is not None else []
    given = new["metadata"].get("managedFields")
    if given is None or given is before or subresource or given == before:
        return before
    if given in ([], [{}]):
        return []
    if not all(map(is_valid_entry, given)):
        return before
    return [{**one, "fieldsV1": fieldsets.ordered(one["fieldsV1"])} for one in given]


def is_valid_entry(found: Any) -> bool:
    return (
        type(found) is dict
        and found.get("operation") in ("Apply", "Update")
        and found.get("fieldsType", "FieldsV1") == "FieldsV1"
        and type(found.get("manager", "")) is str
        and type(found.get("time", "")) is str
        and fieldsets.is_valid(found.get("fieldsV1"))
    )


def _capped(entries: Entries) -> Entries:
    """At most ten updaters: the oldest become one entry for each version."""
    updaters = [e for e in entries if e["operation"] == "Update"]
    if len(updaters) <= MAX_UPDATERS:
        return entries
    updaters.sort(key=_age)
    old = [e for e in updaters if e["manager"] == ANCIENT]
    rest = [e for e in updaters if e["manager"] != ANCIENT]
    old += rest[: len(updaters) - MAX_UPDATERS + (0 if old else 1)]
    merged: dict[str, Obj] = {}
    for one in old:
        version = one["apiVersion"]
        have = merged.get(version)
        fields = fieldsets.union(have["fieldsV1"], one["fieldsV1"]) if have else one["fieldsV1"]
        merged[version] = entry(
            fields, manager=ANCIENT, operation="Update", api_version=version, now=one.get("time", "")
        )
    return [e for e in entries if not any(e is o for o in old)] + list(merged.values())


def _age(found: Obj) -> tuple[str, str, str, str, str]:
    return (
        found["operation"],
        found.get("time") or "",
        found.get("manager") or "",
        found.get("apiVersion") or "",
        found.get("subresource") or "",
    )


def in_order(entries: Entries) -> Entries:
    """Appliers first, then by time and name."""
    if len(entries) > 1:
        entries.sort(key=_age)
    return entries
