"""CertificateSigningRequest: a wish for a certificate, to be approved and signed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pocketkube.api.kinds import columns
from pocketkube.api.kinds.certificates import _outcome as outcome
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import STATUS, Kind, Subresource
from pocketkube.api.meta import field, names, times
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.AGE,
    columns.text("SignerName", "Who is to sign."),
    columns.text("Requestor", "Who asks."),
    columns.text("RequestedDuration", "For how long."),
    columns.text("Condition", "Whether it is approved and issued."),
)
_USAGES = [
    "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment",
    "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel",
    "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime",
    "server auth", "signing", "timestamping",
]  # fmt: skip
_REQUESTER = ("username", "uid", "groups", "extra")
_SHORTEST = 600  # seconds


def _prepare_create(obj: Obj) -> None:
    """Who asks is set by the server from the request's own user."""
    obj["status"] = {}
    for name in _REQUESTER:
        obj.setdefault("spec", {}).pop(name, None)


def _prepare_update(obj: Obj, old: Obj) -> None:
    obj["spec"] = old["spec"]


def _prepare_status(obj: Obj, old: Obj) -> None:
    """Approvals and denials go by /approval only."""
    outcome.keep_decisions(obj, old)
    outcome.stamp(obj, old, times.now_rfc3339())


def prepare_approval(obj: Obj, old: Obj) -> None:
    outcome.stamp(obj, old, times.now_rfc3339())


def _validate(obj: Obj) -> Errors:
    spec = obj["spec"]
    usages = spec.get("usages") or []
    wrong = _request(spec.get("request") or "")
    wrong += [] if usages else [field.required("spec.usages", "usages must be provided")]
    wrong += [field.not_supported(f"spec.usages[{at}]", u, _USAGES) for at, u in enumerate(usages) if u not in _USAGES]
    wrong += [field.duplicate(f"spec.usages[{at}]", u) for at, u in enumerate(usages) if u in usages[:at]]
    wrong += signer_name(spec.get("signerName", ""), "spec.signerName")
    if spec.get("signerName") == "kubernetes.io/legacy-unknown":
        why = "the legacy signerName is not allowed via this API version"
        wrong.append(field.invalid("spec.signerName", spec["signerName"], why))
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < _SHORTEST:
        why = "may not specify a duration less than 600 seconds (10 minutes)"
        wrong.append(field.invalid("spec.expirationSeconds", seconds, why))
    return wrong


def _request(text: str) -> Errors:
    import base64
    import binascii

    try:
        pem = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pem = b""
    if b"-----BEGIN CERTIFICATE REQUEST-----" in pem and b"-----END CERTIFICATE REQUEST-----" in pem:
        return []
    return [field.invalid("spec.request", text, "PEM block type must be CERTIFICATE REQUEST")]


def signer_name(name: str, path: str) -> Errors:
    """`example.com/some/path`."""
    if not name:
        return [field.required(path, "signerName must be provided")]
    domain, slash, rest = name.partition("/")
    if not slash or "/" in rest:
        why = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        return [field.invalid(path, name, why)]
    wrong = [
        field.invalid(path, domain, f'validating label "{label}": {why}')
        for label in domain.split(".")
        for why in names.is_dns_label(label)
    ]
    if "." not in domain:
        wrong.append(field.invalid(path, domain, "should be a domain with at least two segments separated by dots"))
    return wrong if rest else [*wrong, field.invalid(path, rest, "validating label: must be non-empty")]


def _validate_update(obj: Obj, old: Obj) -> Errors:
    return []


def validate_approval(obj: Obj, old: Obj) -> Errors:
    return outcome.validate(obj, old, decides=True)


def _validate_status(obj: Obj, old: Obj) -> Errors:
    return outcome.validate(obj, old, decides=False)


def _condition(obj: Obj) -> str:
    status = obj.get("status") or {}
    found = {c.get("type") for c in status.get("conditions") or ()}
    words = ["Denied"] if "Denied" in found else ["Approved"] if "Approved" in found else ["Pending"]
    if "Failed" in found:
        words.append("Failed")
    if status.get("certificate"):
        words.append("Issued")
    return ",".join(words)


def _row(obj: Obj, now: datetime) -> list[Any]:
    spec = obj["spec"]
    seconds = spec.get("expirationSeconds")
    return [
        obj["metadata"]["name"],
        columns.age(obj, now),
        spec.get("signerName") or columns.NONE,
        spec.get("username", ""),
        times.age(timedelta(seconds=seconds)) if seconds else columns.NONE,
        _condition(obj),
    ]


KIND = Kind(
    group="certificates.k8s.io",
    version="v1",
    kind="CertificateSigningRequest",
    plural="certificatesigningrequests",
    namespaced=False,
    schema=Schema.of("io.k8s.api.certificates.v1.CertificateSigningRequest"),
    short_names=("csr",),
    subresources=(Subresource("approval"), STATUS),
    priority=10,
    has_generation=False,
    create_on_update=True,
    columns=_COLUMNS,
    row=_row,
    selectable={"spec.signerName": lambda obj: str(obj["spec"].get("signerName") or "")},
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    prepare_status=_prepare_status,
    resets={"": ("status",), "status": ("spec",), "approval": ("spec",)},
    validate=_validate,
    validate_update=_validate_update,
    validate_status=_validate_status,
)
