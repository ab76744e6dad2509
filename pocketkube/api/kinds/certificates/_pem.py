"""PEM text as blocks; what is between them is nobody's concern."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_BLOCK = re.compile(r"-----BEGIN ([^-]+)-----\s*?\n(.*?)\n?-----END \1-----", re.DOTALL)


class Block(NamedTuple):
    kind: str
    der: bytes
    has_headers: bool


def blocks(text: str) -> list[Block]:
    """Every well-formed block, in order."""
    found = []
    for match in _BLOCK.finditer(text):
        head, empty, body = match[2].replace("\r", "").partition("\n\n")
        headers = bool(empty) and ":" in head
        try:
            der = base64.b64decode("".join((body if headers else match[2]).split()), validate=True)
        except binascii.Error:
            continue
        found.append(Block(match[1], der, headers))
    return found


def certificate(der: bytes) -> Certificate | None:
    """None for what is none."""
    from cryptography.x509 import InvalidVersion, load_der_x509_certificate

    try:
        return load_der_x509_certificate(der)
    except (ValueError, InvalidVersion):
        return None
