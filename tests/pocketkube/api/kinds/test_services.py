"""What a service keeps and drops when it is updated."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from pocketkube.api.kinds.core import service

Obj = dict[str, Any]

STORED: Obj = {
    "metadata": {"name": "web"},
    "spec": {
        "type": "NodePort",
        "clusterIP": "10.96.0.9",
        "clusterIPs": ["10.96.0.9"],
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "externalTrafficPolicy": "Cluster",
        "internalTrafficPolicy": "Cluster",
        "sessionAffinity": "None",
        "ports": [{"port": 80, "targetPort": 80, "protocol": "TCP", "nodePort": 30080}],
    },
    "status": {"loadBalancer": {}},
}


def updated(spec: Obj) -> Obj:
    new: Obj = orjson.loads(orjson.dumps({"metadata": {"name": "web"}, "spec": spec}))
    assert service.KIND.default is not None and service.KIND.prepare_update is not None
    service.KIND.default(new)
    service.KIND.prepare_update(new, STORED)
    found: Obj = new["spec"]
    return found


def test_a_put_without_addresses_keeps_them() -> None:
    found = updated({"type": "NodePort", "ports": [{"port": 80}]})
    assert found == STORED["spec"]


def test_to_external_name_drops_addresses_and_node_ports() -> None:
    """line 70: as defaulted objects."""
    found = updated({**STORED["spec"], "type": "ExternalName", "externalName": "example.com"})
    assert found == {
        "type": "ExternalName",
        "externalName": "example.com",
        "internalTrafficPolicy": "Cluster",
        "sessionAffinity": "None",
        "ports": [{"port": 80, "targetPort": 80, "protocol": "TCP"}],
    }


def test_to_cluster_ip_drops_node_ports_and_traffic_policy() -> None:
    found = updated({**STORED["spec"], "type": "ClusterIP"})
    assert found["ports"] == [{"port": 80, "targetPort": 80, "protocol": "TCP"}]
    assert "externalTrafficPolicy" not in found
    assert found["clusterIP"] == "10.96.0.9"


def test_a_renumbered_port_gives_its_node_port_up() -> None:
    found = updated({"type": "NodePort", "ports": [{"port": 81}]})
    assert "nodePort" not in found["ports"][0]


def test_affinity_by_client_gets_a_timeout_and_loses_it() -> None:
    assert updated({"sessionAffinity": "ClientIP"})["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}
    assert "sessionAffinityConfig" not in updated({"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}})


@pytest.mark.parametrize(
    ("spec", "needed"),
    [
        pytest.param({"type": "ClusterIP"}, (True, False, False), id="cluster-ip"),
        pytest.param({"type": "ExternalName"}, (False, False, False), id="external-name"),
        pytest.param({"type": "NodePort"}, (True, True, False), id="node-port"),
        pytest.param({"type": "LoadBalancer", "externalTrafficPolicy": "Local"}, (True, True, True), id="balancer"),
        pytest.param({"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False}, (True, False, False), id="bare"),
    ],
)
def test_what_a_type_needs(spec: Obj, needed: tuple[bool, bool, bool]) -> None:
    asked = (service.needs_cluster_ip(spec), service.needs_node_ports(spec), service.needs_health_port(spec))
    assert asked == needed
