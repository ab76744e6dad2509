"""What a signer may say of a PodCertificateRequest: once, and only what its certificate says too."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pocketkube.api.kinds import conditions
from pocketkube.api.kinds.certificates import _pem
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.meta import field, times

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

Obj = dict[str, Any]

_OUTCOMES = ("Issued", "Denied", "Failed")
_CHAIN = "status.certificateChain"
_MOST_CHAIN = 10 * 1024  # bytes
_MARGIN = timedelta(minutes=10)  # of the refresh, at both ends
_SKEW = timedelta(minutes=5)
_OMITTED = "<omitted>"


def validate_status(obj: Obj, old: Obj, now: datetime | None = None) -> Errors:
    """Everything wrong with a new status. `now` is the server's time, by default the present."""
    status, before = obj.get("status") or {}, old.get("status") or {}
    if wrong := _conditions(status.get("conditions") or []):
        return wrong
    if _outcome(before):
        why = "immutable after PodCertificateRequest is issued, denied, or failed"
        return [] if status == before else [field.invalid("status", _OMITTED, why)]
    outcome = _outcome(status)
    if outcome in ("Denied", "Failed"):
        why = "non-condition status fields must be empty when denying or failing the PodCertificateRequest"
        return [] if not any(status[name] for name in status.keys() - {"conditions"}) else [
            field.invalid("status", _OMITTED, why)
        ]  # fmt: skip
    if outcome == "Issued":
        return _issued(obj, status, now or times.parse(times.now_rfc3339()))
    why = 'status is immutable unless transitioning to "Issued", "Denied", or "Failed"'
    return [] if status == before else [field.invalid("status", _OMITTED, why)]


def _conditions(found: list[Obj]) -> Errors:
    wrong: Errors = []
    known = 0
    for at, condition in enumerate(found):
        path, kind = f"status.conditions[{at}]", condition.get("type", "")
        if kind not in _OUTCOMES:
            wrong.append(field.not_supported(f"{path}.type", kind, list(_OUTCOMES)))
            continue
        known += 1
        if known > 1:
            why = 'There may be at most one condition with type "Issued", "Denied", or "Failed"'
            wrong.append(field.invalid(f"{path}.type", kind, why))
        if condition.get("status") != "True":
            wrong.append(field.not_supported(f"{path}.status", condition.get("status", ""), ["True"]))
    return wrong + conditions.validate(found, "status.conditions")


def _outcome(status: Obj) -> str:
    found = (c["type"] for c in status.get("conditions") or () if c.get("status") == "True")
    return next((kind for kind in found if kind in _OUTCOMES), "")


def _issued(obj: Obj, status: Obj, now: datetime) -> Errors:
    chain = status.get("certificateChain") or ""
    if len(chain) > _MOST_CHAIN:
        return [field.too_long(_CHAIN, _MOST_CHAIN)]
    found = _pem.blocks(chain)
    if not found:
        return [field.invalid(_CHAIN, chain, "issued certificate chain must contain at least one certificate")]
    if any(block.kind != "CERTIFICATE" for block in found):
        why = "issued certificate chain must consist entirely of CERTIFICATE PEM blocks"
        return [field.invalid(_CHAIN, chain, why)]
    leaf = _pem.certificate(found[0].der)
    if leaf is None:
        return [field.invalid(_CHAIN, chain, "leaf certificate does not parse as valid X.509")]
    if why := _key_fault(obj["spec"], leaf):
        return [field.invalid(_CHAIN, chain, why)]
    if wrong := _times(obj["spec"], status, leaf, now):
        return wrong
    if any(_pem.certificate(block.der) is None for block in found[1:]):
        return [field.invalid(_CHAIN, chain, "intermediate certificate does not parse as valid X.509")]
    return []


def _key_fault(spec: Obj, leaf: Certificate) -> str:
    """The certificate is for the key in the request, by itself or in the unsigned request for signing."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from cryptography.x509 import InvalidVersion, load_der_x509_csr

    wanted = base64.b64decode(spec.get("pkixPublicKey") or "")
    if not wanted and (stub := spec.get("stubPKCS10Request")):
        try:
            key = load_der_x509_csr(base64.b64decode(stub)).public_key()
        except (ValueError, InvalidVersion):
            return "leaf certificate was not issued to the requested public key"
        wanted = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    given = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "" if given == wanted else "leaf certificate was not issued to the requested public key"


def _times(spec: Obj, status: Obj, leaf: Certificate, now: datetime) -> Errors:
    """The times in the status are those of the certificate, and it begins now."""
    present = "must be present and consistent with the issued certificate"
    reasons = {
        "notBefore": present,
        "notAfter": present,
        "beginRefreshAt": "must be present and in the range [notbefore+10min, notafter-10min]",
    }
    if missing := [name for name in reasons if not status.get(name)]:
        return [field.required(f"status.{name}", reasons[name]) for name in missing]
    begin, end, refresh = (times.parse(status[name]) for name in reasons)
    life = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    most = spec.get("maxExpirationSeconds") or 0
    for name, holds, why in (
        ("notBefore", begin == leaf.not_valid_before_utc, "must be set to the NotBefore time encoded in the leaf certificate"),
        ("notBefore", abs(begin - now) < _SKEW, "must be set to within 5 minutes of kube-apiserver's current time"),
        ("notAfter", end == leaf.not_valid_after_utc, "must be set to the NotAfter time encoded in the leaf certificate"),
        ("certificateChain", life >= timedelta(hours=1), "leaf certificate lifetime must be >= 1 hour"),
        ("certificateChain", life <= timedelta(seconds=most), f"leaf certificate lifetime must be <= spec.maxExpirationSeconds ({most})"),
        ("beginRefreshAt", refresh >= begin + _MARGIN, "must be at least 10 minutes after status.notBefore"),
        ("beginRefreshAt", refresh <= end - _MARGIN, "must be at least 10 minutes before status.notAfter"),
    ):  # fmt: skip
        if not holds:
            return [field.invalid(f"status.{name}", status[name], why)]
    return []
