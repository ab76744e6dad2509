"""DELETE: what is gone at once, what waits, and in which form the answer comes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pocketkube.api.meta import times
from tests.apiserver.server import Client, config_map, deployment, pod

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
MERGE = "application/merge-patch+json"


async def bind(client: Client, name: str = "p") -> None:
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name},
        "target": {"kind": "Node", "name": "n1"},
    }
    await client.ok("POST", f"{PODS}/{name}/binding", binding)


async def test_a_plain_object_goes_at_once(client: Client) -> None:
    made = await client.ok("POST", CONFIG_MAPS, config_map())
    status = await client.ok("DELETE", f"{CONFIG_MAPS}/c")
    assert (status["kind"], status["status"]) == ("Status", "Success")
    assert status["details"] == {"name": "c", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    assert (await client("DELETE", f"{CONFIG_MAPS}/c")).status == 404


async def test_an_unscheduled_pod_goes_at_once(client: Client) -> None:
    await client.ok("POST", PODS, pod())
    gone = await client.ok("DELETE", f"{PODS}/p")
    assert (gone["kind"], gone["metadata"]["name"]) == ("Pod", "p")
    assert (await client("GET", f"{PODS}/p")).status == 404


async def test_a_running_pod_gets_its_grace(client: Client) -> None:
    """line 52: deletion is announced, the kubelet confirms."""
    await client.ok("POST", PODS, pod(terminationGracePeriodSeconds=20))
    await bind(client)
    before = client.server.registry.clock.now().replace(microsecond=0)
    marked = await client.ok("DELETE", f"{PODS}/p")
    meta = marked["metadata"]
    assert meta["deletionGracePeriodSeconds"] == 20
    assert times.parse(meta["deletionTimestamp"]) - before >= timedelta(seconds=20)
    again = await client.ok("DELETE", f"{PODS}/p")
    assert again["metadata"] == meta
    shorter = await client.ok("DELETE", f"{PODS}/p?gracePeriodSeconds=5")
    assert shorter["metadata"]["deletionGracePeriodSeconds"] == 5
    assert shorter["metadata"]["deletionTimestamp"] < meta["deletionTimestamp"]
    longer = await client.ok("DELETE", f"{PODS}/p?gracePeriodSeconds=50")
    assert longer["metadata"]["deletionGracePeriodSeconds"] == 5
    await client.ok("DELETE", f"{PODS}/p", {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})
    assert (await client("GET", f"{PODS}/p")).status == 404


async def test_finalizers_hold_until_the_last_is_gone(client: Client) -> None:
    sent = config_map()
    sent["metadata"]["finalizers"] = ["example.com/a", "example.com/b"]
    await client.ok("POST", CONFIG_MAPS, sent)
    marked = await client.ok("DELETE", f"{CONFIG_MAPS}/c")
    assert marked["metadata"]["deletionTimestamp"]
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 0
    added = await client("PATCH", f"{CONFIG_MAPS}/c", {"metadata": {"finalizers": ["example.com/c"]}}, media=MERGE)
    assert added.status == 422
    assert "no new finalizers can be added if the object is being deleted" in added.message
    await client.ok("PATCH", f"{CONFIG_MAPS}/c", {"metadata": {"finalizers": ["example.com/b"]}}, media=MERGE)
    assert (await client("GET", f"{CONFIG_MAPS}/c")).status == 200
    last = await client.ok("PATCH", f"{CONFIG_MAPS}/c", {"metadata": {"finalizers": None}}, media=MERGE)
    assert last["metadata"]["name"] == "c"
    assert (await client("GET", f"{CONFIG_MAPS}/c")).status == 404


@pytest.mark.parametrize(
    ("policy", "finalizers"),
    [
        pytest.param("Orphan", ["orphan"], id="orphan"),
        pytest.param("Foreground", ["foregroundDeletion"], id="foreground"),
        pytest.param("Background", None, id="background"),
    ],
)
async def test_propagation(client: Client, policy: str, finalizers: list[str] | None) -> None:
    await client.ok("POST", DEPLOYMENTS, deployment())
    answer = await client.ok("DELETE", f"{DEPLOYMENTS}/web?propagationPolicy={policy}")
    if finalizers is None:
        assert answer["kind"] == "Status"
        return
    stored = await client.ok("GET", f"{DEPLOYMENTS}/web")
    assert stored["metadata"]["finalizers"] == finalizers
    assert stored["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("query", "finalizers", "warned"),
    [
        pytest.param("", ["orphan"], True, id="by default"),
        pytest.param("?propagationPolicy=Orphan", ["orphan"], False, id="asked for"),
        pytest.param("?propagationPolicy=Background", None, False, id="background"),
        pytest.param("?orphanDependents=false", None, False, id="the old option"),
    ],
)
async def test_jobs_leave_their_pods(client: Client, query: str, finalizers: list[str] | None, warned: bool) -> None:
    """As in the API's first versions; clients of today say what they want."""
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"template": template}}
    path = "/apis/batch/v1/namespaces/default/jobs"
    await client.ok("POST", path, job)
    answer = await client("DELETE", f"{path}/j{query}")
    assert bool(answer.warnings) is warned
    left = await client("GET", f"{path}/j")
    assert left.status == (200 if finalizers else 404)
    if finalizers:
        assert left.json()["metadata"]["finalizers"] == finalizers


