"""The server's certificate where none is given: made here, signed by itself, kept in the certificate folder."""

from __future__ import annotations

import os
from pathlib import Path

from pocketkube.base import certificates


def self_signed(folder: Path, *, name: str, addresses: tuple[str, ...]) -> tuple[Path, Path]:
    """(certificate, key) in `folder`, made if they are not there."""
    cert, key = folder / "kubelet.crt", folder / "kubelet.key"
    if cert.exists() and key.exists():
        return cert, key
    certificate, private = certificates.self_signed(name, addresses=addresses)
    folder.mkdir(parents=True, exist_ok=True)
    with open(os.open(key, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
        file.write(private)
    cert.write_bytes(certificate)
    return cert, key
