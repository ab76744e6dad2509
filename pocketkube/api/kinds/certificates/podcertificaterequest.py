"""PodCertificateRequest: a pod's wish for a certificate."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, workload
from pocketkube.api.kinds.certificates import _issued
from pocketkube.api.kinds.certificates.certificatesigningrequest import signer_name
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.text("PodName", "The pod that asks."),
    columns.text("ServiceAccountName", "Who the pod is."),
    columns.text("NodeName", "Where the pod runs."),
    columns.text("SignerName", "Who is to sign."),
    columns.text("State", "Whether it is issued."),
)
_NAMED = ("podName", "podUID", "serviceAccountName", "serviceAccountUID", "nodeName", "nodeUID")


def _default(obj: Obj) -> None:
    workload.fill(workload.spec_of(obj), maxExpirationSeconds=86400)


def _validate(obj: Obj) -> Errors:
    spec = obj["spec"]
    wrong = signer_name(spec.get("signerName", ""), "spec.signerName")
    wrong += [field.required(f"spec.{name}", "must not be empty") for name in _NAMED if not spec.get(name)]
    seconds = spec["maxExpirationSeconds"]
    if not 3600 <= seconds <= 91 * 86400:
        wrong.append(field.invalid("spec.maxExpirationSeconds", seconds, "must be in the range [3600, 7862400]"))
    return wrong


def _validate_update(obj: Obj, old: Obj) -> Errors:
    return checks.immutable("spec", obj["spec"], old["spec"])


def _state(obj: Obj) -> str:
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if condition.get("type") in ("Issued", "Denied", "Failed") and condition.get("status") == "True":
            return str(condition["type"])
    return "Pending"


def _row(obj: Obj, now: datetime) -> list[Any]:
    spec = obj["spec"]
    cells = [spec.get(name, "") for name in ("podName", "serviceAccountName", "nodeName", "signerName")]
    return [obj["metadata"]["name"], *cells, _state(obj)]


KIND = Kind(
    group="certificates.k8s.io",
    version="v1",
    kind="PodCertificateRequest",
    plural="podcertificaterequests",
    namespaced=True,
    schema=Schema.of("io.k8s.api.certificates.v1.PodCertificateRequest"),
    subresources=(STATUS,),
    priority=10,
    has_generation=False,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    prepare_create=workload.begins(),
    validate=_validate,
    validate_update=_validate_update,
    validate_status=_issued.validate_status,
    resets={"status": ("spec", "metadata")},
    selectable={
        "spec.signerName": lambda obj: str(obj["spec"].get("signerName") or ""),
        "spec.podName": lambda obj: str(obj["spec"].get("podName") or ""),
        "spec.nodeName": lambda obj: str(obj["spec"].get("nodeName") or ""),
    },
)
