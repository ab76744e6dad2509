"""Plugins that a configuration file tells what to do: EventRateLimit, and the defaults and exemptions of PodSecurity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from apiserver import admission
from apiserver.admission.plugin import Setup
from apiserver.admission.plugins.event_rate_limit import EventRateLimit
from apiserver.admission.plugins.pod_security import PodSecurity
from apiserver.configfile import BadFile
from apiserver.interfaces import User
from apiserver.memory_cluster import MemoryCluster
from pocketkube.api.meta import errors
from pocketkube.base.clock import FakeClock
from tests.apiserver.admission.conftest import pod, request
from tests.apiserver.server import running

LIMITS = "eventratelimit.admission.k8s.io/v1alpha1"
SECURITY = "pod-security.admission.config.k8s.io/v1"
ANN = User("ann", groups=("system:authenticated",))


def limited(*limits: dict[str, Any], clock: FakeClock | None = None) -> EventRateLimit:
    config = {"kind": "Configuration", "apiVersion": LIMITS, "limits": list(limits)}
    configured = {"EventRateLimit": ("file", config)}
    return EventRateLimit(Setup(cluster=MemoryCluster(), clock=clock or FakeClock(), configuration=configured))


def event(name: str = "web", namespace: str = "default", *, user: User = ANN) -> Any:
    about = {"kind": "Pod", "namespace": namespace, "name": name}
    obj = {"metadata": {"name": "e", "namespace": namespace}, "involvedObject": about, "source": {"component": "x"}}
    return request("CREATE", "events", obj, user=user, namespace=namespace)


def taken(plugin: EventRateLimit, *events: Any) -> list[bool]:
    found = []
    for one in events:
        try:
            plugin.validate(one)
            found.append(True)
        except errors.TooManyRequests:
            found.append(False)
    return found


BOB = User("bob")


@pytest.mark.parametrize(
    ("kind", "events", "expected"),
    [
        pytest.param("Server", [event("a"), event("b"), event("c")], [True, True, False], id="server"),
        pytest.param("Namespace", [event(), event(), event(), event("a", "other")], [True, True, False, True], id="ns"),
        pytest.param("User", [event(), event(), event(), event(user=BOB)], [True, True, False, True], id="user"),
        pytest.param(
            "SourceAndObject", [event(), event(), event(), event("b")], [True, True, False, True], id="object"
        ),
    ],
)
def test_limits(kind: str, events: list[Any], expected: list[bool]) -> None:
    assert taken(limited({"type": kind, "qps": 1, "burst": 2}), *events) == expected


def test_tokens_come_back() -> None:
    clock = FakeClock()
    plugin = limited({"type": "Server", "qps": 2, "burst": 1}, clock=clock)
    assert taken(plugin, event(), event()) == [True, False]
    clock.advance(0.5)
    assert taken(plugin, event(), event()) == [True, False]


def test_the_refusal_says_which_limit() -> None:
    plugin = limited({"type": "User", "qps": 1, "burst": 1})
    taken(plugin, event())
    with pytest.raises(errors.TooManyRequests, match="limit reached on type User for key ann"):
        plugin.validate(event())


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        pytest.param([], "must not be empty", id="none"),
        pytest.param([{"type": "Node", "qps": 1, "burst": 1}], 'Unsupported value: "Node"', id="type"),
        pytest.param([{"type": "User", "qps": 0, "burst": 1}], "qps: Invalid value", id="qps"),
        pytest.param([{"type": "User", "qps": 1}], "burst: Invalid value", id="burst"),
        pytest.param([{"type": "User", "qps": 1, "burst": 1, "x": 1}], "unknown field", id="unknown"),
    ],
)
def test_bad_limits(limits: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(BadFile, match=words):
        limited(*limits)


def write(path: Path, *plugins: dict[str, Any]) -> str:
    config = {"kind": "AdmissionConfiguration", "apiVersion": "apiserver.config.k8s.io/v1", "plugins": list(plugins)}
    path.write_text(yaml.safe_dump(config))
    return str(path)


async def test_a_server_with_a_file_beside(tmp_path: Path) -> None:
    limits = [{"type": "Namespace", "qps": 1, "burst": 1}]
    (tmp_path / "limits.yaml").write_text(
        yaml.safe_dump({"kind": "Configuration", "apiVersion": LIMITS, "limits": limits})
    )
    file = write(tmp_path / "admission.yaml", {"name": "EventRateLimit", "path": "limits.yaml"})
    flags: dict[str, Any] = {"enable_admission_plugins": ("EventRateLimit",), "admission_control_config_file": file}
    async with running(tmp_path, **flags) as client:
        codes = []
        for name in ("a", "b"):
            about = {"kind": "Pod", "namespace": "default", "name": "p"}
            obj = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": name}, "involvedObject": about}
            answer = await client("POST", "/api/v1/namespaces/default/events", obj)
            codes.append(answer.status)
        assert codes == [201, 429]
        assert answer.headers["retry-after"] == "1"


def test_a_plugin_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match='"Nothing": there is no such plugin'):
        admission.build(MemoryCluster(), config_file=write(tmp_path / "a", {"name": "Nothing"}))


def secured(**config: Any) -> PodSecurity:
    whole = {"kind": "PodSecurityConfiguration", "apiVersion": SECURITY, **config}
    cluster = MemoryCluster()
    cluster.put("", "namespaces", {"metadata": {"name": "default"}})
    free = {"pod-security.kubernetes.io/enforce": "privileged"}
    cluster.put("", "namespaces", {"metadata": {"name": "free", "labels": free}})
    return PodSecurity(Setup(cluster=cluster, configuration={"PodSecurity": ("file", whole)}))


PRIVILEGED = pod(containers=[{"name": "a", "securityContext": {"privileged": True}}])
BASELINE = {"enforce": "baseline", "enforce-version": "latest"}


@pytest.mark.parametrize(
    ("config", "namespace", "user", "exempt"),
    [
        pytest.param({"defaults": BASELINE}, "default", ANN, None, id="default level"),
        pytest.param({"defaults": BASELINE}, "free", ANN, "", id="labels win"),
        pytest.param({"defaults": BASELINE, "exemptions": {"usernames": ["ann"]}}, "default", ANN, "user", id="user"),
        pytest.param({"defaults": BASELINE, "exemptions": {"namespaces": ["default"]}}, "default", ANN, "namespace", id="ns"),
        pytest.param({"defaults": BASELINE, "exemptions": {"usernames": ["eve"]}}, "default", ANN, None, id="another"),
    ],
)  # fmt: skip
def test_pod_security(config: dict[str, Any], namespace: str, user: User, exempt: str | None) -> None:
    """`exempt`: None where the pod is refused, else what the audit annotation says."""
    asked = request("CREATE", "pods", PRIVILEGED, user=user, namespace=namespace)
    if exempt is None:
        with pytest.raises(errors.Forbidden, match='violates PodSecurity "baseline:latest"'):
            secured(**config).validate(asked)
        return
    secured(**config).validate(asked)
    assert asked.annotations.get("pod-security.kubernetes.io/exempt", "") == exempt


def test_a_runtime_class_may_be_exempt() -> None:
    plugin = secured(defaults=BASELINE, exemptions={"runtimeClasses": ["vm"]})
    obj = pod(containers=[{"name": "a", "securityContext": {"privileged": True}}], runtimeClassName="vm")
    asked = request("CREATE", "pods", obj)
    plugin.validate(asked)
    assert asked.annotations["pod-security.kubernetes.io/exempt"] == "runtimeClass"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        pytest.param({"defaults": {"enforce": "strict"}}, 'defaults.enforce: Invalid value: "strict"', id="level"),
        pytest.param({"defaults": {"enforced": "baseline"}}, "unknown field", id="mode"),
        pytest.param({"exemptions": {"users": []}}, "unknown field", id="exemption"),
    ],
)
def test_bad_pod_security(config: dict[str, Any], words: str) -> None:
    with pytest.raises(BadFile, match=words):
        secured(**config)
