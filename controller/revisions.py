"""ControllerRevisions: a workload's template through time, for StatefulSet and DaemonSet. Pure.

The data is the template as a patch that replaces it, with sorted keys, so that equal templates are equal bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from controller.ownership import controller_reference
from pocketkube.api.meta import names
from pocketkube.client.resources import Resource

Obj = dict[str, Any]

POD_LABEL = "controller-revision-hash"  # on pods: which revision they are of
SET_HASH_LABEL = "controller.kubernetes.io/hash"  # on revisions of a StatefulSet; a DaemonSet's carry POD_LABEL


@dataclass(frozen=True, slots=True)
class Revisions:
    """`current` and `update` among `all`; `create` or `renumber` is what must be written first, if anything."""

    current: Obj
    update: Obj
    all: tuple[Obj, ...]
    create: Obj | None = None
    renumber: Obj | None = None


def data_of(owner: Obj) -> Obj:
    """The patch that gives an owner this template again."""
    template = {**owner["spec"]["template"], "$patch": "replace"}
    patch: Obj = orjson.loads(orjson.dumps({"spec": {"template": template}}, option=orjson.OPT_SORT_KEYS))
    return patch


def template_of(revision: Obj) -> Obj:
    template = dict(revision["data"]["spec"]["template"])
    template.pop("$patch", None)
    return template


def hash_of(data: Obj, collisions: int | None) -> str:
    """FNV-1a of the data's bytes, in the alphabet of generated names."""
    raw = orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
    if collisions:
        raw += str(collisions).encode()
    value = 2166136261
    for byte in raw:
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return names.safe_encode(str(value))


def _pruned(value: Any) -> Any:
    """What is empty is absent: a field that defaulting adds must not look like a new template."""
    if isinstance(value, dict):
        kept = {k: _pruned(v) for k, v in value.items()}
        return {k: v for k, v in kept.items() if v is not None and v != {} and v != []}
    return [_pruned(v) for v in value] if isinstance(value, list) else value


def in_order(revisions: Sequence[Obj]) -> list[Obj]:
    return sorted(
        revisions, key=lambda r: (r["revision"], r["metadata"].get("creationTimestamp") or "", r["metadata"]["name"])
    )


def new_revision(
    owner: Obj, resource: Resource, *, number: int, labels: Obj, collisions: int | None, hash_label: str
) -> Obj:
    data = data_of(owner)
    digest = hash_of(data, collisions)
    metadata: Obj = {
        "name": f"{owner['metadata']['name'][:223]}-{digest}",
        "namespace": owner["metadata"]["namespace"],
        "labels": {**labels, hash_label: digest},
        "ownerReferences": [controller_reference(owner, resource)],
    }
    if notes := owner["metadata"].get("annotations"):
        metadata["annotations"] = dict(notes)
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": metadata,
        "data": data,
        "revision": number,
    }


def plan(
    owner: Obj, resource: Resource, existing: Sequence[Obj], *, current: str, labels: Obj, hash_label: str
) -> Revisions:
    """`existing` are the owner's revisions, `current` the name in its status ("" at first)."""
    ordered = in_order(existing)
    wanted = _pruned(data_of(owner))
    equal = [r for r in ordered if _pruned(r["data"]) == wanted]
    number = (ordered[-1]["revision"] if ordered else 0) + 1
    create = renumber = None
    if equal and equal[-1] is ordered[-1]:
        update = equal[-1]
    elif equal:  # a rollback: the old revision becomes the newest
        update = renumber = {**equal[-1], "revision": number}
        ordered = [r for r in ordered if r is not equal[-1]] + [update]
    else:
        collisions = (owner.get("status") or {}).get("collisionCount")
        update = create = new_revision(
            owner, resource, number=number, labels=labels, collisions=collisions, hash_label=hash_label
        )
        ordered.append(update)
    found = next((r for r in ordered if r["metadata"]["name"] == current), update)
    return Revisions(found, update, tuple(ordered), create, renumber)


def surplus(revisions: Sequence[Obj], live: set[str], limit: int) -> list[Obj]:
    """Old revisions beyond `limit` that nothing uses; `live` are names."""
    unused = [r for r in in_order(revisions) if r["metadata"]["name"] not in live]
    return unused[: max(0, len(unused) - limit)]
