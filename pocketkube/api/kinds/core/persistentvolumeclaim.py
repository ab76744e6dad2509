"""PersistentVolumeClaim: a wish for storage."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.kinds.podspec import claims, defaults
from pocketkube.api.meta import field, quantity
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.text("Status", "Pending, Bound or Lost."),
    columns.text("Volume", "The volume it is bound to."),
    columns.text("Capacity", "How much the volume holds."),
    columns.text("Access Modes", "How the volume may be mounted."),
    columns.text("StorageClass", "How a volume is made for it."),
    columns.text("VolumeAttributesClass", "Changeable properties of its volume."),
    columns.AGE,
    columns.text("VolumeMode", "File system or raw block device.", priority=1),
)
UNSET = "<unset>"
_SHORT = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
_BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
_FIXED = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"


def _default(obj: Obj) -> None:
    spec = workload.spec_of(obj)
    workload.pending(obj)
    defaults.claim_spec(spec)
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source and not reference:
        spec["dataSourceRef"] = {"apiGroup": source.get("apiGroup"), **source}
        if spec["dataSourceRef"]["apiGroup"] is None:
            del spec["dataSourceRef"]["apiGroup"]
    elif reference and not source and not reference.get("namespace"):
        spec["dataSource"] = dict(reference)


def _prepare_create(obj: Obj) -> None:
    obj["status"] = {"phase": "Pending"}


def _validate(obj: Obj) -> Errors:
    return claims.spec(obj["spec"], "spec")


def _validate_update(obj: Obj, old: Obj) -> Errors:
    spec, before = obj["spec"], old["spec"]
    wrong = _validate(obj)
    if _comparable(spec, before) != before:
        wrong.append(field.forbidden("spec", _FIXED))
    wrong += _resized(spec, before, (old.get("status") or {}).get("capacity") or {})
    return wrong + checks.immutable("spec.volumeMode", spec.get("volumeMode"), before.get("volumeMode"))


def _comparable(spec: Obj, before: Obj) -> Obj:
    """The new spec with what may change put back: the volume once, sizes and attributes of what is bound."""
    free = []
    if not before.get("volumeName"):
        free.append("volumeName")
    if before.get("volumeName") and spec.get("volumeName"):
        free += ["resources", "volumeAttributesClassName"]
    if before.get("storageClassName") is None:
        free.append("storageClassName")
    plain = dict(spec)
    for name in free:
        if name in before:
            plain[name] = before[name]
        else:
            plain.pop(name, None)
    return plain


def _resized(spec: Obj, before: Obj, capacity: Obj) -> Errors:
    size = (spec["resources"].get("requests") or {}).get("storage")
    was = ((before.get("resources") or {}).get("requests") or {}).get("storage")
    if size is None or was is None or quantity.compare(str(size), str(was)) >= 0:
        return []
    path = "spec.resources.requests.storage"
    if capacity.get("storage") and quantity.compare(str(size), str(capacity["storage"])) > 0:
        return []
    return [field.forbidden(path, "field can not be less than status.capacity")]


def storage_class(obj: Obj) -> str:
    """The class asked for; "" for none."""
    annotation = (obj["metadata"].get("annotations") or {}).get(_BETA_CLASS)
    return str(annotation or obj["spec"].get("storageClassName") or "")


def short_modes(modes: list[str] | None) -> str:
    """`RWO,ROX`, each once, in upstream's order."""
    return ",".join(short for mode, short in _SHORT.items() if mode in (modes or ()))


def _row(obj: Obj, now: datetime) -> list[Any]:
    spec, status = obj["spec"], obj.get("status") or {}
    bound = bool(spec.get("volumeName"))
    return [
        obj["metadata"]["name"],
        "Terminating" if obj["metadata"].get("deletionTimestamp") else status.get("phase", ""),
        spec.get("volumeName", ""),
        (status.get("capacity") or {}).get("storage", "0") if bound else "",
        short_modes(status.get("accessModes")) if bound else "",
        storage_class(obj),
        spec.get("volumeAttributesClassName") or UNSET,
        columns.age(obj, now),
        spec.get("volumeMode") or UNSET,
    ]


def _warnings(obj: Obj) -> list[str]:
    return class_warnings(obj) + claims.warnings(obj["spec"], "spec")


def class_warnings(obj: Obj) -> list[str]:
    """The class as it was once named; of claims and volumes."""
    annotation = "volume.beta.kubernetes.io/storage-class"
    if annotation not in (obj["metadata"].get("annotations") or {}):
        return []
    return [f'metadata.annotations[{annotation}]: deprecated since v1.8; use "storageClassName" attribute instead']


KIND = Kind(
    group="",
    version="v1",
    kind="PersistentVolumeClaim",
    plural="persistentvolumeclaims",
    namespaced=True,
    schema=Schema.of("io.k8s.api.core.v1.PersistentVolumeClaim"),
    short_names=("pvc",),
    subresources=(STATUS,),
    priority=10,
    has_generation=False,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    prepare_create=_prepare_create,
    warnings=_warnings,
    update_warnings=lambda obj, old: _warnings(obj),
    validate=_validate,
    validate_update=_validate_update,
)
