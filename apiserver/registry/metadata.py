"""The part of every object that is the server's own: what it sets, what may not change, what must be well formed."""

from __future__ import annotations

import os
from typing import Any

from apiserver.registry.resource import Resource
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import errors, field, names
from pocketkube.api.meta.field import FieldError
from pocketkube.api.meta.object_meta import faults as metadata_faults

Obj = dict[str, Any]

_OMITTED_EMPTY = ("labels", "annotations", "finalizers", "ownerReferences", "generateName", "namespace")
_KEPT = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "generateName")
_STANDARD_FINALIZERS = frozenset(("kubernetes", "orphan", "foregroundDeletion"))
_NAMED = frozenset(("metadata", "kind", "apiVersion"))
_APART = _NAMED | {"status"}
_NAME_CHECKS = {
    "dns-label": names.is_dns_label,
    "dns-subdomain": names.is_dns_subdomain,
    "dns1035": names.is_dns1035,
    "path-segment": names.is_path_segment,
}


def begin(kind: Kind, obj: Obj, *, now: str) -> None:
    """Set what only the server sets on a new object, in place; drop what a client may not say."""
    metadata = obj["metadata"]
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion", "generation"):
        metadata.pop(name, None)
    _omit_empty(metadata)
    metadata["uid"] = new_uid()
    metadata["creationTimestamp"] = now
    if kind.has_generation:
        metadata["generation"] = 1


def _omit_empty(metadata: Obj) -> None:
    """Upstream's encoding leaves out what is empty, so no reader ever sees it."""
    for name in _OMITTED_EMPTY:
        if name in metadata and not metadata[name]:
            del metadata[name]


def name_owners_once(metadata: Obj, warnings: list[str], *, mutated: bool = False) -> None:
    """Drop owner references that say the same as one before them, in place, with a warning; `mutated`: admission has run."""
    owners = metadata.get("ownerReferences")
    if not owners or len(owners) < 2:
        return
    found = [owner for at, owner in enumerate(owners) if owner not in owners[:at]]
    if len(found) == len(owners):
        return
    again = [str(owner.get("uid", "")) for at, owner in enumerate(owners) if owner in owners[:at]]
    when = " after mutating admission happens" if mutated else ""
    warnings.append(
        f".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, and may "
        f"reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {', '.join(again)}"
    )
    metadata["ownerReferences"] = found


def new_uid() -> str:
    """A random UUID, version 4, in a third of the time that the uuid module takes."""
    text = os.urandom(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{'89ab'[int(text[16], 16) & 3]}{text[17:20]}-{text[20:]}"


def carry(resource: Resource, new: Obj, old: Obj) -> None:
    """Take over from the old object what an update cannot change, in place. Raises Conflict for another uid."""
    metadata, before = new["metadata"], old["metadata"]
    uid = metadata.get("uid")
    if uid and uid != before["uid"]:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {before['uid']}"
        raise errors.conflict(resource.group, resource.plural, before["name"], why)
    metadata.pop("selfLink", None)
    _omit_empty(metadata)
    for name in _KEPT:
        if name in before:
            metadata[name] = before[name]
        else:
            metadata.pop(name, None)


def raise_generation(kind: Kind, new: Obj, old: Obj) -> None:
    """A change of anything but metadata and status makes the next generation, in place. A custom resource whose status has
    no path of its own makes one by that too."""
    if not kind.has_generation:
        return
    apart = _APART if kind.has_status or not kind.custom else _NAMED
    for name in new.keys() | old.keys():
        if name not in apart and new.get(name) != old.get(name):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
            return


def check_namespace(resource: Resource, obj: Obj, namespace: str) -> None:
    """Set the namespace of the path, in place. Raises BadRequest where the object names another."""
    metadata = obj["metadata"]
    given = metadata.get("namespace", "")
    if not resource.namespaced:
        metadata.pop("namespace", None)
        return
    if given and given != namespace:
        raise errors.BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    metadata["namespace"] = namespace


def validate(kind: Kind, obj: Obj) -> list[FieldError]:
    """Everything wrong with the metadata of an object that is to be stored."""
    metadata = obj["metadata"]
    found: list[FieldError] = []
    name = metadata.get("name", "")
    if prefix := metadata.get("generateName"):
        faults = _name_faults(kind.validates_name_as, prefix[:-1] + "a" if prefix[-1] == "-" else prefix)
        found += [field.invalid("metadata.generateName", prefix, why) for why in faults]
    if not name:
        found.append(field.required("metadata.name", "name or generateName is required"))
    else:
        found += [field.invalid("metadata.name", name, why) for why in _name_faults(kind.validates_name_as, name)]
    if kind.namespaced and not metadata.get("namespace"):
        found.append(field.required("metadata.namespace"))
    if names_finalizers_strictly(kind) and "finalizers" in metadata:
        found += _standard(metadata["finalizers"])
    return found + metadata_faults(metadata)


def names_finalizers_strictly(kind: Kind) -> bool:
    """Where a finalizer without a domain must be well known: with all but custom resources and what defines groups,
    whose own finalizer has none."""
    return not kind.custom and kind.group not in ("apiextensions.k8s.io", "apiregistration.k8s.io")


def _standard(finalizers: list[str]) -> list[FieldError]:
    """What is wrong with finalizers without a domain that are not well known."""
    why = "name is neither a standard finalizer name nor is it fully qualified"
    return [
        field.invalid(f"metadata.finalizers[{at}]", name, why)
        for at, name in enumerate(finalizers)
        if "/" not in name and name not in _STANDARD_FINALIZERS
    ]


def finalizer_warnings(new: Obj, old: Obj | None = None) -> list[str]:
    """Finalizers that a custom resource got, of names that another writer may come upon too."""
    given = new["metadata"].get("finalizers")
    if not given:
        return []
    before = (old["metadata"].get("finalizers") if old else None) or ()
    return [
        f'metadata.finalizers: "{name}": prefer a domain-qualified finalizer name including a path (/) '
        "to avoid accidental conflicts with other finalizer writers"
        for name in sorted(set(given).difference(before))
        if "/" not in name and name not in ("orphan", "foregroundDeletion")
    ]


def validate_update(new: Obj, old: Obj, *, strict: bool) -> list[FieldError]:
    """Everything wrong with the metadata of a new form of an object."""
    metadata, before = new["metadata"], old["metadata"]
    found: list[FieldError] = []
    for name in ("name", "namespace"):
        if metadata.get(name) != before.get(name):
            found.append(field.invalid(f"metadata.{name}", metadata.get(name, ""), "field is immutable"))
    if before.get("deletionTimestamp"):
        added = [f for f in metadata.get("finalizers", ()) if f not in before.get("finalizers", ())]
        if added:
            shown = field.forbidden("metadata.finalizers", _no_new_finalizers(added))
            found.append(shown)
    if strict and "finalizers" in metadata:
        found += _standard(metadata["finalizers"])
    return found + metadata_faults(metadata)


def _no_new_finalizers(added: list[str]) -> str:
    shown = ", ".join(f'"{name}"' for name in added)
    return f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{shown}}}"


def _name_faults(form: str, name: str) -> list[str]:
    return _NAME_CHECKS[form](name)
