"""Keys and a small cluster with one service account and one of its pods."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from apiserver.memory_cluster import MemoryCluster


def private_pem() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


@pytest.fixture(scope="session")
def key() -> bytes:
    return private_pem()


@pytest.fixture(scope="session")
def other_key() -> bytes:
    return private_pem()


@pytest.fixture
def cluster() -> MemoryCluster:
    found = MemoryCluster()
    found.put("", "serviceaccounts", {"metadata": {"name": "robot", "namespace": "shop", "uid": "sa-1"}})
    pod = {"metadata": {"name": "web", "namespace": "shop", "uid": "pod-1"}, "spec": {"serviceAccountName": "robot"}}
    found.put("", "pods", pod)
    found.put("", "secrets", {"metadata": {"name": "held", "namespace": "shop", "uid": "secret-1"}})
    found.put("", "nodes", {"metadata": {"name": "n1", "uid": "node-1"}})
    return found
