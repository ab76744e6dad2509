"""ClusterTrustBundle: certificates to trust."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns
from pocketkube.api.kinds.certificates.certificatesigningrequest import signer_name
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (columns.NAME, columns.text("SignerName", "Whose certificates these are."))


def _validate(obj: Obj) -> Errors:
    spec, name = obj.get("spec") or {}, obj["metadata"].get("name", "")
    wrong: Errors = []
    if signer := spec.get("signerName"):
        wrong += signer_name(signer, "spec.signerName")
        prefix = signer.replace("/", ":") + ":"
        if not name.startswith(prefix):
            why = f"ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}"
            wrong.append(field.invalid("metadata.name", name, why))
    bundle = spec.get("trustBundle") or ""
    if "-----BEGIN CERTIFICATE-----" not in bundle:
        wrong.append(
            field.invalid("spec.trustBundle", "<value omitted>", "at least one trust anchor must be specified")
        )
    return wrong


def _validate_update(obj: Obj, old: Obj) -> Errors:
    new, before = (x.get("spec") or {} for x in (obj, old))
    return _validate(obj) + checks.immutable("spec.signerName", new.get("signerName"), before.get("signerName"))


def _row(obj: Obj, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], (obj.get("spec") or {}).get("signerName") or columns.NONE]


KIND = Kind(
    group="certificates.k8s.io",
    version="v1",
    kind="ClusterTrustBundle",
    plural="clustertrustbundles",
    namespaced=False,
    schema=Schema.of("io.k8s.api.certificates.v1.ClusterTrustBundle"),
    priority=10,
    has_generation=False,
    columns=_COLUMNS,
    row=_row,
    validate=_validate,
    validate_update=_validate_update,
    selectable={"spec.signerName": lambda obj: str((obj.get("spec") or {}).get("signerName") or "")},
    validates_name_as="path-segment",
)
