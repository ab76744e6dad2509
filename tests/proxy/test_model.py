"""What a packet should meet, decided from Services and EndpointSlices alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import model
from proxy.model import Endpoint

Obj = dict[str, Any]


def service(**spec: Any) -> Obj:
    base: Obj = {"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"], "type": "ClusterIP"}
    ports = [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "web"}]
    return {"metadata": {"namespace": "shop", "name": "web"}, "spec": {**base, "ports": ports, **spec}}


def endpoint(ip: str, node: str = "n1", **conditions: Any) -> Obj:
    return {"addresses": [ip], "nodeName": node, "conditions": conditions}


def endpoint_slice(*endpoints: Obj, port: int = 8080, name: str = "http", protocol: str = "TCP") -> Obj:
    return {
        "addressType": "IPv4",
        "metadata": {"namespace": "shop", "labels": {model.SERVICE_NAME: "web"}},
        "ports": [{"name": name, "port": port, "protocol": protocol}],
        "endpoints": list(endpoints),
    }


def ips(endpoints: tuple[Endpoint, ...]) -> list[str]:
    return [e.ip for e in endpoints]


READY: Obj = {"ready": True, "serving": True, "terminating": False}
ENDING: Obj = {"ready": False, "serving": True, "terminating": True}
NOT_READY: Obj = {"ready": False, "serving": False, "terminating": False}


@pytest.mark.parametrize(
    ("endpoints", "expected"),
    [
        pytest.param([endpoint("10.0.0.1", **READY)], ["10.0.0.1"], id="ready"),
        pytest.param([endpoint("10.0.0.1")], ["10.0.0.1"], id="unknown readiness counts as ready"),
        pytest.param([endpoint("10.0.0.1", **NOT_READY)], [], id="not ready"),
        pytest.param(
            [endpoint("10.0.0.1", **READY), endpoint("10.0.0.2", **ENDING)], ["10.0.0.1"], id="ending ones rest"
        ),
        pytest.param([endpoint("10.0.0.2", **ENDING)], ["10.0.0.2"], id="ending ones serve if there is nobody else"),
    ],
)
def test_which_endpoints_take_traffic(endpoints: list[Obj], expected: list[str]) -> None:
    (port,) = model.service_ports(service(), [endpoint_slice(*endpoints)], "n1")
    assert ips(port.endpoints) == expected


def test_ports_are_matched_by_name_and_carry_the_target_number() -> None:
    slices = [endpoint_slice(endpoint("10.0.0.1", **READY), port=9090, name="other"),
              endpoint_slice(endpoint("10.0.0.1", **READY), port=8080)]  # fmt: skip
    (port,) = model.service_ports(service(), slices, "n1")
    assert [(e.ip, e.port) for e in port.endpoints] == [("10.0.0.1", 8080)]


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"clusterIP": "None"}, id="headless"),
        pytest.param({"clusterIP": "", "type": "ExternalName"}, id="external name"),
        pytest.param({"clusterIP": ""}, id="not yet allocated"),
    ],
)
def test_services_without_an_address_are_left_alone(spec: Obj) -> None:
    assert model.service_ports(service(**spec), [], "n1") == []


def test_local_policies_keep_to_this_node() -> None:
    spec = {"internalTrafficPolicy": "Local", "externalTrafficPolicy": "Local", "type": "NodePort"}
    slices = [endpoint_slice(endpoint("10.0.0.1", "n1", **READY), endpoint("10.0.1.1", "n2", **READY))]
    (port,) = model.service_ports(service(**spec), slices, "n2")
    assert (ips(port.endpoints), ips(port.external_endpoints), port.keeps_source) == (["10.0.1.1"], ["10.0.1.1"], True)


@pytest.mark.parametrize(
    ("spec", "seconds"),
    [
        pytest.param({}, 0, id="none"),
        pytest.param({"sessionAffinity": "ClientIP"}, 10800, id="default"),
        pytest.param(
            {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 9}}}, 9, id="set"
        ),
    ],
)
def test_affinity(spec: Obj, seconds: int) -> None:
    assert model.service_ports(service(**spec), [], "n1")[0].affinity_seconds == seconds


addresses = st.integers(1, 250).map(lambda i: f"10.0.0.{i}")
conditions = st.sampled_from([READY, ENDING, NOT_READY, {}])
members = st.builds(lambda ip, node, c: endpoint(ip, node, **c), addresses, st.sampled_from(["n1", "n2"]), conditions)


@given(st.lists(st.lists(members, max_size=5), max_size=4))
def test_an_endpoint_that_is_not_serving_never_takes_traffic(groups: list[list[Obj]]) -> None:
    slices = [endpoint_slice(*group) for group in groups]
    (port,) = model.service_ports(service(), slices, "n1")
    able = {e["addresses"][0] for g in groups for e in g if e["conditions"] != NOT_READY}
    ready = {e["addresses"][0] for g in groups for e in g if e["conditions"] in (READY, {})}
    assert set(ips(port.endpoints)) <= able
    assert set(ips(port.endpoints)) == ready or not ready
    assert len(port.endpoints) == len(set(port.endpoints))
