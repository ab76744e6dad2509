"""What a person sees when something is wrong, in the words they know; and the rest goes on."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Cluster, Obj, until


def pod(name: str, **container: object) -> str:
    import json

    base = {"name": "c", "image": "pocketkube/base:1", "command": ["sleep", "3600"]}
    spec = {"terminationGracePeriodSeconds": 1, "containers": [{**base, **container}]}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        pytest.param(
            "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {}",
            "spec.containers: Required value",
            id="missing field",
        ),
        pytest.param(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndat: {a: b}",
            'unknown field "dat"',
            id="unknown field",
        ),
        pytest.param(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Bad_Name}", 'Invalid value: "Bad_Name"', id="bad name"
        ),
        pytest.param(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {replicas: many}",
            "spec.replicas",
            id="wrong type",
        ),
        pytest.param(
            "apiVersion: v9\nkind: Pod\nmetadata: {name: x}",
            'no matches for kind "Pod" in version "v9"',
            id="unknown kind",
        ),
        pytest.param("apiVersion: v1\nkind: Pod\n  bad: yaml", "error converting YAML to JSON", id="no YAML"),
    ],
)
def test_a_wrong_manifest(cluster: Cluster, namespace: str, manifest: str, words: str) -> None:
    assert words in cluster.kubectl_fails("-n", namespace, "apply", "-f", "-", stdin=manifest)


def waiting_reason(cluster: Cluster, namespace: str, name: str) -> str:
    status: Obj = cluster.json("-n", namespace, "get", "pod", name)["status"]["containerStatuses"][0]["state"]
    return str((status.get("waiting") or status.get("terminated") or {}).get("reason"))


@pytest.mark.parametrize(
    ("container", "reasons", "event"),
    [
        pytest.param({"image": "no.such.host.invalid/x:1"}, {"ErrImagePull", "ImagePullBackOff"}, "Failed to pull image", id="image"),
        pytest.param({"image": "UPPER CASE"}, {"InvalidImageName"}, "Failed to apply default image tag", id="image name"),
        pytest.param({"image": "absent:1", "imagePullPolicy": "Never"}, {"ErrImageNeverPull"}, "not present with pull policy", id="never"),
        pytest.param({"command": ["/no/such"]}, {"RunContainerError", "CrashLoopBackOff", "StartError"}, "no such file", id="command"),
        pytest.param({"command": ["sh", "-c", "exit 3"]}, {"CrashLoopBackOff"}, "Back-off restarting", id="crash"),
        pytest.param(
            {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "absent", "key": "k"}}}]},
            {"CreateContainerConfigError"}, 'configmap "absent" not found', id="config map",
        ),
    ],
)  # fmt: skip
def test_a_container_that_cannot_run(
    cluster: Cluster, namespace: str, container: Obj, reasons: set[str], event: str
) -> None:
    cluster.apply(pod("bad", **container), "-n", namespace)
    until(f"one of {reasons}", lambda: waiting_reason(cluster, namespace, "bad") in reasons, seconds=60)
    until(
        f"the event {event!r}", lambda: event in cluster.kubectl("-n", namespace, "describe", "pod", "bad"), seconds=30
    )


def test_a_pod_that_fits_nowhere_says_why(cluster: Cluster, namespace: str) -> None:
    cluster.apply(pod("big", resources={"requests": {"cpu": "1000"}}), "-n", namespace)
    until(
        "the event",
        lambda: "Insufficient cpu" in cluster.kubectl("-n", namespace, "describe", "pod", "big"),
        seconds=30,
    )
    status = cluster.json("-n", namespace, "get", "pod", "big")["status"]
    assert status["phase"] == "Pending"
    condition = next(c for c in status["conditions"] if c["type"] == "PodScheduled")
    assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")


def test_no_rights_are_refused_in_upstreams_words(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("-n", namespace, "create", "serviceaccount", "nobody")
    account = f"system:serviceaccount:{namespace}:nobody"
    said = cluster.kubectl_fails("-n", namespace, "get", "pods", "--as", account)
    assert (
        f'pods is forbidden: User "{account}" cannot list resource "pods" in API group "" in the namespace "{namespace}"'
        in said
    )
    assert cluster.kubectl("-n", namespace, "auth", "can-i", "--list", "--as", account)


def test_anonymous_callers_learn_nothing(cluster: Cluster) -> None:
    import json
    import ssl
    import urllib.error
    import urllib.request

    context = ssl.create_default_context(cafile=str(cluster.home / cluster.name / "pki" / "ca.crt"))
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(cluster.status()["server"] + "/api/v1/secrets", context=context)
    body = json.loads(refused.value.read())
    assert (refused.value.code, body["reason"]) == (403, "Forbidden")


def test_a_node_port_in_use_is_refused(cluster: Cluster, namespace: str) -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: %s}\nspec: {type: NodePort, ports: [{port: 80, nodePort: 32111}]}"
    cluster.apply(service % "first", "-n", namespace)
    assert "provided port is already allocated" in cluster.kubectl_fails(
        "-n", namespace, "apply", "-f", "-", stdin=service % "second"
    )
