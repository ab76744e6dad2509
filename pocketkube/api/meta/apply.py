"""Server-side apply: a manager states the fields it cares for, the server merges them, tracks them and finds conflicts.

    1. Merge the configuration into the live object.
    2. What this manager applied last time and does not now goes, unless another manager owns it too.
    3. A field whose value would change and that another manager owns is a conflict; force takes it over.
    4. The manager now owns exactly what its configuration sets.

Worked example: `a` applied {x: 1, y: 2}, `b` applied {y: 2}. `a` applies {x: 3}: x is 3; y stays, for b owns it.
`b` applies {x: 4}: a conflict with a on .x.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import orjson

from pocketkube.api.meta import applied, fieldsets, fieldwalk, managed_fields
from pocketkube.api.meta.errors import BadRequest, Conflict
from pocketkube.api.meta.fieldsets import FieldSet

if TYPE_CHECKING:
    from pocketkube.api.schema.model import Schema

Obj = dict[str, Any]
Entries = list[Obj]

BEFORE_FIRST_APPLY = "before-first-apply"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def server_side_apply(
    live: Obj | None,
    config: Obj,
    schema: Schema,
    *,
    manager: str,
    force: bool = False,
    subresource: str = "",
    api_version: str,
    now: str,
    reset: Collection[str] | None = None,
    view: managed_fields.View | None = None,
) -> Obj:
    """The object after `manager` applied `config` (None: it did not exist). `live` itself where nothing changes.

    `config` is decoded in place, and what the result shares with `live` is too: both are the caller's own. Raises Conflict
    with a cause a field, BadRequest for a configuration that does not fit.
    """
    if (config.get("metadata") or {}).get("managedFields"):
        raise BadRequest("metadata.managedFields must be nil")
    if reset is None:
        reset = managed_fields.reset_fields(schema, subresource)
    config = _without(config, reset)
    unknown = schema.decode(config, mode="Partial")
    if isinstance(config.get("metadata"), dict):
        config["metadata"].pop("managedFields", None)
    if unknown:
        raise BadRequest(
            _does_not_fit(config, [f".{u.split(chr(34))[1]}: field not declared in schema" for u in unknown])
        )
    try:
        full = fieldwalk.field_set(config, schema)
    except fieldwalk.Unkeyed as wrong:
        raise BadRequest(_does_not_fit(config, [wrong.detail])) from None
    run = _Apply(
        live, config, full, schema, manager=manager, subresource=subresource, api_version=api_version, view=view
    )
    return run.run(force=force, now=now)


def _without(config: Obj, reset: Collection[str]) -> Obj:
    """A configuration without what this write cannot set."""
    config = {k: v for k, v in config.items() if k not in reset}
    inner = [path[9:] for path in reset if path.startswith("metadata.")]
    if inner and isinstance(config.get("metadata"), dict):
        config["metadata"] = {k: v for k, v in config["metadata"].items() if k not in inner}
    return config


def _does_not_fit(config: Obj, why: list[str]) -> str:
    meta = config.get("metadata") or {}
    who = f"{meta.get('namespace', '')}/{meta.get('name', '')}; {config.get('apiVersion')}, Kind={config.get('kind')}"
    body = why[0] if len(why) == 1 else "errors:\n  " + "\n  ".join(why)
    return f"failed to create typed patch object ({who}): {body}"


class _Apply:
    """One apply: what went in, and each step on its own."""

    def __init__(
        self,
        live: Obj | None,
        config: Obj,
        full: FieldSet,
        schema: Schema,
        *,
        manager: str,
        subresource: str,
        api_version: str,
        view: managed_fields.View | None,
    ):
        self.view = view
        self.exists = live is not None
        self.live: Obj = live if live is not None else {}
        self.config = config
        self.full = full
        self.mine = owned(full)
        self.schema = schema
        self.manager = manager
        self.subresource = subresource
        self.api_version = api_version
        self.last_applied = ""

    def run(self, *, force: bool, now: str) -> Obj:
        entries = self._entries(now)
        before = next((e for e in entries if self._is_mine(e)), None)
        others = [e for e in entries if e is not before]
        bare = _without_entries(self.live)
        new = applied.merged(bare, self.config, self.schema)
        if before is not None:
            new = self._pruned(new, before["fieldsV1"], others)
        self.last_applied = self._last_applied(new)
        if not self.schema.custom:
            self.schema.decode(new, mode="Ignore")
        old = bare if self.exists else None
        changed, removed = change = fieldwalk.compare(old, new, self.schema)
        changes = managed_fields.Changes(old, new, change, api_version=self.api_version, view=self.view)
        left = self._settle(changes.known(others), changes, force=force)
        result = managed_fields.in_order(left + self._own_entry(before, now, touched=bool(changed or removed)))
        if not changed and not removed and self.exists and result == (self.live["metadata"].get("managedFields") or []):
            return self.live
        return self._finished(new, result)

    def _entries(self, now: str) -> Entries:
        """The live object's; an object written before anyone applied is given an owner for all of it."""
        entries: Entries = list((self.live.get("metadata") or {}).get("managedFields") or [])
        if entries or not self.exists:
            return entries
        found, _ = fieldwalk.compare(None, self.live, self.schema)
        if not found:
            return []
        return [
            managed_fields.entry(
                found, manager=BEFORE_FIRST_APPLY, operation="Update", api_version=self.api_version, now=now
            )
        ]

    def _is_mine(self, entry: Obj) -> bool:
        """An applier is the same whatever version it spoke last time."""
        return (
            entry.get("manager") == self.manager
            and entry["operation"] == "Apply"
            and entry.get("subresource", "") == self.subresource
        )

    def _pruned(self, new: Obj, last: FieldSet, others: Entries) -> Obj:
        """`new` without what only this manager owned and no longer sets."""
        if not fieldsets.difference(last, self.mine):
            return new
        schema = self.schema
        managed = self.full
        for other in others:
            managed = fieldsets.union(managed, other["fieldsV1"])
        last = applied.with_structs(last, schema)
        managed = applied.with_structs(managed, schema)
        everything = applied.with_structs(fieldwalk.field_set(new, schema, stored=True), schema)
        kept = applied.removed(new, last, schema) or {}
        surely = fieldsets.union(applied.with_structs(fieldwalk.field_set(kept, schema, stored=True), schema), managed)
        kept = applied.removed(new, fieldsets.difference(everything, surely), schema) or {}
        remaining = applied.with_structs(fieldwalk.field_set(kept, schema, stored=True), schema)
        gone = fieldsets.intersection(fieldsets.difference(everything, remaining), last)
        result: Obj = applied.merged(applied.removed(new, gone, schema) or {}, self.config, schema)
        return result

    def _settle(self, others: Entries, changes: managed_fields.Changes, *, force: bool) -> Entries:
        """The other managers' entries afterwards. Raises Conflict."""
        taken = [(e, fieldsets.intersection(e["fieldsV1"], (changes.of(e) or ({}, {}))[0])) for e in others]
        conflicts = [(e, fields) for e, fields in taken if fields]
        if conflicts and not force:
            conflicts = self._beyond_client_side_apply(conflicts)
            if conflicts:
                raise conflict(conflicts)
        left: Entries = []
        for other in others:
            managed_fields.keep(left, other, changes.left(other))
        return left

    def _beyond_client_side_apply(self, conflicts: list[tuple[Obj, FieldSet]]) -> list[tuple[Obj, FieldSet]]:
        """Conflicts that are left once kubectl may take over what its client-side apply set and nobody changed since."""
        if self.manager != "kubectl":
            return conflicts
        allowed = self._from_last_applied()
        pairs = [(e, fieldsets.difference(fields, allowed)) for e, fields in conflicts]
        return [(e, fields) for e, fields in pairs if fields]

    def _from_last_applied(self) -> FieldSet:
        try:
            last = orjson.loads(((self.live["metadata"].get("annotations")) or {}).get(LAST_APPLIED) or "null")
            if not isinstance(last, dict) or last.get("apiVersion") != self.live.get("apiVersion"):
                return {}
            self.schema.decode(last, mode="Ignore")
            fields = fieldwalk.field_set(last, self.schema)
        except (orjson.JSONDecodeError, BadRequest, fieldwalk.Unkeyed):
            return {}
        changed, removed = fieldwalk.compare(last, self.live, self.schema)
        return fieldsets.difference(fieldsets.difference(fields, changed), removed)

    def _own_entry(self, before: Obj | None, now: str, *, touched: bool) -> Entries:
        if not self.mine:
            return []
        if (
            before is not None
            and not touched
            and before["fieldsV1"] == self.mine
            and before["apiVersion"] == self.api_version
        ):
            return [before]
        return [
            managed_fields.entry(
                self.mine,
                manager=self.manager,
                operation="Apply",
                api_version=self.api_version,
                subresource=self.subresource,
                now=now,
            )
        ]

    def _last_applied(self, new: Obj) -> str:
        """What kubectl's client-side apply shall find in the annotation that it left; "" for none."""
        if self.manager != "kubectl" or LAST_APPLIED not in ((new.get("metadata") or {}).get("annotations") or {}):
            return ""
        config = {**self.config, "metadata": _without_last_applied(self.config.get("metadata") or {})}
        return orjson.dumps(config, option=orjson.OPT_SORT_KEYS).decode() + "\n"

    def _finished(self, new: Obj, entries: Entries) -> Obj:
        meta = dict(new.get("metadata", {}))
        if entries:
            meta["managedFields"] = entries
        if self.last_applied:
            meta["annotations"] = {**meta["annotations"], LAST_APPLIED: self.last_applied}
        return {**new, "metadata": meta}


