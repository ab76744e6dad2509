"""What admission makes of a pod: golden pairs of what goes in and what comes out, and refusals in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.memory_cluster import MemoryCluster
from pocketkube.api.meta import errors
from pocketkube.base.clock import FakeClock
from tests.apiserver.admission.conftest import Admit, Obj, pod, request

READY = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
REACHABLE = {**READY, "key": "node.kubernetes.io/unreachable"}


async def test_service_account_token_volume(admit: Admit) -> None:
    done = await admit("ServiceAccount", request("CREATE", "pods", pod(initContainers=[{"name": "i"}])))
    spec = done["spec"]
    (volume,) = spec["volumes"]
    assert volume["name"].startswith("kube-api-access-") and len(volume["name"]) == len("kube-api-access-") + 5
    assert volume["projected"] == {
        "defaultMode": 420,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {
                "downwardAPI": {
                    "items": [
                        {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
                    ]
                }
            },
        ],
    }
    mount = {
        "name": volume["name"],
        "readOnly": True,
        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
    }
    assert spec["containers"][0]["volumeMounts"] == [mount]
    assert spec["initContainers"][0]["volumeMounts"] == [mount]
    assert spec["serviceAccountName"] == spec["serviceAccount"] == "default"


MOUNTED = [{"name": "own", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]


@pytest.mark.parametrize(
    ("spec", "account", "volumes"),
    [
        pytest.param({"automountServiceAccountToken": False}, {}, 0, id="the pod says no"),
        pytest.param({}, {"automountServiceAccountToken": False}, 0, id="the account says no"),
        pytest.param(
            {"automountServiceAccountToken": True}, {"automountServiceAccountToken": False}, 1, id="the pod wins"
        ),
        pytest.param({"containers": [{"name": "a", "volumeMounts": MOUNTED}]}, {}, 0, id="mounted already"),
        pytest.param({"volumes": [{"name": "kube-api-access-abcde"}]}, {}, 1, id="volume is there"),
    ],
)
async def test_automount(cluster: MemoryCluster, admit: Admit, spec: Obj, account: Obj, volumes: int) -> None:
    cluster.put("", "serviceaccounts", {"metadata": {"name": "default", "namespace": "default"}, **account})
    done = await admit("ServiceAccount", request("CREATE", "pods", pod(**spec)))
    assert len(done["spec"].get("volumes", ())) == volumes


async def test_pull_secrets(cluster: MemoryCluster, admit: Admit) -> None:
    account = {"metadata": {"name": "robot", "namespace": "default"}, "imagePullSecrets": [{"name": "registry"}]}
    cluster.put("", "serviceaccounts", account)
    done = await admit("ServiceAccount", request("CREATE", "pods", pod(serviceAccountName="robot")))
    assert done["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    own = pod(serviceAccountName="robot", imagePullSecrets=[{"name": "mine"}])
    done = await admit("ServiceAccount", request("CREATE", "pods", own))
    assert done["spec"]["imagePullSecrets"] == [{"name": "mine"}]


async def test_missing_service_account(admit: Admit) -> None:
    with pytest.raises(errors.Forbidden) as refused:
        await admit("ServiceAccount", request("CREATE", "pods", pod(serviceAccountName="robot")))
    assert refused.value.message == (
        'pods "web" is forbidden: error looking up service account default/robot: serviceaccount "robot" not found'
    )


async def test_default_account_of_a_new_namespace_is_waited_for(cluster: MemoryCluster) -> None:
    from apiserver.admission.plugin import Setup
    from apiserver.admission.plugins.service_account import ServiceAccount

    class Arriving(FakeClock):
        async def sleep(self, seconds: float) -> None:
            cluster.put("", "serviceaccounts", {"metadata": {"name": "default", "namespace": "new"}})

    plugin = ServiceAccount(Setup(cluster=cluster, clock=Arriving()))
    asked = request("CREATE", "pods", pod(), namespace="new")
    waiting = plugin.mutate(asked)
    assert waiting is not None
    await waiting
    assert asked.obj is not None and asked.obj["spec"]["volumes"]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param({"serviceAccountName": "x"}, "may not reference service accounts", id="account"),
        pytest.param(
            {"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}, "may not reference secrets", id="secret"
        ),
    ],
)
async def test_mirror_pod(admit: Admit, spec: Obj, words: str) -> None:
    mirror = pod(**spec)
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    with pytest.raises(errors.Forbidden, match=words):
        await admit("ServiceAccount", request("CREATE", "pods", mirror))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param([], [READY, REACHABLE], id="none"),
        pytest.param([{"operator": "Exists"}], [{"operator": "Exists"}], id="everything tolerated"),
        pytest.param(
            [{**READY, "tolerationSeconds": 5}], [{**READY, "tolerationSeconds": 5}, REACHABLE], id="one given"
        ),
        pytest.param(
            [{"key": "a", "operator": "Exists", "effect": "NoSchedule"}],
            [{"key": "a", "operator": "Exists", "effect": "NoSchedule"}, READY, REACHABLE],
            id="another",
        ),
    ],
)
async def test_default_tolerations(admit: Admit, given: list[Obj], expected: list[Obj]) -> None:
    done = await admit("DefaultTolerationSeconds", request("CREATE", "pods", pod(tolerations=given)))
    assert done["spec"]["tolerations"] == expected


def priority_class(name: str, value: int, **fields: Any) -> Obj:
    return {"metadata": {"name": name}, "value": value, **fields}


@pytest.mark.parametrize(
    ("classes", "spec", "expected"),
    [
        pytest.param([], {}, (0, "PreemptLowerPriority", None), id="none"),
        pytest.param(
            [priority_class("high", 100)],
            {"priorityClassName": "high"},
            (100, "PreemptLowerPriority", "high"),
            id="class",
        ),
        pytest.param(
            [priority_class("calm", 5, preemptionPolicy="Never")],
            {"priorityClassName": "calm"},
            (5, "Never", "calm"),
            id="policy",
        ),
        pytest.param(
            [priority_class("a", 9, globalDefault=True), priority_class("b", 7, globalDefault=True)],
            {},
            (7, "PreemptLowerPriority", "b"),
            id="the lowest default",
        ),
        pytest.param(
            [],
            {"priorityClassName": "system-node-critical"},
            (2000001000, "PreemptLowerPriority", "system-node-critical"),
            id="system",
        ),
        pytest.param(
            [priority_class("high", 100)],
            {"priorityClassName": "high", "priority": 100},
            (100, "PreemptLowerPriority", "high"),
            id="same",
        ),
    ],
)
async def test_priority(
    cluster: MemoryCluster, admit: Admit, classes: list[Obj], spec: Obj, expected: tuple[int, str, str | None]
) -> None:
    for each in classes:
        cluster.put("scheduling.k8s.io", "priorityclasses", each)
    spec = (await admit("Priority", request("CREATE", "pods", pod(**spec))))["spec"]
    assert (spec["priority"], spec["preemptionPolicy"], spec.get("priorityClassName")) == expected


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param({"priorityClassName": "no"}, "no PriorityClass with name no was found", id="missing"),
        pytest.param(
            {"priority": 7}, r"the integer value of priority \(7\) must not be provided in pod spec", id="value"
        ),
        pytest.param({"preemptionPolicy": "Never"}, r"the string value of PreemptionPolicy \(Never\)", id="policy"),
    ],
)
async def test_priority_refused(admit: Admit, spec: Obj, words: str) -> None:
    with pytest.raises(errors.Forbidden, match=words):
        await admit("Priority", request("CREATE", "pods", pod(**spec)))


async def test_priority_is_kept_by_updates(admit: Admit) -> None:
    old = pod(priority=7, preemptionPolicy="Never")
    done = await admit("Priority", request("UPDATE", "pods", pod(), old))
    assert (done["spec"]["priority"], done["spec"]["preemptionPolicy"]) == (7, "Never")


async def test_one_default_class(cluster: MemoryCluster, admit: Admit) -> None:
    cluster.put("scheduling.k8s.io", "priorityclasses", priority_class("a", 9, globalDefault=True))
    again = priority_class("b", 9, globalDefault=True)
    with pytest.raises(errors.Forbidden, match="PriorityClass a is already marked as default"):
        await admit("Priority", request("CREATE", "priorityclasses.scheduling.k8s.io", again))


RUNTIME = {
    "metadata": {"name": "gvisor"},
    "overhead": {"podFixed": {"cpu": "100m"}},
    "scheduling": {"nodeSelector": {"rt": "g"}, "tolerations": [{"key": "rt", "operator": "Exists"}]},
}


async def test_runtime_class(cluster: MemoryCluster, admit: Admit) -> None:
    cluster.put("node.k8s.io", "runtimeclasses", RUNTIME)
    given = pod(runtimeClassName="gvisor", nodeSelector={"disk": "ssd"})
    spec = (await admit("RuntimeClass", request("CREATE", "pods", given)))["spec"]
    assert spec["overhead"] == {"cpu": "100m"}
    assert spec["nodeSelector"] == {"rt": "g", "disk": "ssd"}
    assert spec["tolerations"] == [{"key": "rt", "operator": "Exists"}]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param(
            {"runtimeClassName": "no"},
            'pods "web" is forbidden: pod rejected: RuntimeClass "no" not found',
            id="missing",
        ),
        pytest.param({"runtimeClassName": "gvisor", "nodeSelector": {"rt": "x"}}, "conflict", id="selector"),
        pytest.param({"runtimeClassName": "gvisor", "overhead": {"cpu": "1"}}, "doesn't match", id="overhead"),
        pytest.param({"overhead": {"cpu": "1"}}, "without corresponding RuntimeClass", id="overhead alone"),
    ],
)
async def test_runtime_class_refused(cluster: MemoryCluster, admit: Admit, spec: Obj, words: str) -> None:
    """line 38: a missing RuntimeClass is Forbidden."""
    cluster.put("node.k8s.io", "runtimeclasses", RUNTIME)
    with pytest.raises(errors.Forbidden, match=words):
        await admit("RuntimeClass", request("CREATE", "pods", pod(**spec)))


async def test_topology_labels(cluster: MemoryCluster, admit: Admit) -> None:
    labels = {"topology.kubernetes.io/zone": "z1", "other": "x"}
    cluster.put("", "nodes", {"metadata": {"name": "n1", "labels": labels}})
    binding = {"metadata": {"name": "web"}, "target": {"kind": "Node", "name": "n1"}}
    done = await admit("PodTopologyLabels", request("CREATE", "pods/binding", binding))
    assert done["metadata"]["labels"] == {"topology.kubernetes.io/zone": "z1"}


async def test_pods_that_are_changed_only_when_asked_for(cluster: MemoryCluster, admit: Admit) -> None:
    done = await admit("AlwaysPullImages", request("CREATE", "pods", pod()))
    assert done["spec"]["containers"][0]["imagePullPolicy"] == "Always"
    gpu = [{"name": "a", "resources": {"requests": {"example.com/gpu": "1", "cpu": "1"}}}]
    done = await admit("ExtendedResourceToleration", request("CREATE", "pods", pod(containers=gpu)))
    assert done["spec"]["tolerations"] == [{"key": "example.com/gpu", "operator": "Exists"}]
    annotations = {"scheduler.alpha.kubernetes.io/node-selector": "pool=a, disk=ssd"}
    cluster.put("", "namespaces", {"metadata": {"name": "default", "annotations": annotations}})
    done = await admit("PodNodeSelector", request("CREATE", "pods", pod()))
    assert done["spec"]["nodeSelector"] == {"pool": "a", "disk": "ssd"}
    with pytest.raises(errors.Forbidden, match="conflicts"):
        await admit("PodNodeSelector", request("CREATE", "pods", pod(nodeSelector={"pool": "b"})))
