"""One stored object seen in several versions and groups."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.apiserver.server import Client

CORE = "/api/v1/namespaces/default/events"
NEW = "/apis/events.k8s.io/v1/namespaces/default/events"
HPAS = "/apis/autoscaling/{}/namespaces/default/horizontalpodautoscalers"
MERGE = "application/merge-patch+json"
EVENT: dict[str, Any] = {
    "apiVersion": "events.k8s.io/v1",
    "kind": "Event",
    "metadata": {"name": "e", "namespace": "default"},
    "eventTime": "2026-11-21T03:00:00.500000Z",
    "reportingController": "example.com/probe",
    "reportingInstance": "probe-1",
    "action": "Probing",
    "reason": "Probed",
    "regarding": {"kind": "Pod", "name": "p", "namespace": "default"},
    "note": "all is well",
    "type": "Normal",
}


async def test_two_views_of_one_event(client: Client) -> None:
    """line 37"""
    made = await client.ok("POST", NEW, EVENT)
    assert made["eventTime"] == "2026-11-21T03:00:00.500000Z"
    core = await client.ok("GET", f"{CORE}/e")
    assert (core["apiVersion"], core["kind"], core["message"]) == ("v1", "Event", "all is well")
    assert core["involvedObject"]["name"] == "p"
    assert core["reportingComponent"] == "example.com/probe"
    assert core["metadata"]["uid"] == made["metadata"]["uid"]
    found = await client.ok("GET", f"{CORE}?fieldSelector=involvedObject.name%3Dp,reason%3DProbed")
    assert [e["metadata"]["name"] for e in found["items"]] == ["e"]
    series = {"series": {"count": 2, "lastObservedTime": "2026-11-21T03:01:00.000000Z"}}
    patched = await client.ok("PATCH", f"{NEW}/e", series, media=MERGE)
    assert patched["series"]["lastObservedTime"] == "2026-11-21T03:01:00.000000Z"
    assert patched["metadata"]["creationTimestamp"] == made["metadata"]["creationTimestamp"]
    async with client.watch(f"{NEW}?watch=1") as stream:
        event = await stream.next()
        assert (event["object"]["apiVersion"], event["object"]["note"]) == ("events.k8s.io/v1", "all is well")


async def test_autoscalers_in_both_versions(client: Client) -> None:
    sent: Any = {
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h"},
        "spec": {
            "maxReplicas": 3,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "targetCPUUtilizationPercentage": 70,
        },
    }
    made = await client.ok("POST", HPAS.format("v1"), sent)
    assert made["apiVersion"] == "autoscaling/v1"
    newer = await client.ok("GET", HPAS.format("v2") + "/h")
    (metric,) = newer["spec"]["metrics"]
    assert metric["resource"] == {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
    newer["spec"]["maxReplicas"] = 5
    await client.ok("PUT", HPAS.format("v2") + "/h", newer)
    older = await client.ok("GET", HPAS.format("v1") + "/h")
    assert (older["spec"]["maxReplicas"], older["spec"]["targetCPUUtilizationPercentage"]) == (5, 70)
    older["spec"]["maxReplicas"] = 6
    assert (await client.ok("PUT", HPAS.format("v1") + "/h", older))["spec"]["maxReplicas"] == 6


@pytest.mark.parametrize(
    ("path", "fields", "found"),
    [
        pytest.param(NEW, "reportingController=example.com/probe", 1, id="controller"),
        pytest.param(NEW, "reportingController=other", 0, id="other controller"),
        pytest.param(NEW, "regarding.kind=Pod,type=Normal", 1, id="regarding"),
        pytest.param(NEW, "regarding.kind!=Pod", 0, id="not regarding"),
        pytest.param(CORE, "reportingComponent=example.com/probe", 1, id="component"),
        pytest.param(CORE, "involvedObject.kind=Pod", 1, id="involved object"),
    ],
)
async def test_each_view_selects_by_its_own_names(client: Client, path: str, fields: str, found: int) -> None:
    """line 37: two views of one Event, each with its own names for the same fields."""
    await client.ok("POST", NEW, EVENT)
    assert len((await client.ok("GET", f"{path}?fieldSelector={quote(fields)}"))["items"]) == found


@pytest.mark.parametrize(
    ("path", "label"),
    [pytest.param(NEW, "involvedObject.kind", id="new"), pytest.param(CORE, "regarding.kind", id="old")],
)
async def test_the_names_of_the_other_view_are_refused(client: Client, path: str, label: str) -> None:
    refused = await client("GET", f"{path}?fieldSelector={label}%3DPod")
    assert (refused.status, refused.message) == (400, f"field label not supported: {label}")
