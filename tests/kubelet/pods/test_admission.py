from __future__ import annotations

from typing import Any

import pytest

from kubelet.pods.admission import admit, requests
from tests.kubelet.world import container, pod

Obj = dict[str, Any]

NODE: Obj = {"metadata": {"name": "node-1", "labels": {"disk": "ssd", "cores": "4"}}, "spec": {}}
ALLOCATABLE = {"cpu": "2", "memory": "1Gi", "pods": "3", "example.com/gpu": "1"}


def asks(**amounts: str) -> Obj:
    return container("c", resources={"requests": amounts})


def port(number: int, **more: Any) -> Obj:
    return container("c", ports=[{"containerPort": 80, "hostPort": number, **more}])


def affinity(operator: str, *values: str, key: str = "disk") -> Obj:
    expression = {"key": key, "operator": operator, "values": list(values)}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}


@pytest.mark.parametrize(
    ("wanted", "others", "reason"),
    [
        pytest.param(pod(), [], None, id="fits"),
        pytest.param(pod("web", asks(cpu="1500m")), [pod("a", asks(cpu="600m"))], "OutOfcpu", id="cpu"),
        pytest.param(pod("web", asks(cpu="1400m")), [pod("a", asks(cpu="600m"))], None, id="exactly full"),
        pytest.param(pod("web", asks(memory="2Gi")), [], "OutOfmemory", id="memory"),
        pytest.param(
            pod("web", container("c", resources={"limits": {"example.com/gpu": "2"}})),
            [],
            "OutOfexample.com/gpu",
            id="gpu",
        ),
        pytest.param(pod(), [pod("a"), pod("b"), pod("c")], "OutOfpods", id="pods"),
        pytest.param(pod("web", port(80)), [pod("a", port(80))], "NodePorts", id="host port"),
        pytest.param(pod("web", port(80, protocol="UDP")), [pod("a", port(80))], None, id="another protocol"),
        pytest.param(
            pod("web", port(80, hostIP="1.1.1.1")), [pod("a", port(80, hostIP="2.2.2.2"))], None, id="another address"
        ),
        pytest.param(
            pod("web", port(80, hostIP="1.1.1.1")), [pod("a", port(80))], "NodePorts", id="any address clashes"
        ),
        pytest.param(pod("web", nodeSelector={"disk": "hdd"}), [], "NodeAffinity", id="selector"),
        pytest.param(pod("web", **affinity("In", "ssd", "nvme")), [], None, id="in"),
        pytest.param(pod("web", **affinity("NotIn", "ssd")), [], "NodeAffinity", id="not in"),
        pytest.param(pod("web", **affinity("Gt", "3", key="cores")), [], None, id="greater"),
        pytest.param(pod("web", **affinity("Lt", "3", key="cores")), [], "NodeAffinity", id="less"),
        pytest.param(pod("web", **affinity("DoesNotExist")), [], "NodeAffinity", id="does not exist"),
        pytest.param(
            pod("web", securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}),
            [],
            "SysctlForbidden",
            id="unsafe",
        ),
        pytest.param(
            pod("web", securityContext={"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]}),
            [],
            None,
            id="safe",
        ),
    ],
)
def test_admission(wanted: Obj, others: list[Obj], reason: str | None) -> None:
    refusal = admit(wanted, others, node=NODE, allocatable=ALLOCATABLE)
    assert (refusal[0] if refusal else None) == reason


def test_message_of_a_full_node() -> None:
    refusal = admit(pod("web", asks(cpu="1500m")), [pod("a", asks(cpu="600m"))], node=NODE, allocatable=ALLOCATABLE)
    assert refusal == ("OutOfcpu", "Node didn't have enough resource: cpu, requested: 1500, used: 600, capacity: 2000")


def test_no_execute_taint() -> None:
    node = {**NODE, "spec": {"taints": [{"key": "k", "effect": "NoExecute"}, {"key": "n", "effect": "NoSchedule"}]}}
    assert admit(pod(), [], node=node, allocatable={}) == ("TaintToleration", "Predicate TaintToleration failed")
    tolerant = pod("web", tolerations=[{"key": "k", "operator": "Exists"}])
    assert admit(tolerant, [], node=node, allocatable={}) is None


@pytest.mark.parametrize(
    ("init", "expected"),
    [
        pytest.param([], 100, id="containers"),
        pytest.param([("big", "500m", False)], 500, id="a bigger init container"),
        pytest.param([("side", "50m", True)], 150, id="a sidecar beside"),
        pytest.param([("side", "50m", True), ("big", "500m", False)], 550, id="a sidecar beside an init container"),
        pytest.param([("big", "500m", False), ("side", "50m", True)], 500, id="a sidecar after it"),
    ],
)
def test_requests(init: list[tuple[str, str, bool]], expected: int) -> None:
    containers = [
        container(name, resources={"requests": {"cpu": cpu}}, **({"restartPolicy": "Always"} if sidecar else {}))
        for name, cpu, sidecar in init
    ]
    assert requests(pod("web", asks(cpu="100m"), initContainers=containers))["cpu"] == expected
