from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.apiserver.server import Client, running


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    """The admin's client of a fresh server; the service account that pods need is there."""
    async with running(tmp_path) as client:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await client.ok("POST", "/api/v1/namespaces/default/serviceaccounts", account)
        yield client


@pytest.fixture
async def tokens_client(tmp_path: Path) -> AsyncIterator[Client]:
    """Of a server that issues service-account tokens."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = tmp_path / "sa.key"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    async with running(tmp_path, service_account_signing_key_file=str(path)) as client:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await client.ok("POST", "/api/v1/namespaces/default/serviceaccounts", account)
        yield client
