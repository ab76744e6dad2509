"""The files that docs/keeping-order.md shows can be used as they stand."""

from __future__ import annotations

import re
from pathlib import Path

from apiserver import admission
from apiserver.audit import policy
from apiserver.memory_cluster import MemoryCluster
from apiserver.storage import encryption

PAGE = Path(__file__).parents[2] / "docs" / "keeping-order.md"


def block(folder: Path, name: str) -> str:
    found = re.search(rf"```yaml {name}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    path = folder / f"{name}.yaml"
    path.write_text(found[1])
    return str(path)


def test_policy(tmp_path: Path) -> None:
    policy.load(block(tmp_path, "policy"))


def test_encryption(tmp_path: Path) -> None:
    keys = encryption.load(block(tmp_path, "encryption")).keys_of("/registry/secrets/default/s")
    assert keys is not None
    assert keys.write.prefix == b"k8s:enc:aesgcm:v1:2026-11:"


def test_kms(tmp_path: Path) -> None:
    found = encryption.load(block(tmp_path, "kms"))
    keys = found.keys_of("/registry/configmaps/default/s")
    assert keys is not None
    assert keys.write.prefix == b"k8s:enc:kms:v2:vault:"
    assert [service.seconds for service in found.services] == [3.0]


def test_admission(tmp_path: Path) -> None:
    chain = admission.build(MemoryCluster(), ["EventRateLimit"], config_file=block(tmp_path, "admission"))
    assert "EventRateLimit" in [plugin.name for plugin in chain.plugins]
