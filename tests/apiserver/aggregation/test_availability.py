"""Which APIServices there are, and what their conditions say."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from prometheus_client import generate_latest

from apiserver.aggregation import priorities, registration
from tests.apiserver.aggregation.conftest import APISERVICES, World
from tests.apiserver.server import eventually
from tests.apiserver.test_custom import crd


async def test_own_groups_are_local(world: World) -> None:
    async def registered() -> bool:
        return len((await world.client.ok("GET", APISERVICES))["items"]) > 20

    await eventually(registered)
    found = {s["metadata"]["name"]: s for s in (await world.client.ok("GET", APISERVICES))["items"]}
    assert {"v1.", "v1.apps", "v2.autoscaling", "v1.apiextensions.k8s.io"} <= found.keys()
    assert "v1.apiregistration.k8s.io" not in found
    apps = found["v1.apps"]
    assert apps["metadata"]["labels"] == {"kube-aggregator.kubernetes.io/automanaged": "onstart"}
    assert apps["spec"] == {"group": "apps", "version": "v1", "groupPriorityMinimum": 17800, "versionPriority": 15}
    condition = apps["status"]["conditions"][0]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Available", "True", "Local")


async def test_custom_groups_come_and_go(world: World) -> None:
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    made = crd()
    name = f"v1.{made['spec']['group']}"
    async with world.client.watch(f"{APISERVICES}?watch=1&fieldSelector=metadata.name={name}") as stream:
        await world.client.ok("POST", definitions, made)
        event = await stream.next()
        assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", name)
        assert event["object"]["metadata"]["labels"] == {"kube-aggregator.kubernetes.io/automanaged": "true"}
        await world.client.ok("DELETE", f"{definitions}/{made['metadata']['name']}")
        while event["type"] != "DELETED":
            event = await stream.next()


async def test_reasons_in_the_order_of_building_it(world: World) -> None:
    await world.client.ok("POST", APISERVICES, world.api_service())
    assert "is not present" in (await world.reason("ServiceNotFound"))["message"]
    await world.make_service()
    await world.reason("EndpointsNotFound")
    await world.make_endpoints()
    assert 'port name "https"' in (await world.reason("MissingEndpoints"))["message"]
    await world.make_endpoints("192.0.2.7")
    failed = await world.reason("FailedDiscoveryCheck")
    assert failed["status"] == "False"
    assert f"https://127.96.0.10:{world.port}/apis/" in failed["message"]
    async with world.serving():
        passed = await world.reason("Passed")
        assert (passed["status"], passed["message"]) == ("True", "all checks passed")


async def test_a_port_that_the_service_does_not_have(world: World) -> None:
    await world.make_service(port=world.port + 1)
    await world.client.ok("POST", APISERVICES, world.api_service())
    assert (await world.reason("ServicePortError"))["status"] == "False"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        pytest.param({"caBundle": "other"}, "FailedDiscoveryCheck", id="signed by another CA"),
        pytest.param({"caBundle": None}, "FailedDiscoveryCheck", id="no CA of the machine signed it"),
        pytest.param({"caBundle": None, "insecureSkipTLSVerify": True}, "Passed", id="not verified"),
    ],
)
async def test_certificates(world: World, spec: dict[str, Any], reason: str) -> None:
    if spec["caBundle"]:
        spec = {**spec, "caBundle": base64.b64encode(world.pki.stranger.read_bytes()).decode()}
    await world.make_service()
    await world.make_endpoints("192.0.2.7")
    async with world.serving():
        await world.client.ok("POST", APISERVICES, world.api_service(**spec))
        await world.reason(reason)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("autoscaling", "v2"), ("autoscaling", "v1")),
        (("events.k8s.io", "v1"), ("events.k8s.io", "v1beta1")),
        (("admissionregistration.k8s.io", "v1beta1"), ("admissionregistration.k8s.io", "v1alpha1")),
    ],
)
def test_versions_in_order(first: tuple[str, str], second: tuple[str, str]) -> None:
    assert priorities.builtin(*first) > priorities.builtin(*second)


def test_what_is_needed_no_more() -> None:
    kept = registration.local("apps", "v1", priorities.builtin("apps", "v1"), managed=registration.ON_START)
    gone = registration.local("apps", "v1beta1", priorities.builtin("apps", "v1beta1"), managed=registration.ON_START)
    custom = registration.local("x.io", "v1", priorities.CUSTOM, managed=registration.ALWAYS)
    own = {"metadata": {"name": "v1.own.io"}, "spec": {}}
    found = registration.leftover({"v1.apps": kept}, [kept, gone, custom, own], managed=registration.ON_START)
    assert found == ["v1beta1.apps"]


async def test_what_does_not_answer_is_counted(world: World) -> None:
    metrics = world.client.server.api.metrics
    await world.client.ok("POST", APISERVICES, world.api_service())
    await world.make_service()
    await world.make_endpoints("192.0.2.7")
    async with world.serving():
        await world.reason("Passed")
        name = world.api_service()["metadata"]["name"]
        assert f'aggregator_unavailable_apiservice{{name="{name}"}} 0.0' in generate_latest(metrics).decode()
    await world.make_endpoints()
    await world.reason("MissingEndpoints")
    text = generate_latest(metrics).decode()
    assert f'aggregator_unavailable_apiservice{{name="{name}"}} 1.0' in text
    assert f'aggregator_unavailable_apiservice_total{{name="{name}",reason="MissingEndpoints"}} 1.0' in text
    assert 'aggregator_unavailable_apiservice{name="v1.apps"} 0.0' in text
