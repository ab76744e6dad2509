"""Three-way merge: the patch that takes a live object to what the manifest says.

What was said last time and is no longer said is removed; what others set stays; what the manifest says wins. For built-in
kinds the patch is a strategic merge patch (lists with a merge key are merged item by item), for others a JSON merge patch.
"""

from __future__ import annotations

from typing import Any

import orjson

from pocketkube.api.schema import Schema
from pocketkube.client.resources import Resource

Obj = dict[str, Any]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def last_applied(live: Obj) -> Obj | None:
    text = (live["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    if not text:
        return None
    found: Obj = orjson.loads(text)
    return found


def three_way(resource: Resource, *, before: Obj, wanted: Obj, live: Obj) -> tuple[Obj, str]:
    """(patch, "strategic" or "merge"); an empty patch where nothing would change."""
    schema = _schema(resource)
    if schema is None:
        return _diff(before, wanted, live, schema=None), "merge"
    return _diff(before, wanted, live, schema=schema), "strategic"


def _schema(resource: Resource) -> Schema | None:
    """The schema of a built-in kind; None for a custom one."""
    if resource.group and "." in resource.group and not resource.group.endswith(".k8s.io"):
        return None
    from pocketkube.api.scheme import builtin

    kind = builtin().by_gvk(resource.group, resource.version, resource.kind)
    return kind.schema if kind else None


def _diff(before: Any, wanted: Obj, live: Obj, *, schema: Schema | None) -> Obj:
    patch: Obj = {}
    before = before if isinstance(before, dict) else {}
    for name in before:
        if name not in wanted and name in live:
            patch[name] = None
    for name, value in wanted.items():
        inner = schema.field(name) or schema.map_values if schema is not None else None
        has = live.get(name)
        if isinstance(value, dict) and isinstance(has, dict):
            changed = _diff(before.get(name), value, has, schema=inner)
            if changed:
                patch[name] = changed
        elif isinstance(value, list) and isinstance(has, list) and inner is not None and _merges(inner):
            items = _diff_list(before.get(name), value, has, schema=inner)
            if items:
                patch[name] = items
        elif value is None:
            if name in live:
                patch[name] = None
        elif value != has:
            patch[name] = value
    return patch


def _merges(schema: Schema) -> bool:
    return "merge" in (schema.merge_strategy or "") and bool(schema.merge_key)


def _diff_list(before: Any, wanted: list[Any], live: list[Any], *, schema: Schema) -> list[Any]:
    """Items by merge key: changed or new ones with their differences, and those that are no longer said as deletions."""
    key = schema.merge_key
    assert key
    there = {item.get(key): item for item in live if isinstance(item, dict)}
    said = {item.get(key): item for item in before if isinstance(item, dict)} if isinstance(before, list) else {}
    out: list[Any] = []
    for item in wanted:
        name = item.get(key)
        if name not in there:
            out.append(item)
            continue
        changed = _diff(said.get(name), item, there[name], schema=schema.items)
        if changed:
            out.append({key: name, **changed})
    kept = {item.get(key) for item in wanted}
    out += [{"$patch": "delete", key: name} for name in said if name not in kept and name in there]
    return out
