"""Certificates from the cluster's signers: a key made here, a CertificateSigningRequest, the answer kept beside the key."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx

from pocketkube.api.meta import errors
from pocketkube.base.clock import Clock
from pocketkube.client.resources import CERTIFICATESIGNINGREQUESTS
from pocketkube.client.rest import Client

log = logging.getLogger(__name__)

Obj = dict[str, Any]

CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING_SIGNER = "kubernetes.io/kubelet-serving"
CLIENT_USAGES = ("digital signature", "client auth")
SERVING_USAGES = ("digital signature", "server auth")
ANSWER_SECONDS = 900.0  # after which a request that nobody answered is made anew
RENEW_AT = 0.8  # of a certificate's life


class Refused(Exception):
    """The request was denied or its signing failed; the text is the signer's."""


def key_and_request(node: str, *, addresses: Sequence[str] = (), names: Sequence[str] = ()) -> tuple[bytes, bytes]:
    """(private key, request) as PEM, for the identity of that node."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes")
    subject = x509.Name([organization, x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    alternatives: list[x509.GeneralName] = [x509.DNSName(n) for n in names]
    alternatives += [x509.IPAddress(ip_address(a)) for a in addresses]
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem, builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


async def sign(client: Client, request: bytes, *, signer: str, usages: Sequence[str], clock: Clock) -> bytes:
    """The certificate as PEM, once somebody has approved and signed it. Raises Refused, TimeoutError, and what a request raises."""
    body: Obj = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"generateName": "csr-"},
        "spec": {"request": base64.b64encode(request).decode(), "signerName": signer, "usages": list(usages)},
    }
    made = await client.create(CERTIFICATESIGNINGREQUESTS, body)
    name = made["metadata"]["name"]
    log.info("asked %s for a certificate: %s", signer, name)
    async with asyncio.timeout(ANSWER_SECONDS):
        while True:
            found = _answer(made)
            if found is not None:
                return found
            await clock.sleep(0.5)
            made = await client.get(CERTIFICATESIGNINGREQUESTS, name)


def _answer(request: Obj) -> bytes | None:
    status = request.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition["type"] in ("Denied", "Failed"):
            raise Refused(condition.get("message") or condition.get("reason") or condition["type"])
    certificate = status.get("certificate")
    return base64.b64decode(certificate) if certificate else None


def keep(path: Path, *, key: bytes, certificate: bytes) -> None:
    """Key and certificate in one file, replaced in one step, for its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    with open(os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
        file.write(certificate + key)
    os.replace(fresh, path)


def renewal(path: Path) -> float:
    """Seconds until the certificate in the file should be renewed; 0 if there is none."""
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return 0.0
    began, ends = found.not_valid_before_utc, found.not_valid_after_utc
    due = began + (ends - began) * RENEW_AT
    return max(0.0, (due - datetime.now(UTC)).total_seconds())


TRANSIENT = (errors.StatusError, httpx.HTTPError, OSError, TimeoutError, Refused)
