"""Encryption at rest: a Store around another that seals the values of chosen resources, in upstream's form.

    plain value ──first provider──▶ k8s:enc:aesgcm:v1:KEY:<nonce><sealed> ──▶ etcd ──the provider with that prefix──▶ plain value

The key in etcd is sealed along as authenticated data, so a value that was moved to another key cannot be opened.
"""

from __future__ import annotations

from apiserver.storage.encryption.configuration import Encryption, Settings, load
from apiserver.storage.encryption.measures import Measures
from apiserver.storage.encryption.store import EncryptedStore
from apiserver.storage.encryption.upkeep import Upkeep

__all__ = ["EncryptedStore", "Encryption", "Measures", "Settings", "Upkeep", "load"]
