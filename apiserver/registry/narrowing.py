"""What a path may change: everything else in the new object is set back to what it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import errors, field

Obj = dict[str, Any]


def narrow(kind: Kind, new: Obj, old: Obj, subresource: str) -> None:
    """Keep, in place, of `new` only what a write through `subresource` ("" is the main path) may set."""
    if not subresource:
        if kind.has_status:
            _keep(new, old, "status")
    elif (limit := _LIMITS.get(subresource)) is not None:
        limit(new, old)


def _keep(new: Obj, old: Obj, name: str) -> None:
    if name in old:
        new[name] = old[name]
    else:
        new.pop(name, None)


def _status(new: Obj, old: Obj) -> None:
    """Status, and labels, annotations, finalizers and the like in metadata."""
    for name in new.keys() | old.keys():
        if name not in ("metadata", "status"):
            _keep(new, old, name)


def _finalize(new: Obj, old: Obj) -> None:
    """A namespace's spec.finalizers."""
    finalizers = (new.get("spec") or {}).get("finalizers")
    new["spec"] = {**old.get("spec", {}), "finalizers": finalizers or []}
    _keep(new, old, "status")


def _ephemeral(new: Obj, old: Obj) -> None:
    """A pod's spec.ephemeralContainers, which can only grow."""
    wanted = (new.get("spec") or {}).get("ephemeralContainers") or []
    before = {c["name"]: c for c in old["spec"].get("ephemeralContainers") or ()}
    after = {c.get("name"): c for c in wanted}
    path = "spec.ephemeralContainers"
    found = [
        field.forbidden(
            path, f"existing ephemeral containers {name} may not be {'changed' if name in after else 'removed'}"
        )
        for name, container in before.items()
        if after.get(name) != container
    ]
    if found:
        raise errors.invalid("", "Pod", old["metadata"]["name"], found)
    new["spec"] = {**old["spec"], "ephemeralContainers": wanted}
    _keep(new, old, "status")


def _resize(new: Obj, old: Obj) -> None:
    """The resources and resize policy of a pod's containers."""
    spec = {**old["spec"]}
    for part in ("containers", "initContainers"):
        given = {c.get("name"): c for c in (new.get("spec") or {}).get(part) or ()}
        if part in spec:
            spec[part] = [_resized(container, given.get(container["name"], container)) for container in spec[part]]
    new["spec"] = spec
    _keep(new, old, "status")


def _resized(container: Obj, given: Obj) -> Obj:
    changed = dict(container)
    for name in ("resources", "resizePolicy"):
        _keep(changed, given, name)
    return changed


_LIMITS: Mapping[str, Callable[[Obj, Obj], None]] = {
    "status": _status,
    "approval": _status,
    "finalize": _finalize,
    "ephemeralcontainers": _ephemeral,
    "resize": _resize,
}
