"""A request for a certificate: who asks, and for whom."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

from kubectl.describing.writing import Page
from kubectl.session import Session
from pocketkube.api.meta import times

Obj = dict[str, Any]


async def describe(session: Session, obj: Obj, page: Page) -> None:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    spec, annotations = obj["spec"], obj["metadata"].get("annotations") or {}
    asked = x509.load_pem_x509_csr(base64.b64decode(spec["request"]))
    page.line("Name:", obj["metadata"]["name"])
    page.line("Labels:", _pairs(obj["metadata"].get("labels") or {}))
    page.line("Annotations:", _pairs(annotations))
    page.created(obj)
    page.line("Requesting User:", spec.get("username", ""))
    if spec.get("signerName"):
        page.line("Signer:", spec["signerName"])
    if spec.get("expirationSeconds"):
        page.line("Requested Duration:", times.age(timedelta(seconds=spec["expirationSeconds"])))
    page.line("Status:", _status(obj))
    page.line("Subject:")

    def said(oid: x509.ObjectIdentifier) -> list[str]:
        return [str(a.value) for a in asked.subject.get_attributes_for_oid(oid)]

    page.line("", "Common Name:", "".join(said(NameOID.COMMON_NAME)))
    page.line("", "Serial Number:", "".join(said(NameOID.SERIAL_NUMBER)))
    for title, oid in (
        ("Organization:", NameOID.ORGANIZATION_NAME),
        ("Organizational Unit:", NameOID.ORGANIZATIONAL_UNIT_NAME),
        ("Country:", NameOID.COUNTRY_NAME),
        ("Locality:", NameOID.LOCALITY_NAME),
        ("Province:", NameOID.STATE_OR_PROVINCE_NAME),
    ):
        for index, value in enumerate(said(oid)):
            page.line("", "" if index else title, value)
    _alternatives(page, asked)


def _alternatives(page: Page, asked: Any) -> None:
    from cryptography import x509

    try:
        names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    kinds = (
        ("DNS Names:", x509.DNSName),
        ("Email Addresses:", x509.RFC822Name),
        ("URIs:", x509.UniformResourceIdentifier),
        ("IP Addresses:", x509.IPAddress),
    )
    page.line("Subject Alternative Names:")
    for title, kind in kinds:
        for index, value in enumerate(names.get_values_for_type(kind)):
            page.line("", "" if index else title, value)


def _pairs(values: dict[str, str]) -> str:
    return ",".join(f"{k}={v}" for k, v in sorted(values.items())) or "<none>"


def _status(obj: Obj) -> str:
    status = obj.get("status") or {}
    types = [c["type"] for c in status.get("conditions") or ()]
    words = ["Denied" if "Denied" in types else "Approved" if "Approved" in types else "Pending"]
    words += ["Failed"] if "Failed" in types else []
    words += ["Issued"] if status.get("certificate") else []
    return ",".join(words)


DESCRIBE = describe
