"""The stores that the one suite runs on, and the objects that fill them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from apiserver.storage.encoding import encode
from apiserver.storage.encryption import EncryptedStore, Encryption
from apiserver.storage.encryption.ciphers import AesGcm
from apiserver.storage.encryption.configuration import Keys
from apiserver.storage.encryption.providers import Local
from apiserver.storage.etcd import EtcdStore
from apiserver.storage.interface import Store
from apiserver.storage.memory import MemoryStore
from apiserver.storage.relocated import Relocated


@pytest.fixture(params=["memory", "encrypted", "relocated", pytest.param("etcd", marks=pytest.mark.integration)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    opened: Store
    if request.param == "memory":
        opened = MemoryStore()
    elif request.param == "encrypted":
        key = Local("aesgcm", "k", AesGcm, bytes(32))
        opened = EncryptedStore(MemoryStore(), Encryption({"*.*": Keys(key, (key,))}))
    elif request.param == "relocated":
        opened = Relocated(MemoryStore(), "/elsewhere/one")
    else:
        opened = EtcdStore([request.getfixturevalue("etcd").endpoint])
    yield opened
    await opened.close()


def pod(name: str, namespace: str = "default", *, node: str = "", **labels: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "namespace": namespace}
    if labels:
        metadata["labels"] = labels
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": {"nodeName": node}}


def pod_bytes(name: str, namespace: str = "default", *, node: str = "", **labels: str) -> bytes:
    return encode(pod(name, namespace, node=node, **labels))
