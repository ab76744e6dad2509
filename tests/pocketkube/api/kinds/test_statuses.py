"""What a status may say of kinds that are old: phases, addresses, balancers, counts."""

from __future__ import annotations

from typing import Any

import pytest

from pocketkube.api import scheme

Obj = dict[str, Any]
KINDS = scheme.builtin()
BALANCED = "status.loadBalancer.ingress"


def balanced(*points: Obj, of: str = "LoadBalancer") -> Obj:
    return {"metadata": {"name": "a"}, "spec": {"type": of}, "status": {"loadBalancer": {"ingress": list(points)}}}


def pod(*ips: str) -> Obj:
    return {"metadata": {"name": "p"}, "spec": {}, "status": {"podIPs": [{"ip": ip} for ip in ips]}}


@pytest.mark.parametrize(
    ("plural", "obj", "expected"),
    [
        pytest.param("services", balanced({"ip": "1.2.3.4", "ipMode": "VIP"}, {"hostname": "a.b"}), [], id="balanced"),
        pytest.param("services", balanced({"ip": "1.2.3"}), ["[0].ip", "[0].ipMode"], id="no address"),
        pytest.param("services", balanced({"hostname": "a", "ipMode": "VIP"}), ["[0].ipMode"], id="mode of a name"),
        pytest.param("services", balanced({"ip": "1.2.3.4", "ipMode": "X"}), ["[0].ipMode"], id="mode"),
        pytest.param("services", balanced({"hostname": "A"}, {"hostname": "1.2.3.4"}), ["[0].hostname", "[1].hostname"], id="names"),
        pytest.param("services", balanced({"hostname": "a"}, of="NodePort"), [""], id="not balanced"),
        pytest.param("ingresses", balanced({"ip": "1.2.3.4"}, {"ip": "x"}), ["[1].ip"], id="ingress"),
        pytest.param("pods", pod("10.0.0.1", "fd00::1"), [], id="addresses of both families"),
        pytest.param("pods", pod("10.0.0.1", "10.0.0.2"), ["status.podIPs"], id="two of one family"),
        pytest.param("pods", pod("10.0.0.1", "10.0.0.1"), ["status.podIPs", "status.podIPs[1]"], id="address twice"),
        pytest.param("horizontalpodautoscalers", {"status": {"currentReplicas": -1, "desiredReplicas": -1}},
                     ["status.currentReplicas", "status.desiredReplicas"], id="counts"),
    ],
)  # fmt: skip
def test_statuses(plural: str, obj: Obj, expected: list[str]) -> None:
    for kind in (k for k in KINDS.kinds() if k.plural == plural):
        assert kind.validate_status is not None
        found = [fault.field for fault in kind.validate_status(obj, obj)]
        assert found == [name if name[:7] == "status." else BALANCED + name for name in expected]


@pytest.mark.parametrize(
    ("plural", "phase"),
    [("persistentvolumes", "Pending"), ("persistentvolumeclaims", "Pending"), ("namespaces", "Active")],
)
def test_phases_that_nobody_set(plural: str, phase: str) -> None:
    kind = next(k for k in KINDS.kinds() if k.plural == plural)
    for status in (None, {}, {"phase": ""}):
        obj: Obj = {"metadata": {"name": "a"}, "spec": {}, "status": status}
        assert kind.default is not None
        kind.default(obj)
        assert obj["status"]["phase"] == phase
