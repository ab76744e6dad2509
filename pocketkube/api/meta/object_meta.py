"""What must be well formed in the metadata of any object, also of one inside another."""

from __future__ import annotations

from typing import Any

from pocketkube.api.meta import field, names
from pocketkube.api.meta.field import FieldError
from pocketkube.base.kept import remembered

Obj = dict[str, Any]

_MAX_ANNOTATIONS = 256 * 1024  # bytes of all keys and values together
_NO_VERSION = "version must not be empty"


def faults(metadata: Obj) -> list[FieldError]:
    """Everything wrong with labels, annotations, finalizers and owners; paths begin with `metadata`."""
    found: list[FieldError] = []
    if labels := metadata.get("labels"):
        for key, value in labels.items():
            found += [field.invalid("metadata.labels", key, why) for why in _qualified_faults(key)]
            found += [field.invalid("metadata.labels", value, why) for why in _value_faults(value)]
    if annotations := metadata.get("annotations"):
        size = 0
        for key, value in annotations.items():
            size += len(key) + len(value)
            found += [field.invalid("metadata.annotations", key, why) for why in _qualified_faults(key.lower())]
        if size > _MAX_ANNOTATIONS:
            found.append(field.too_long("metadata.annotations", _MAX_ANNOTATIONS))
    if finalizers := metadata.get("finalizers"):
        found += _finalizers(finalizers)
    if owners := metadata.get("ownerReferences"):
        found += _owners(owners)
    return found


def _finalizers(finalizers: list[str]) -> list[FieldError]:
    found = []
    for name in finalizers:
        found += [field.invalid("metadata.finalizers", name, why) for why in _qualified_faults(name)]
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        found.append(
            field.invalid(
                "metadata.finalizers", finalizers, "finalizer orphan and foregroundDeletion cannot be both set"
            )
        )
    return found


def _owners(owners: list[Obj]) -> list[FieldError]:
    found: list[FieldError] = []
    controllers = []
    for at, owner in enumerate(owners):
        path = f"metadata.ownerReferences[{at}]"
        for name in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(name):
                words = _NO_VERSION if name == "apiVersion" else "must not be empty"
                found.append(field.invalid(f"{path}.{name}", owner.get(name, ""), words))
        if owner.get("apiVersion", "").count("/") > 1:
            found.append(field.invalid(f"{path}.apiVersion", owner["apiVersion"], _NO_VERSION))
        if owner.get("apiVersion") == "v1" and owner.get("kind") == "Event":
            found.append(field.invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner"))
        if owner.get("controller"):
            controllers.append(f"{owner.get('kind', '')}/{owner.get('name', '')}")
    if len(controllers) > 1:
        first, second = controllers[:2]
        found.append(
            field.invalid(
                "metadata.ownerReferences",
                owners,
                f'Only one reference can have Controller set to true. Found "true" in references for {first} and {second}',
            )
        )
    return found


@remembered(8192)
def _value_faults(value: str) -> tuple[str, ...]:
    return tuple(names.is_label_value(value))


@remembered(4096)
def _qualified_faults(key: str) -> tuple[str, ...]:
    return tuple(names.is_qualified_name(key))


def embedded_faults(metadata: Obj) -> list[FieldError]:
    """`faults` and those of the names, for an object that is part of another: it need not have a name."""
    found: list[FieldError] = []
    for key in ("name", "generateName"):
        if value := metadata.get(key):
            found += [field.invalid(f"metadata.{key}", value, why) for why in names.is_path_segment(value)]
    if namespace := metadata.get("namespace"):
        found += [field.invalid("metadata.namespace", namespace, why) for why in names.is_dns_label(namespace)]
    return found + faults(metadata)
