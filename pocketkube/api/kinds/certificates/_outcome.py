"""What becomes of a CertificateSigningRequest: its conditions and certificate, and who may change which of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocketkube.api.kinds.checks import Errors
from pocketkube.api.meta import field

Obj = dict[str, Any]

DECISIONS = ("Approved", "Denied")
_FINAL = (*DECISIONS, "Failed")
_CONDITIONS, _CERTIFICATE = "status.conditions", "status.certificate"


def conditions(csr: Obj) -> list[Obj]:
    return list((csr.get("status") or {}).get("conditions") or ())


def stamp(new: Obj, old: Obj, now: str) -> None:
    """Times of conditions that come without, in place: a condition that was there has not changed since."""
    stamped = []
    for condition in conditions(new):
        known = [
            c
            for c in conditions(old)
            if (c.get("type"), c.get("status")) == (condition.get("type"), condition.get("status"))
        ]
        since = next((c["lastTransitionTime"] for c in known if c.get("lastTransitionTime")), now)
        condition = {**condition, "lastUpdateTime": condition.get("lastUpdateTime") or now}
        stamped.append({**condition, "lastTransitionTime": condition.get("lastTransitionTime") or since})
    if stamped:
        new["status"] = {**new["status"], "conditions": stamped}


def keep_decisions(new: Obj, old: Obj) -> None:
    """Approvals and denials as they were, in place, where none is added and none is missing."""
    found = conditions(new)
    for kind in DECISIONS:
        before = [c for c in conditions(old) if c.get("type") == kind]
        if before and len(before) == sum(c.get("type") == kind for c in found):
            kept = iter(before)
            found = [next(kept) if c.get("type") == kind else c for c in found]
    if found:
        new["status"] = {**new["status"], "conditions": found}


def validate(new: Obj, old: Obj, *, decides: bool) -> Errors:
    """A write of /approval where `decides`, else of /status."""
    wrong = list(_condition_errors(conditions(new), conditions(old)))
    certificate, before = ((o.get("status") or {}).get("certificate") or "" for o in (new, old))
    if certificate != before:
        wrong += certificate_errors(certificate)
    wrong += _change_errors(new, old, decides=decides)
    if before and certificate != before:
        wrong.append(field.forbidden(_CERTIFICATE, "updates may not modify existing certificate content"))
    return wrong


def _condition_errors(found: list[Obj], before: list[Obj]) -> Iterator[field.FieldError]:
    both_before = set(DECISIONS) <= {c.get("type") for c in before}
    seen: set[str] = set()
    for at, condition in enumerate(found):
        path, kind = f"{_CONDITIONS}[{at}]", condition.get("type") or ""
        if not kind:
            yield field.required(f"{path}.type")
        elif kind in seen:
            yield field.duplicate(f"{path}.type", kind)
        seen.add(kind)
        if kind in DECISIONS and set(DECISIONS) <= seen and not both_before:
            yield field.invalid(f"{path}.type", kind, "Approved and Denied conditions are mutually exclusive")
        allowed = ["True"] if kind in _FINAL else ["False", "True", "Unknown"]
        if not condition.get("status"):
            yield field.required(f"{path}.status")
        elif condition["status"] not in allowed:
            yield field.not_supported(f"{path}.status", condition["status"], allowed)


def _change_errors(new: Obj, old: Obj, *, decides: bool) -> Iterator[field.FieldError]:
    for kind in _FINAL:
        was, now = ([c for c in conditions(o) if c.get("type") == kind] for o in (old, new))
        if len(now) < len(was):
            yield field.forbidden(_CONDITIONS, f'updates may not remove a condition of type "{kind}"')
        elif kind in DECISIONS and not decides and len(now) > len(was):
            yield field.forbidden(_CONDITIONS, f'updates may not add a condition of type "{kind}"')
        elif kind in DECISIONS and not decides and now != was:
            yield field.forbidden(_CONDITIONS, f'updates may not modify a condition of type "{kind}"')


def certificate_errors(encoded: str) -> Iterator[field.FieldError]:
    """`encoded` is base64 of PEM; nothing but certificates may be in it."""
    import base64

    from cryptography.x509 import InvalidVersion, load_pem_x509_certificates

    if not encoded:
        return
    pem = base64.b64decode(encoded)
    shown, blocks = "<certificate data>", [part.partition(b"-----")[0] for part in pem.split(b"-----BEGIN ")[1:]]
    other = next((block.decode("latin-1") for block in blocks if block != b"CERTIFICATE"), "")
    if other:
        why = f'only CERTIFICATE PEM blocks are allowed, found "{other}"'
        yield field.invalid(_CERTIFICATE, shown, why)
        return
    if not blocks:
        yield field.invalid(_CERTIFICATE, shown, "must contain at least one CERTIFICATE PEM block")
        return
    try:
        load_pem_x509_certificates(pem)
    except (ValueError, InvalidVersion) as broken:
        yield field.invalid(_CERTIFICATE, shown, str(broken))
