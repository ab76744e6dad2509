"""Reads certificate signing requests as the API carries them."""

from __future__ import annotations

import base64

COMMON_NAME = "2.5.4.3"
ORGANIZATION = "2.5.4.10"


def subject(encoded: str, oid: str) -> list[str]:
    """Values of a subject attribute in a base64 PEM request; [] where it cannot be read: validation says why."""
    from cryptography.x509 import InvalidVersion, ObjectIdentifier, load_pem_x509_csr

    try:
        found = load_pem_x509_csr(base64.b64decode(encoded)).subject.get_attributes_for_oid(ObjectIdentifier(oid))
    except (ValueError, InvalidVersion):
        return []
    return [str(attribute.value) for attribute in found]
