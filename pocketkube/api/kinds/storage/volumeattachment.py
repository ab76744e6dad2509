"""VolumeAttachment: a volume that is, or shall be, attached to a node."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.text("Attacher", "Who attaches the volume."),
    columns.text("PV", "The volume."),
    columns.text("Node", "Where to."),
    columns.boolean("Attached", "Whether it is attached."),
    columns.AGE,
)


def _default(obj: Obj) -> None:
    workload.fill(workload.spec_of(obj), source={})


def _validate(obj: Obj) -> Errors:
    spec = obj["spec"]
    wrong = checks.driver_name("spec.attacher", spec.get("attacher") or "")
    node = spec.get("nodeName") or ""
    wrong += [field.invalid("spec.nodeName", node, why) for why in checks.dns_subdomain(node)]
    given = [name for name in ("inlineVolumeSpec", "persistentVolumeName") if spec["source"].get(name) is not None]
    if not given:
        wrong.append(field.required("spec.source", "must specify one of inlineVolumeSpec and persistentVolumeName"))
    elif len(given) > 1:
        wrong.append(
            field.forbidden("spec.source", "must specify exactly one of inlineVolumeSpec and persistentVolumeName")
        )
    elif given == ["persistentVolumeName"]:
        name, path = spec["source"]["persistentVolumeName"], "spec.source.persistentVolumeName"
        if not name:
            wrong.append(field.required(path, "must specify non empty persistentVolumeName"))
        wrong += [field.invalid(path, name, why) for why in checks.dns_subdomain(name)]
    return wrong


def _validate_update(obj: Obj, old: Obj) -> Errors:
    return checks.immutable("spec", obj["spec"], old["spec"])


def _row(obj: Obj, now: datetime) -> list[Any]:
    spec = obj["spec"]
    return [
        obj["metadata"]["name"],
        spec.get("attacher", ""),
        (spec.get("source") or {}).get("persistentVolumeName") or "",
        spec.get("nodeName", ""),
        bool((obj.get("status") or {}).get("attached")),
        columns.age(obj, now),
    ]


KIND = Kind(
    group="storage.k8s.io",
    version="v1",
    kind="VolumeAttachment",
    plural="volumeattachments",
    namespaced=False,
    schema=Schema.of("io.k8s.api.storage.v1.VolumeAttachment"),
    subresources=(STATUS,),
    priority=10,
    has_generation=False,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    prepare_create=workload.begins({"attached": False}),
    resets={"status": ("spec", "metadata")},
    validate=_validate,
    validate_update=_validate_update,
)
