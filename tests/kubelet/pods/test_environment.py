from __future__ import annotations

from typing import Any

import pytest

from kubelet.pods.environment import ConfigError, Surroundings, container_environment, references, service_environment
from tests.kubelet.world import container, pod

Obj = dict[str, Any]

CONFIG = {"kind": "ConfigMap", "data": {"k": "v", "other": "w"}}
SECRET = {"kind": "Secret", "data": {"password": "aHVudGVyMg=="}}


def service(name: str, ip: str = "10.96.0.10", namespace: str = "default", ports: list[Obj] | None = None) -> Obj:
    found = ports or [{"port": 80}]
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"clusterIP": ip, "ports": found}}


def around(**more: Any) -> Surroundings:
    objects = {("configmap", "cm"): CONFIG, ("secret", "s"): SECRET}
    return Surroundings(objects=objects, ips=["10.0.0.7", "fd00::7"], host_ips=["192.0.2.1"], **more)


LIMITS = {"limits": {"cpu": "1500m", "memory": "64Mi"}, "requests": {"cpu": "250m"}}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        pytest.param({"name": "A", "value": "1"}, "1", id="value"),
        pytest.param({"name": "A"}, "", id="no value"),
        pytest.param({"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "k"}}}, "v", id="config map"),
        pytest.param(
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}}, "hunter2", id="secret"
        ),
        pytest.param({"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, "web", id="name"),
        pytest.param({"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}, "10.0.0.7", id="ip"),
        pytest.param(
            {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIPs"}}}, "10.0.0.7,fd00::7", id="ips"
        ),
        pytest.param({"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}, "192.0.2.1", id="host"),
        pytest.param(
            {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}}, "shop", id="label"
        ),
        pytest.param(
            {"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}, "2", id="cpu rounds up"
        ),
        pytest.param(
            {"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
            "1500",
            id="milli",
        ),
        pytest.param(
            {"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
            "64",
            id="memory",
        ),
        pytest.param({"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu"}}}, "1", id="request"),
    ],
)
def test_one_variable(entry: Obj, expected: str) -> None:
    obj = pod("web", container("c", env=[entry], resources=LIMITS))
    obj["metadata"]["labels"] = {"app": "shop"}
    assert container_environment(obj, obj["spec"]["containers"][0], around())["A"] == expected


def test_missing_limit_is_the_nodes_allocatable() -> None:
    """Behaviour 60."""
    entry = {"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}
    obj = pod("web", container("c", env=[entry]))
    found = container_environment(obj, obj["spec"]["containers"][0], around(allocatable={"cpu": "3500m"}))
    assert found["A"] == "4"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param({"configMapKeyRef": {"name": "no", "key": "k"}}, 'configmap "no" not found', id="no object"),
        pytest.param(
            {"configMapKeyRef": {"name": "cm", "key": "no"}},
            "couldn't find key no in ConfigMap default/cm",
            id="no key",
        ),
        pytest.param(
            {"secretKeyRef": {"name": "s", "key": "no"}}, "couldn't find key no in Secret default/s", id="secret"
        ),
        pytest.param({"fieldRef": {"fieldPath": "spec.nothing"}}, "unsupported fieldPath: spec.nothing", id="field"),
    ],
)
def test_what_is_missing(source: Obj, message: str) -> None:
    obj = pod("web", container("c", env=[{"name": "A", "valueFrom": source}]))
    with pytest.raises(ConfigError, match=message):
        container_environment(obj, obj["spec"]["containers"][0], around())


def test_optional_sources_may_be_missing() -> None:
    env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "no", "key": "k", "optional": True}}}]
    origin = [{"secretRef": {"name": "no", "optional": True}}]
    obj = pod("web", container("c", env=env, envFrom=origin))
    assert container_environment(obj, obj["spec"]["containers"][0], around()) == {}


def test_order_and_expansion() -> None:
    """envFrom, then env in order, each over the ones before; services never win."""
    env = [
        {"name": "B", "value": "$(k)-$(A)"},
        {"name": "A", "value": "x"},
        {"name": "C", "value": "$(A)$(DB_SERVICE_HOST)"},
    ]
    origin = [{"configMapRef": {"name": "cm"}}, {"prefix": "P_", "configMapRef": {"name": "cm"}}]
    obj = pod("web", container("c", env=env, envFrom=origin))
    found = container_environment(obj, obj["spec"]["containers"][0], around(services=[service("db")]))
    assert found["B"] == "v-$(A)"
    assert found["C"] == "x10.96.0.10"
    assert found["P_k"] == "v"


def test_references() -> None:
    env = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
    assert references(container("c", env=env, envFrom=[{"configMapRef": {"name": "cm"}}])) == {
        ("secret", "s"),
        ("configmap", "cm"),
    }


def test_service_variables() -> None:
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}, {"name": "dns-udp", "port": 53, "protocol": "UDP"}]
    assert service_environment([service("my-db", ports=ports)], "default", links=True) == {
        "MY_DB_SERVICE_HOST": "10.96.0.10",
        "MY_DB_SERVICE_PORT": "80",
        "MY_DB_SERVICE_PORT_HTTP": "80",
        "MY_DB_SERVICE_PORT_DNS_UDP": "53",
        "MY_DB_PORT": "tcp://10.96.0.10:80",
        "MY_DB_PORT_80_TCP": "tcp://10.96.0.10:80",
        "MY_DB_PORT_80_TCP_PROTO": "tcp",
        "MY_DB_PORT_80_TCP_PORT": "80",
        "MY_DB_PORT_80_TCP_ADDR": "10.96.0.10",
        "MY_DB_PORT_53_UDP": "udp://10.96.0.10:53",
        "MY_DB_PORT_53_UDP_PROTO": "udp",
        "MY_DB_PORT_53_UDP_PORT": "53",
        "MY_DB_PORT_53_UDP_ADDR": "10.96.0.10",
    }


@pytest.mark.parametrize(
    ("services", "namespace", "links", "names"),
    [
        pytest.param([service("db")], "other", True, set(), id="another namespace"),
        pytest.param([service("db")], "default", False, set(), id="no links"),
        pytest.param([service("kubernetes")], "other", False, {"KUBERNETES_SERVICE_HOST"}, id="the API server always"),
        pytest.param([service("db", ip="None")], "default", True, set(), id="headless"),
    ],
)
def test_which_services(services: list[Obj], namespace: str, links: bool, names: set[str]) -> None:
    found = service_environment(services, namespace, links=links)
    assert {name for name in found if name.endswith("_HOST")} == names