@pytest.mark.parametrize(
    ("preconditions", "words"),
    [
        pytest.param({"uid": "other"}, "the UID in the precondition (other) does not match", id="uid"),
        pytest.param(
            {"resourceVersion": "1"}, "the ResourceVersion in the precondition (1) does not match", id="version"
        ),
    ],
)
async def test_preconditions(client: Client, preconditions: dict[str, str], words: str) -> None:
    await client.ok("POST", CONFIG_MAPS, config_map())
    answer = await client("DELETE", f"{CONFIG_MAPS}/c", {"preconditions": preconditions})
    assert (answer.status, answer.json()["reason"]) == (409, "Conflict")
    assert words in answer.message


@pytest.mark.parametrize(
    ("options", "code"),
    [
        pytest.param({"propagationPolicy": "Sideways"}, 422, id="policy"),
        pytest.param({"propagationPolicy": "Orphan", "orphanDependents": True}, 422, id="two policies"),
        pytest.param({"gracePeriodSeconds": "x"}, 400, id="grace"),
        pytest.param({"kind": "Pod"}, 400, id="kind"),
    ],
)
async def test_bad_options(client: Client, options: Any, code: int) -> None:
    await client.ok("POST", CONFIG_MAPS, config_map())
    assert (await client("DELETE", f"{CONFIG_MAPS}/c", options)).status == code
    assert (await client("GET", f"{CONFIG_MAPS}/c")).status == 200


async def test_dry_run(client: Client) -> None:
    await client.ok("POST", CONFIG_MAPS, config_map())
    await client.ok("DELETE", f"{CONFIG_MAPS}/c?dryRun=All")
    await client.ok("DELETE", f"{CONFIG_MAPS}/c", {"dryRun": ["All"]})
    assert (await client("GET", f"{CONFIG_MAPS}/c")).status == 200


async def test_collection(client: Client) -> None:
    """line 9: DELETE of a collection answers a Status."""
    for i in range(20):
        await client.ok("POST", CONFIG_MAPS, config_map(f"c{i}", labels={"even": str(i % 2 == 0)}))
    status = await client.ok("DELETE", f"{CONFIG_MAPS}?labelSelector=even%3DTrue")
    assert (status["kind"], status["status"]) == ("Status", "Success")
    left = (await client.ok("GET", CONFIG_MAPS))["items"]
    assert {item["metadata"]["labels"]["even"] for item in left if item["metadata"].get("labels")} == {"False"}
    assert (await client("DELETE", "/api/v1/configmaps")).status == 405


async def test_namespace_waits_for_its_finalizer(client: Client) -> None:
    """line 32: Terminating first, gone when it is finalized."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}
    made = await client.ok("POST", "/api/v1/namespaces", namespace)
    assert made["spec"]["finalizers"] == ["kubernetes"]
    assert made["status"]["phase"] == "Active"
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "n"}
    ending = await client.ok("DELETE", "/api/v1/namespaces/n")
    assert ending["status"]["phase"] == "Terminating"
    assert ending["metadata"]["deletionTimestamp"]
    refused = await client("POST", "/api/v1/namespaces/n/configmaps", config_map())
    assert refused.status == 403
    assert "because it is being terminated" in refused.message
    ending["spec"]["finalizers"] = []
    await client.ok("PUT", "/api/v1/namespaces/n/finalize", ending)
    assert (await client("GET", "/api/v1/namespaces/n")).status == 404


@pytest.mark.parametrize(
    ("query", "dry"),
    [
        pytest.param("", False, id="no node"),
        pytest.param("?gracePeriodSeconds=7", False, id="a period is of no use"),
        pytest.param("?gracePeriodSeconds=0", False, id="at once"),
        pytest.param("?dryRun=All", True, id="dry run"),
    ],
)
async def test_a_pod_that_is_gone_says_since_when(client: Client, query: str, dry: bool) -> None:
    path = "/api/v1/namespaces/default/pods"
    made = await client.ok("POST", path, pod("p"))
    gone = (await client.ok("DELETE", f"{path}/p{query}"))["metadata"]
    assert (gone["deletionGracePeriodSeconds"], gone["generation"]) == (0, made["metadata"]["generation"] + 1)
    assert gone["deletionTimestamp"] >= gone["creationTimestamp"]
    assert (gone["resourceVersion"] == made["metadata"]["resourceVersion"]) is dry
    assert (await client("GET", f"{path}/p")).status == (200 if dry else 404)


async def test_a_namespace_has_no_period_of_grace(client: Client) -> None:
    await client.ok("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})
    going = await client.ok("DELETE", "/api/v1/namespaces/n")
    assert "deletionTimestamp" in going["metadata"]
    assert "deletionGracePeriodSeconds" not in going["metadata"]


@pytest.mark.parametrize("policy", ["Orphan", "Foreground", "Background"])
async def test_nothing_depends_on_an_event(client: Client, policy: str) -> None:
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "involvedObject": {"namespace": "default"}}
    await client.ok("POST", "/api/v1/namespaces/default/events", event)
    gone = await client.ok("DELETE", f"/api/v1/namespaces/default/events/e?propagationPolicy={policy}")
    assert gone["status"] == "Success"
