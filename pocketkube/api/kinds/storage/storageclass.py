"""StorageClass: how claims get volumes made."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.kinds.podspec import warnings as podwarnings
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_BETA_DEFAULT = "storageclass.beta.kubernetes.io/is-default-class"
_COLUMNS = (
    columns.NAME,
    columns.text("Provisioner", "Who makes the volumes."),
    columns.text("ReclaimPolicy", "What becomes of a volume when its claim goes."),
    columns.text("VolumeBindingMode", "When a volume is made."),
    columns.text("AllowVolumeExpansion", "Whether volumes can grow."),
    columns.AGE,
)
_MODES = ["Immediate", "WaitForFirstConsumer"]
_RECLAIM = ["Delete", "Retain"]


def _default(obj: Obj) -> None:
    if obj.get("reclaimPolicy") is None:
        obj["reclaimPolicy"] = "Delete"
    if obj.get("volumeBindingMode") is None:
        obj["volumeBindingMode"] = "Immediate"


def _validate(obj: Obj) -> Errors:
    wrong: Errors = []
    provisioner = obj.get("provisioner", "")
    if not provisioner:
        wrong.append(field.required("provisioner", provisioner))
    else:
        wrong += [field.invalid("provisioner", provisioner, why) for why in checks.qualified(provisioner.lower())]
    for key in obj.get("parameters") or ():
        if not key:
            wrong.append(field.invalid("parameters", key, "field can not be empty."))
    if obj["reclaimPolicy"] not in ("", *_RECLAIM):
        wrong.append(field.not_supported("reclaimPolicy", obj["reclaimPolicy"], _RECLAIM))
    if obj["volumeBindingMode"] not in _MODES:
        wrong.append(field.not_supported("volumeBindingMode", obj["volumeBindingMode"], _MODES))
    return wrong + _topologies(obj.get("allowedTopologies") or [])


def _topologies(terms: list[Obj]) -> Errors:
    """No term, no key and no value twice, and each key with values."""
    wrong: Errors = []
    seen: list[dict[str, frozenset[str]]] = []
    for at, term in enumerate(terms):
        path, wanted = f"allowedTopologies[{at}].matchLabelExpressions", {}
        for number, expression in enumerate(term.get("matchLabelExpressions") or ()):
            key, values = expression.get("key", ""), expression.get("values") or []
            wrong += [] if values else [field.required(f"{path}[{number}].values")]
            wrong += checks.unique(f"{path}[{number}].values", values)
            wrong += [field.invalid(f"{path}[{number}].key", key, why) for why in checks.qualified(key)]
            if key in wanted:
                wrong.append(field.duplicate(f"{path}[{number}].key", key))
            wanted[key] = frozenset(values)
        if wanted in seen:
            wrong.append(field.duplicate(path, ""))
        seen.append(wanted)
    return wrong


def _validate_update(obj: Obj, old: Obj) -> Errors:
    wrong: Errors = []
    if (obj.get("parameters") or {}) != (old.get("parameters") or {}):
        wrong.append(field.forbidden("parameters", "updates to parameters are forbidden."))
    for name in ("provisioner", "reclaimPolicy"):
        if obj.get(name) != old.get(name):
            wrong.append(field.forbidden(name, f"updates to {name} are forbidden."))
    return wrong + checks.immutable("volumeBindingMode", obj["volumeBindingMode"], old.get("volumeBindingMode"))


def is_default(obj: Obj) -> bool:
    """Claims without a class get this one."""
    annotations = obj["metadata"].get("annotations") or {}
    return "true" in (annotations.get(DEFAULT_CLASS), annotations.get(_BETA_DEFAULT))


def _row(obj: Obj, now: datetime) -> list[Any]:
    return [
        obj["metadata"]["name"] + (" (default)" if is_default(obj) else ""),
        obj.get("provisioner", ""),
        obj.get("reclaimPolicy", "Delete"),
        obj.get("volumeBindingMode", "Immediate"),
        bool(obj.get("allowVolumeExpansion")),
        columns.age(obj, now),
    ]


def _warnings(obj: Obj) -> list[str]:
    known = podwarnings.DEPRECATED_LABELS
    return [
        f"allowedTopologies[{at}].matchLabelExpressions[{number}].key: {key} is {known[key]}"
        for at, term in enumerate(obj.get("allowedTopologies") or ())
        for number, wanted in enumerate(term.get("matchLabelExpressions") or ())
        if (key := wanted.get("key", "")) in known
    ]


KIND = Kind(
    group="storage.k8s.io",
    version="v1",
    kind="StorageClass",
    plural="storageclasses",
    namespaced=False,
    schema=Schema.of("io.k8s.api.storage.v1.StorageClass"),
    short_names=("sc",),
    priority=10,
    has_generation=False,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    warnings=_warnings,
    update_warnings=lambda obj, old: _warnings(obj),
    validate=_validate,
    validate_update=_validate_update,
)
