"""ClusterTrustBundle: certificates to trust."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns
from pocketkube.api.kinds.certificates import _pem
from pocketkube.api.kinds.certificates.certificatesigningrequest import signer_name
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_MOST_BUNDLE = 1024 * 1024  # bytes
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
    return wrong


def _validate_new(obj: Obj) -> Errors:
    return _validate(obj) + _bundle((obj.get("spec") or {}).get("trustBundle") or "")


def _bundle(text: str) -> Errors:
    """Nothing but certificates of authorities, each once."""
    if len(text) > _MOST_BUNDLE:
        return [field.too_long("spec.trustBundle", _MOST_BUNDLE)]
    found = _pem.blocks(text)
    faults = [f"entry {at} {why}" for at, block in enumerate(found) if (why := _fault(block))]
    if not faults and not found:
        faults = ["at least one trust anchor must be provided"]
    if not faults:
        places: dict[bytes, list[int]] = {}
        for at, block in enumerate(found):
            places.setdefault(block.der, []).append(at)
        shown = (" ".join(map(str, places_of)) for places_of in places.values() if len(places_of) > 1)
        faults = [f"duplicate trust anchor (indices [{indices}])" for indices in shown]
    return [field.invalid("spec.trustBundle", "<value omitted>", why) for why in faults]


def _fault(block: _pem.Block) -> str:
    from cryptography.x509 import BasicConstraints, ExtensionNotFound

    if block.kind != "CERTIFICATE":
        return f"has bad block type: {block.kind}"
    if block.has_headers:
        return "has PEM block headers"
    certificate = _pem.certificate(block.der)
    if certificate is None:
        return "does not parse as X.509"
    try:
        authority = certificate.extensions.get_extension_for_class(BasicConstraints).value.ca
    except ExtensionNotFound:
        authority = False
    except ValueError:
        return "has invalid basic constraints"
    return "" if authority else "does not have the CA bit set"


def _validate_update(obj: Obj, old: Obj) -> Errors:
    new, before = (x.get("spec") or {} for x in (obj, old))
    wrong = _validate(obj) if new.get("trustBundle") == before.get("trustBundle") else _validate_new(obj)
    return wrong + checks.immutable("spec.signerName", new.get("signerName"), before.get("signerName"))


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
    validate=_validate_new,
    validate_update=_validate_update,
    selectable={"spec.signerName": lambda obj: str((obj.get("spec") or {}).get("signerName") or "")},
    validates_name_as="path-segment",
)
