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


SLICES = "/apis/discovery.k8s.io/{}/namespaces/default/endpointslices"


async def test_slices_as_components_of_earlier_releases_read_them(client: Client) -> None:
    """line 79: node and zone are labels of `topology` in v1beta1, fields in v1."""
    endpoint = {"addresses": ["10.0.0.1"], "nodeName": "n1", "zone": "z1"}
    new: dict[str, Any] = {"metadata": {"name": "new"}, "addressType": "IPv4", "endpoints": [endpoint]}
    await client.ok("POST", SLICES.format("v1"), {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice"} | new)
    seen = await client.ok("GET", SLICES.format("v1beta1") + "/new")
    topology = {"kubernetes.io/hostname": "n1", "topology.kubernetes.io/zone": "z1"}
    assert (seen["apiVersion"], seen["endpoints"][0]["topology"]) == ("discovery.k8s.io/v1beta1", topology)
    labels = topology | {"region": "r1"}
    old: dict[str, Any] = {
        "apiVersion": "discovery.k8s.io/v1beta1",
        "kind": "EndpointSlice",
        "metadata": {"name": "old"},
    }
    old |= {"addressType": "FQDN", "endpoints": [{"addresses": ["a.example"], "topology": labels}]}
    await client.ok("POST", SLICES.format("v1beta1"), old)
    kept = (await client.ok("GET", SLICES.format("v1") + "/old"))["endpoints"][0]
    assert kept == {
        "addresses": ["a.example"], "conditions": {}, "nodeName": "n1", "zone": "z1", "deprecatedTopology": {"region": "r1"}
    }  # fmt: skip
    back = await client.ok("GET", SLICES.format("v1beta1") + "/old")
    assert back["endpoints"][0]["topology"] == labels


@pytest.mark.parametrize(
    ("group", "plural", "kind", "spec"),
    [
        pytest.param("policy", "poddisruptionbudgets", "PodDisruptionBudget", {"maxUnavailable": 1}, id="budget"),
        pytest.param(
            "batch",
            "cronjobs",
            "CronJob",
            {
                "schedule": "* * * * *",
                "jobTemplate": {
                    "spec": {
                        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
                    }
                },
            },
            id="cronjob",
        ),
    ],
)
async def test_removed_versions_are_views(client: Client, group: str, plural: str, kind: str, spec: Any) -> None:
    """line 79: stock components of v1.20 ask for these."""
    old, new = (f"/apis/{group}/{version}/namespaces/default/{plural}" for version in ("v1beta1", "v1"))
    sent = {"apiVersion": f"{group}/v1beta1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    made = await client.ok("POST", old, sent)
    kept = await client.ok("GET", f"{new}/x")
    assert (made["apiVersion"], kept["apiVersion"]) == (f"{group}/v1beta1", f"{group}/v1")
    assert made["spec"] == kept["spec"]
    assert (await client.ok("GET", f"/apis/{group}"))["preferredVersion"]["version"] == "v1"


def _autoscaler(version: str, most: int, **spec: Any) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"maxReplicas": most, "scaleTargetRef": target, **spec}
    return {
        "apiVersion": f"autoscaling/{version}",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "o"},
        "spec": spec,
    }


def _utilization(percent: int) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]}


def _owned(obj: dict[str, Any], manager: str) -> dict[str, Any]:
    found = next(e for e in obj["metadata"]["managedFields"] if e["manager"] == manager)
    return {"version": found["apiVersion"], "spec": set(found["fieldsV1"].get("f:spec", {}))}


async def test_fields_are_owned_in_the_version_they_were_written_in(client: Client) -> None:
    """line 26: what changes in one version changes in the others under their names."""
    old, new = HPAS.format("v1"), HPAS.format("v2")
    await client.apply(f"{old}/o", _autoscaler("v1", 3, targetCPUUtilizationPercentage=50), fieldManager="a")
    live = await client.ok("GET", f"{new}/o")
    assert _owned(live, "a") == {
        "version": "autoscaling/v1",
        "spec": {"f:maxReplicas", "f:scaleTargetRef", "f:targetCPUUtilizationPercentage"},
    }
    clash = await client.apply(f"{new}/o", _autoscaler("v2", 3, **_utilization(60)), fieldManager="b")
    assert clash.status == 409
    assert clash.json()["details"]["causes"][0]["field"] == ".spec.targetCPUUtilizationPercentage"
    patch = {"spec": _utilization(70)}
    live = await client.ok("PATCH", f"{new}/o?fieldManager=c", patch, media=MERGE)
    assert _owned(live, "a")["spec"] == {"f:maxReplicas", "f:scaleTargetRef"}
    assert _owned(live, "c") == {"version": "autoscaling/v2", "spec": {"f:metrics"}}
    assert (await client.ok("GET", f"{old}/o"))["spec"]["targetCPUUtilizationPercentage"] == 70


async def test_owners_in_versions_that_are_gone_are_forgotten(client: Client) -> None:
    made = await client.ok("POST", HPAS.format("v2") + "?fieldManager=a", _autoscaler("v2", 3))
    (entry,) = made["metadata"]["managedFields"]
    made["metadata"]["managedFields"] = [entry, {**entry, "manager": "old", "apiVersion": "autoscaling/v2beta1"}]
    made["spec"]["maxReplicas"] = 4
    after = await client.ok("PUT", HPAS.format("v2") + "/o?fieldManager=b", made)
    assert [e["manager"] for e in after["metadata"]["managedFields"]] == ["a", "b"]
