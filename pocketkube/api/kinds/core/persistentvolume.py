"""PersistentVolume: a piece of storage in the cluster."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.core import persistentvolumeclaim
from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.kinds.podspec import claims, defaults, scheduling, volumes
from pocketkube.api.kinds.podspec import warnings as podwarnings
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.text("Capacity", "How much it holds."),
    columns.text("Access Modes", "How it may be mounted."),
    columns.text("Reclaim Policy", "What becomes of it when its claim goes."),
    columns.text("Status", "Available, Bound, Released or Failed."),
    columns.text("Claim", "Whose it is."),
    columns.text("StorageClass", "Its class."),
    columns.text("VolumeAttributesClass", "Its changeable properties."),
    columns.text("Reason", "Why its status is as it is."),
    columns.AGE,
    columns.text("VolumeMode", "File system or raw block device.", priority=1),
)
_POLICIES = ["Delete", "Recycle", "Retain"]
SOURCES = (
    "awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "csi", "fc", "flexVolume", "flocker",
    "gcePersistentDisk", "glusterfs", "hostPath", "iscsi", "local", "nfs", "photonPersistentDisk", "portworxVolume",
    "quobyte", "rbd", "scaleIO", "storageos", "vsphereVolume",
)  # fmt: skip
_FILLS = {"iscsi": defaults.iscsi, "rbd": defaults.rbd, "azureDisk": defaults.azure_disk, "scaleIO": defaults.scale_io}


def _default(obj: Obj) -> None:
    spec = workload.spec_of(obj)
    workload.pending(obj)
    if not spec.get("persistentVolumeReclaimPolicy"):
        spec["persistentVolumeReclaimPolicy"] = "Retain"
    workload.fill(spec, volumeMode="Filesystem")
    if (host := spec.get("hostPath")) is not None:
        workload.fill(host, type="")
    for name, fill in _FILLS.items():
        if spec.get(name) is not None:
            fill(spec[name])


def _prepare_create(obj: Obj) -> None:
    obj["status"] = {"phase": "Pending"}


def _validate(obj: Obj) -> Errors:
    spec = obj["spec"]
    wrong = claims.access_modes(spec, "spec")
    capacity = spec.get("capacity") or {}
    if not capacity:
        wrong.append(field.required("spec.capacity"))
    if "storage" not in capacity or len(capacity) > 1:
        wrong.append(field.not_supported("spec.capacity", capacity, ["storage"]))
    for name, text in capacity.items():
        wrong += checks.quantity_text(f"spec.capacity[{name}]", text) or checks.positive_quantity(
            f"spec.capacity[{name}]", text
        )
    wrong += checks.one_of("spec.persistentVolumeReclaimPolicy", spec["persistentVolumeReclaimPolicy"], _POLICIES)
    wrong += _source(spec)
    if (affinity := spec.get("nodeAffinity")) is not None and affinity.get("required") is None:
        wrong.append(field.required("spec.nodeAffinity.required", "must specify required node constraints"))
    if name := spec.get("storageClassName"):
        wrong += [field.invalid("spec.storageClassName", name, why) for why in checks.dns_subdomain(name)]
    if (required := (spec.get("nodeAffinity") or {}).get("required")) is not None:
        wrong += scheduling.node_selector(required, "spec.nodeAffinity.required")
    if (mode := spec.get("volumeMode")) not in claims.VOLUME_MODES:
        wrong.append(field.not_supported("spec.volumeMode", mode, claims.VOLUME_MODES))
    return wrong


def _source(spec: Obj) -> Errors:
    given = [name for name in SOURCES if spec.get(name) is not None]
    if not given:
        return [field.required("spec", "must specify a volume type")]
    wrong = [field.forbidden(f"spec.{name}", "may not specify more than 1 volume type") for name in given[1:]]
    if given[0] == "hostPath":
        wrong += volumes.host_path(spec["hostPath"], "spec.hostPath")
    if given[0] == "local":
        if not spec["local"].get("path"):
            wrong.append(field.required("spec.local.path"))
        if not spec.get("nodeAffinity"):
            wrong.append(field.required("spec.nodeAffinity", "Local volume requires node affinity"))
    if given[0] == "nfs":
        wrong += [field.required(f"spec.nfs.{name}") for name in ("server", "path") if not spec["nfs"].get(name)]
    if given[0] == "csi":
        wrong += [
            field.required(f"spec.csi.{name}") for name in ("driver", "volumeHandle") if not spec["csi"].get(name)
        ]
    return wrong


def _validate_update(obj: Obj, old: Obj) -> Errors:
    spec, before = obj["spec"], old["spec"]
    wrong = _validate(obj)
    if any(spec.get(name) != before.get(name) for name in SOURCES):
        why = "spec.persistentvolumesource is immutable after creation"
        wrong.append(field.forbidden("spec.persistentvolumesource", why))
    wrong += checks.immutable("volumeMode", spec.get("volumeMode"), before.get("volumeMode"))
    if before.get("nodeAffinity") and before["nodeAffinity"] != spec.get("nodeAffinity"):
        wrong.append(field.invalid("nodeAffinity", spec.get("nodeAffinity"), checks.IMMUTABLE))
    return wrong


def _row(obj: Obj, now: datetime) -> list[Any]:
    spec, status = obj["spec"], obj.get("status") or {}
    claim = spec.get("claimRef")
    return [
        obj["metadata"]["name"],
        (spec.get("capacity") or {}).get("storage", "0"),
        persistentvolumeclaim.short_modes(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy", ""),
        "Terminating" if obj["metadata"].get("deletionTimestamp") else status.get("phase", ""),
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "",
        persistentvolumeclaim.storage_class(obj),
        spec.get("volumeAttributesClassName") or persistentvolumeclaim.UNSET,
        status.get("reason", ""),
        columns.age(obj, now),
        spec.get("volumeMode") or persistentvolumeclaim.UNSET,
    ]


def _warnings(obj: Obj) -> list[str]:
    spec, found = obj["spec"], persistentvolumeclaim.class_warnings(obj)
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        found.append(
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended "
            "approach is to use dynamic provisioning."
        )
    terms = ((spec.get("nodeAffinity") or {}).get("required") or {}).get("nodeSelectorTerms") or ()
    for at, term in enumerate(terms):
        found += podwarnings.term_warnings(term, f"spec.nodeAffinity.required.nodeSelectorTerms[{at}]")
    for name in ("cephfs", "photonPersistentDisk", "scaleIO", "storageos", "glusterfs", "rbd"):
        if spec.get(name) is not None:
            shown = "storageOS" if name == "storageos" else name
            found.append(f"spec.{shown}: {podwarnings.GONE_VOLUMES[name]}")
    return found


KIND = Kind(
    group="",
    version="v1",
    kind="PersistentVolume",
    plural="persistentvolumes",
    namespaced=False,
    schema=Schema.of("io.k8s.api.core.v1.PersistentVolume"),
    short_names=("pv",),
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
