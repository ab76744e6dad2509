"""Pure accessors of any object: its key, its owner, its conditions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Obj = dict[str, Any]


def key(obj: Mapping[str, Any]) -> str:
    """`namespace/name`, or `name` for a cluster-scoped object."""
    meta = obj["metadata"]
    namespace = meta.get("namespace")
    return f"{namespace}/{meta['name']}" if namespace else str(meta["name"])


def split_key(text: str) -> tuple[str, str]:
    """(namespace, name) of a key; namespace "" for a cluster-scoped object."""
    namespace, _, name = text.rpartition("/")
    return namespace, name


def uid(obj: Mapping[str, Any]) -> str:
    return str(obj["metadata"].get("uid", ""))


def is_deleting(obj: Mapping[str, Any]) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))


def controller_of(obj: Mapping[str, Any]) -> Obj | None:
    """The ownerReference that manages the object, if one does."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return dict(reference)
    return None


def is_controlled_by(obj: Mapping[str, Any], owner: Mapping[str, Any]) -> bool:
    reference = controller_of(obj)
    return reference is not None and reference["uid"] == owner["metadata"]["uid"]


def owner_reference(
    owner: Mapping[str, Any],
    kind: str = "",
    api_version: str = "",
    *,
    controller: bool = True,
    blocks_deletion: bool = True,
) -> Obj:
    """A reference to `owner`; kind and apiVersion are taken from it where it carries them."""
    return {
        "apiVersion": api_version or owner["apiVersion"],
        "kind": kind or owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": controller,
        "blockOwnerDeletion": blocks_deletion,
    }


def conditions(obj: Mapping[str, Any]) -> list[Obj]:
    return (obj.get("status") or {}).get("conditions") or []


def condition(obj: Mapping[str, Any], type: str) -> Obj | None:
    """The condition of that type in the object's status, or None."""
    return find_condition(conditions(obj), type)


def find_condition(found: Iterable[Obj], type: str) -> Obj | None:
    return next((c for c in found if c.get("type") == type), None)


def is_true(obj: Mapping[str, Any], type: str) -> bool:
    found = condition(obj, type)
    return found is not None and found.get("status") == "True"


def set_condition(found: list[Obj], new: Mapping[str, Any], now: str) -> bool:
    """Put `new` into the list, replacing the one of its type. lastTransitionTime is `now` if the status changed, else kept.

    Returns whether anything changed. The old condition's dict is replaced, never changed: it may be shared."""
    for index, old in enumerate(found):
        if old.get("type") == new["type"]:
            merged = {**old, **new}
            merged["lastTransitionTime"] = (
                now if old.get("status") != new.get("status") else old.get("lastTransitionTime") or now
            )
            found[index] = merged
            return merged != old
    found.append({"lastTransitionTime": now, **new})
    return True