def _without_entries(live: Obj) -> Obj:
    if "managedFields" not in (live.get("metadata") or {}):
        return live
    return {**live, "metadata": {k: v for k, v in live["metadata"].items() if k != "managedFields"}}


def _without_last_applied(meta: Obj) -> Obj:
    found = {k: v for k, v in (meta.get("annotations") or {}).items() if k != LAST_APPLIED}
    rest = {k: v for k, v in meta.items() if k != "annotations"}
    return {**rest, "annotations": found} if found else rest


def owned(fields: FieldSet) -> FieldSet:
    """The part of a set that a manager can own: without identity and what only the server writes."""
    out = {k: v for k, v in fields.items() if k[2:] not in fieldwalk.UNOWNED}
    meta = {k: v for k, v in out.pop("f:metadata", {}).items() if k != "." and k[2:] not in fieldwalk.UNOWNED_META}
    return {"f:metadata": meta, **out} if meta else out


def conflict(conflicts: list[tuple[Obj, FieldSet]]) -> Conflict:
    """409 in upstream's words: `Apply failed with 1 conflict: conflict with "b" using apps/v1: .spec.replicas`."""
    found = [(_manager_text(entry), path) for entry, fields in conflicts for path in fieldsets.paths(fields)]
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": path} for who, path in found
    ]
    if len(found) == 1:
        message = f"Apply failed with 1 conflict: conflict with {found[0][0]}: {found[0][1]}"
    else:
        by_manager: dict[str, list[str]] = {}
        for who, path in found:
            by_manager.setdefault(who, []).append(f"- {path}")
        parts = [f"conflicts with {who}:\n" + "\n".join(by_manager[who]) for who in sorted(by_manager)]
        message = f"Apply failed with {len(found)} conflicts: " + "\n".join(parts)
    return Conflict(message, details={"causes": causes})


def _manager_text(entry: Obj) -> str:
    text = f'"{entry.get("manager", "")}"'
    if entry.get("subresource"):
        text += f' with subresource "{entry["subresource"]}"'
    return f"{text} using {entry.get('apiVersion')}" if entry["operation"] == "Update" else text
