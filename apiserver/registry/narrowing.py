"""What a path may change: everything else in the new object is set back to what it was, in place."""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]


def keep(new: Obj, old: Obj, name: str) -> None:
    """One field as it was."""
    if name in old:
        new[name] = old[name]
    else:
        new.pop(name, None)


def only_status(new: Obj, old: Obj) -> None:
    """Leaves status, and labels, annotations, finalizers and the like in metadata."""
    for name in new.keys() | old.keys():
        if name not in ("metadata", "status"):
            keep(new, old, name)


def only_spec(new: Obj, old: Obj, **changed: Any) -> None:
    """Leaves fields of spec: what `changed` names."""
    new["spec"] = {**(old.get("spec") or {}), **changed}
    keep(new, old, "status")


_OF_CLIENTS = ("labels", "annotations", "ownerReferences", "finalizers")  # of metadata


def reset(new: Obj, old: Obj, path: str) -> None:
    """Metadata as it was, but for who owns which field; or one field of it, as `metadata.labels`. Others go their own ways."""
    if path.partition(".")[0] == "metadata":
        new["metadata"] = dict(new["metadata"])
        for name in _OF_CLIENTS if path == "metadata" else (path.removeprefix("metadata."),):
            keep(new["metadata"], old["metadata"], name)
