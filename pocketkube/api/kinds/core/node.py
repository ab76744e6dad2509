"""Node: a host that runs pods."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import PROXY_VERBS, STATUS, Kind, Subresource
from pocketkube.api.kinds.podspec import resources, scheduling
from pocketkube.api.meta import field, names
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_ROLE = "node-role.kubernetes.io/"
_COLUMNS = (
    columns.NAME,
    columns.text("Status", "Whether the node is ready, and whether pods may come to it."),
    columns.text("Roles", "What the node is for."),
    columns.AGE,
    columns.text("Version", "The version of its kubelet."),
    columns.text("Internal-IP", "Its address within the cluster's network.", priority=1),
    columns.text("External-IP", "Its address outside.", priority=1),
    columns.text("OS-Image", "Its operating system.", priority=1),
    columns.text("Kernel-Version", "Its kernel.", priority=1),
    columns.text("Container-Runtime", "What runs its containers.", priority=1),
)
_INFO = (
    "architecture", "bootID", "containerRuntimeVersion", "kernelVersion", "kubeProxyVersion", "kubeletVersion", "machineID",
    "operatingSystem", "osImage", "systemUUID",
)  # fmt: skip


def _default(obj: Obj) -> None:
    spec = workload.spec_of(obj)
    if (first := spec.get("podCIDR")) and (spec.get("podCIDRs") or [""])[0] != first:
        spec["podCIDRs"] = [first]
    elif not first and spec.get("podCIDRs"):
        spec["podCIDR"] = spec["podCIDRs"][0]
    status = obj.get("status")
    if status is None:
        status = obj["status"] = {}
    if status.get("capacity") and status.get("allocatable") is None:
        status["allocatable"] = dict(status["capacity"])
    status.setdefault("daemonEndpoints", {}).setdefault("kubeletEndpoint", {"Port": 0})
    info = status.setdefault("nodeInfo", {})
    for name in _INFO:
        info.setdefault(name, "")


def _validate(obj: Obj) -> Errors:
    spec = obj["spec"]
    wrong = scheduling.taints(spec.get("taints") or [], "metadata.taints") + _quantities(obj)
    cidrs = spec.get("podCIDRs") or []
    for at, cidr in enumerate(cidrs):
        wrong += checks.named(f"spec.podCIDRs[{at}]", cidr, names.is_cidr)
    if len(cidrs) > 2 or len({":" in cidr for cidr in cidrs}) < len(cidrs):
        why = "may specify no more than one CIDR for each IP family"
        wrong.append(field.invalid("spec.podCIDRs", cidrs, why))
    return wrong


def _quantities(obj: Obj) -> Errors:
    wrong: Errors = []
    for which in ("capacity", "allocatable"):
        for name, text in ((obj.get("status") or {}).get(which) or {}).items():
            wrong += checks.quantity_text(f"status.{which}.{name}", text)
    return wrong


def _validate_update(obj: Obj, old: Obj) -> Errors:
    spec, before = obj["spec"], old.get("spec") or {}
    wrong = scheduling.taints(spec.get("taints") or [], "metadata.taints") + _quantities(obj)
    if before.get("podCIDRs") and spec.get("podCIDRs") != before["podCIDRs"]:
        why = 'node updates may not change podCIDR except from "" to valid'
        wrong.append(field.forbidden("spec.podCIDRs", why))
    if before.get("providerID") and spec.get("providerID") != before["providerID"]:
        why = 'node updates may not change providerID except from "" to valid'
        wrong.append(field.forbidden("spec.providerID", why))
    return wrong


def _prepare_update(obj: Obj, old: Obj) -> None:
    """podCIDR is the first of podCIDRs, whichever of the two is given."""
    spec = obj["spec"]
    if spec.get("podCIDR") and not spec.get("podCIDRs"):
        spec["podCIDRs"] = [spec["podCIDR"]]
    elif spec.get("podCIDRs") and not spec.get("podCIDR"):
        spec["podCIDR"] = spec["podCIDRs"][0]


def _prepare_create(obj: Obj) -> None:
    _prepare_update(obj, obj)


def _validate_status(obj: Obj, old: Obj) -> Errors:
    wrong = _quantities(obj)
    seen: list[Obj] = []
    for at, address in enumerate((obj.get("status") or {}).get("addresses") or ()):
        if address in seen:
            wrong.append(field.duplicate(f"status.addresses[{at}]", address))
        seen.append(address)
    return wrong


def is_ready(obj: Mapping[str, Any]) -> bool:
    """The Ready condition is True."""
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Ready":
            return bool(condition.get("status") == "True")
    return False


def is_schedulable(obj: Mapping[str, Any]) -> bool:
    return not obj["spec"].get("unschedulable")


def allocatable(obj: Mapping[str, Any]) -> dict[str, int]:
    """Resource -> what pods may use: thousandths for cpu, units for all else."""
    return resources.amounts((obj.get("status") or {}).get("allocatable"))


def addresses(obj: Mapping[str, Any], kind: str) -> list[str]:
    """Addresses of a type such as InternalIP."""
    found = (obj.get("status") or {}).get("addresses") or ()
    return [address["address"] for address in found if address.get("type") == kind]


def roles(obj: Mapping[str, Any]) -> list[str]:
    """Roles by label, sorted."""
    labels = obj["metadata"].get("labels") or {}
    found = {name.removeprefix(_ROLE) for name in labels if name.startswith(_ROLE) and name != _ROLE}
    if old := labels.get("kubernetes.io/role"):
        found.add(old)
    return sorted(found)


def _status(obj: Obj) -> str:
    ready = next((c for c in (obj.get("status") or {}).get("conditions") or () if c.get("type") == "Ready"), None)
    text = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    return text + ("" if is_schedulable(obj) else ",SchedulingDisabled")


def _row(obj: Obj, now: datetime) -> list[Any]:
    info = (obj.get("status") or {}).get("nodeInfo") or {}
    internal, external = addresses(obj, "InternalIP"), addresses(obj, "ExternalIP")
    return [
        obj["metadata"]["name"],
        _status(obj),
        ",".join(roles(obj)) or columns.NONE,
        columns.age(obj, now),
        info.get("kubeletVersion", ""),
        internal[0] if internal else columns.NONE,
        external[0] if external else columns.NONE,
        info.get("osImage") or columns.UNKNOWN,
        info.get("kernelVersion") or columns.UNKNOWN,
        info.get("containerRuntimeVersion") or columns.UNKNOWN,
    ]


KIND = Kind(
    group="",
    version="v1",
    kind="Node",
    plural="nodes",
    namespaced=False,
    schema=Schema.of("io.k8s.api.core.v1.Node"),
    short_names=("no",),
    subresources=(Subresource("proxy", PROXY_VERBS, kind="NodeProxyOptions"), STATUS),
    storage_prefix="minions",
    priority=10,
    has_generation=False,
    columns=_COLUMNS,
    row=_row,
    selectable={"spec.unschedulable": lambda obj: "true" if obj["spec"].get("unschedulable") else "false"},
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    validate=_validate,
    validate_update=_validate_update,
    validate_status=_validate_status,
)
