from __future__ import annotations

from typing import Any

import pytest

from kubelet.config import KubeletConfig
from kubelet.node import status
from kubelet.node.machine import Disk, Memory
from kubelet.runtime.interface import ImageRecord, Version

GI = 1 << 30


def facts(**more: Any) -> status.Facts:
    given = {
        "hostname": "node-1",
        "addresses": ("192.0.2.1",),
        "cores": 4,
        "memory": Memory(8 * GI, 6 * GI),
        "disk": Disk(100 * GI, 50 * GI, 1000, 900),
        "architecture": "amd64",
        "version": Version(name="docker", version="28.2.2", kernel="6.1"),
        "os_image": "Debian",
    }
    return status.Facts(**{**given, **more})


CONFIG = KubeletConfig(node_name="node-1", system_reserved=(("cpu", "500m"), ("memory", "1Gi")))


def test_capacity_and_allocatable() -> None:
    found = status.node_status(CONFIG, facts(), {}, now="now")
    assert found["capacity"] == {
        "cpu": "4", "memory": "8388608Ki", "ephemeral-storage": "104857600Ki", "pods": "110", "hugepages-1Gi": "0", "hugepages-2Mi": "0",
    }  # fmt: skip
    assert found["allocatable"]["cpu"] == "3500m"
    assert found["allocatable"]["memory"] == f"{(7 * GI - 100 * (1 << 20)) // 1024}Ki"
    assert found["allocatable"]["ephemeral-storage"] == str(90 * GI)
    assert found["nodeInfo"]["containerRuntimeVersion"] == "docker://28.2.2"
    assert found["nodeInfo"]["kubeletVersion"] == "v1.37.0"


def test_patched_capacity_shows_in_allocatable() -> None:
    """Behaviour 61."""
    node = {"status": {"capacity": {"cpu": "1", "example.com/foo": "5"}}}
    found = status.node_status(CONFIG, facts(), node, now="now")
    assert found["capacity"]["example.com/foo"] == found["allocatable"]["example.com/foo"] == "5"
    assert found["capacity"]["cpu"] == "4"


@pytest.mark.parametrize(
    ("more", "kind", "expected"),
    [
        pytest.param({}, "Ready", ("True", "KubeletReady"), id="ready"),
        pytest.param({"problem": "gone"}, "Ready", ("False", "KubeletNotReady"), id="not ready"),
        pytest.param({}, "MemoryPressure", ("False", "KubeletHasSufficientMemory"), id="memory"),
        pytest.param(
            {"pressure": frozenset({"Memory"})},
            "MemoryPressure",
            ("True", "KubeletHasInsufficientMemory"),
            id="no memory",
        ),
        pytest.param({}, "DiskPressure", ("False", "KubeletHasNoDiskPressure"), id="disk"),
        pytest.param(
            {"pressure": frozenset({"Disk"})}, "DiskPressure", ("True", "KubeletHasDiskPressure"), id="no disk"
        ),
        pytest.param({}, "PIDPressure", ("False", "KubeletHasSufficientPID"), id="pids"),
    ],
)
def test_conditions(more: dict[str, Any], kind: str, expected: tuple[str, str]) -> None:
    found = status.node_status(CONFIG, facts(**more), {}, now="now")
    condition = next(c for c in found["conditions"] if c["type"] == kind)
    assert (condition["status"], condition["reason"]) == expected


def test_heartbeats_are_no_change() -> None:
    one = status.node_status(CONFIG, facts(), {}, now="2026-11-21T03:00:00Z")
    other = status.node_status(CONFIG, facts(), {"status": one}, now="2026-11-21T03:00:10Z")
    assert one != other and status.significant(one) == status.significant(other)


def test_biggest_images_are_shown() -> None:
    images = [ImageRecord(id=str(n), tags=(f"i:{n}",), size=n) for n in range(60)] + [ImageRecord(id="x", size=999)]
    shown = status.node_status(CONFIG, facts(images=images), {}, now="now")["images"]
    assert len(shown) <= 50 and shown[0] == {"names": ["i:59"], "sizeBytes": 59}


def test_node_object() -> None:
    config = KubeletConfig(node_name="node-1", node_labels=(("a", "b"),), taints=(("k", "v", "NoSchedule"),))
    made = status.node_object(config, facts())
    assert made["metadata"]["labels"]["kubernetes.io/hostname"] == "node-1" and made["metadata"]["labels"]["a"] == "b"
    assert {"key": "k", "value": "v", "effect": "NoSchedule"} in made["spec"]["taints"]
