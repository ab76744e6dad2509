"""What clients are warned of: each sentence of upstream's, and the silence where nothing is odd."""

from __future__ import annotations

from typing import Any

import pytest

from pocketkube.api import scheme
from pocketkube.api.kinds.podspec import warnings as podwarnings

KINDS = scheme.builtin()
Obj = dict[str, Any]
FRACTION = 'fractional byte value "{}" is invalid, must be an integer'
NULL = "a null labelSelector results in matching no pod"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'


def container(**fields: Any) -> Obj:
    return {"containers": [{"name": "c", "image": "i", **fields}]}


def ports(*given: Obj) -> Obj:
    return container(ports=[{"protocol": "TCP", **port} for port in given])


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(container(), [], id="nothing"),
        pytest.param(
            {"nodeSelector": {"beta.kubernetes.io/os": "linux", "a": "b"}},
            ['spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead'],
            id="label",
        ),
        pytest.param(
            {
                "affinity": {
                    "nodeAffinity": {
                        REQUIRED: {
                            "nodeSelectorTerms": [{"matchExpressions": [{"key": "beta.kubernetes.io/instance-type"}]}]
                        }
                    }
                }
            },
            [
                f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms[0].matchExpressions[0].key: "
                "beta.kubernetes.io/instance-type is "
                'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead'
            ],
            id="label in affinity",
        ),
        pytest.param(
            {"topologySpreadConstraints": [{"topologyKey": "failure-domain.beta.kubernetes.io/zone"}]},
            [
                "spec.topologySpreadConstraints[0].topologyKey: failure-domain.beta.kubernetes.io/zone is "
                'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
                f"spec.topologySpreadConstraints[0].labelSelector: {NULL}",
            ],
            id="spread",
        ),
        pytest.param(
            {
                "affinity": {
                    "podAffinity": {REQUIRED: [{"topologyKey": "k"}]},
                    "podAntiAffinity": {PREFERRED: [{"podAffinityTerm": {}}]},
                }
            },
            [
                f"spec.affinity.podAffinity.{REQUIRED}[0].labelSelector: {NULL}",
                f"spec.affinity.podAntiAffinity.{PREFERRED}[0].podAffinityTerm.labelSelector: {NULL}",
            ],
            id="pods of no selector",
        ),
        pytest.param(
            {"volumes": [{"gitRepo": {}}, {"storageos": {}}, {"emptyDir": {}}]},
            [
                "spec.volumes[0].gitRepo: deprecated in v1.11",
                "spec.volumes[1].storageOS: deprecated in v1.22, non-functional in v1.25+",
            ],
            id="volumes",
        ),
        pytest.param(
            {
                "volumes": [
                    {"ephemeral": {"volumeClaimTemplate": {"spec": {"resources": {"requests": {"storage": "1500m"}}}}}}
                ]
            },
            [
                "spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources.requests[storage]: "
                + FRACTION.format("1500m")
            ],
            id="ephemeral volume",
        ),
        pytest.param(
            {
                "volumes": [
                    {
                        "projected": {
                            "sources": [
                                {"serviceAccountToken": {"path": "t"}},
                                {"configMap": {"items": [{"path": "t"}]}},
                                {"secret": {"items": [{"path": "u"}, {"path": "t"}]}},
                                {"clusterTrustBundle": {"path": "t"}},
                            ]
                        }
                    }
                ]
            },
            [
                f'spec.volumes[0].projected.sources.{name}: has duplicated path with ServiceAccountToken "t"'
                for name in ("configMap[0]", "secrets[1]", "ClusterTrustBundle")
            ],
            id="hidden token",
        ),
        pytest.param(
            {
                "hostAliases": [{"ip": "1.1.1.1"}, {"ip": "1.1.1.1"}],
                "imagePullSecrets": [{"name": "a"}, {"name": "a"}, {"name": ""}],
            },
            [
                'spec.hostAliases[1].ip: duplicate ip "1.1.1.1"',
                'spec.imagePullSecrets[1].name: duplicate name "a"',
                'spec.imagePullSecrets[2].name: invalid empty name ""',
            ],
            id="twice",
        ),
        pytest.param(
            container(
                resources={"limits": {"memory": "100m", "cpu": "100m"}, "requests": {"ephemeral-storage": "1.5"}}
            ),
            [
                "spec.containers[0].resources.limits[memory]: " + FRACTION.format("100m"),
                "spec.containers[0].resources.requests[ephemeral-storage]: " + FRACTION.format("1.5"),
            ],
            id="fractions",
        ),
        pytest.param(
            container(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "$(A):2"}, {"name": "A", "value": "3"}]),
            ['spec.containers[0].env[2]: hides previous definition of "A", which may be dropped when using apply'],
            id="variables",
        ),
        pytest.param(
            ports({"containerPort": 80}, {"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}),
            ["spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]"],
            id="ports",
        ),
        pytest.param(
            ports({"containerPort": 80}, {"containerPort": 80, "hostPort": 80}),
            ["spec.containers[0].ports[1]: overlapping port definition with spec.containers[0].ports[0]"],
            id="overlapping ports",
        ),
        pytest.param(
            ports({"containerPort": 80, "hostPort": 80}, {"containerPort": 80, "hostPort": 80, "hostIP": "1.1.1.1"}),
            ["spec.containers[0].ports[1]: dangerously ambiguous port definition with spec.containers[0].ports[0]"],
            id="ambiguous ports",
        ),
        pytest.param(
            ports({"containerPort": 80, "hostIP": "1.1.1.1"}),
            [
                "spec.containers[0].ports[0]: hostIP set without hostPort: "
                "{Name: HostPort:0 ContainerPort:80 Protocol:TCP HostIP:1.1.1.1}"
            ],
            id="address without port",
        ),
        pytest.param(
            {"terminationGracePeriodSeconds": -1},
            ["spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"],
            id="grace",
        ),
    ],
)
def test_pods(spec: Obj, expected: list[str]) -> None:
    assert podwarnings.of(spec, {}) == expected
    assert podwarnings.of(spec, {}, "template") == [
        f"template.{w.replace(' with spec', ' with template.spec')}" for w in expected
    ]


@pytest.mark.parametrize(
    ("notes", "context", "expected"),
    [
        pytest.param(
            "scheduler.alpha.kubernetes.io/critical-pod",
            {},
            'non-functional in v1.16+; use the "priorityClassName" field instead',
            id="critical",
        ),
        pytest.param("seccomp.security.alpha.kubernetes.io/pod", {}, SECCOMP, id="seccomp"),
        pytest.param(
            "seccomp.security.alpha.kubernetes.io/pod", {"seccompProfile": {}}, SECCOMP, id="seccomp without type"
        ),
        pytest.param(
            "seccomp.security.alpha.kubernetes.io/pod",
            {"seccompProfile": {"type": "Unconfined"}},
            "",
            id="seccomp by field",
        ),
        pytest.param("container.seccomp.security.alpha.kubernetes.io/c", {}, SECCOMP, id="seccomp of a container"),
        pytest.param(
            "container.apparmor.security.beta.kubernetes.io/c",
            {},
            'deprecated since v1.30; use the "appArmorProfile" field instead',
            id="apparmor",
        ),
    ],
)
def test_annotations_that_are_fields_now(notes: str, context: Obj, expected: str) -> None:
    found = podwarnings.of({**container(), "securityContext": context}, {"annotations": {notes: "x"}}, "t")
    assert found == ([f"t.metadata.annotations[{notes}]: {expected}"] if expected else [])


def service(**spec: Any) -> Obj:
    return {"metadata": {"name": "s"}, "spec": {"type": "ClusterIP", "sessionAffinity": "None", **spec}}


@pytest.mark.parametrize(
    ("resource", "obj", "expected"),
    [
        pytest.param("services", service(clusterIP="10.0.0.1"), [], id="service"),
        pytest.param(
            "services",
            service(clusterIP="None", loadBalancerIP="1.1.1.1", externalIPs=["1.1.1.1"], sessionAffinity="ClientIP"),
            [
                f"spec.{name} is ignored for headless services"
                for name in ("loadBalancerIP", "externalIPs", "SessionAffinity")
            ],
            id="headless",
        ),
        pytest.param(
            "services",
            service(externalIPs=["1.1.1.1"]),
            ["spec.externalIPs is deprecated and may no longer be implemented in some clusters"],
            id="external addresses",
        ),
        pytest.param(
            "services",
            service(externalName="a.b"),
            ['spec.externalName is ignored when spec.type is not "ExternalName"'],
            id="external name",
        ),
        pytest.param(
            "services",
            service(trafficDistribution="PreferClose"),
            ['spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'],
            id="traffic",
        ),
        pytest.param(
            "persistentvolumes",
            {
                "metadata": {"annotations": {"volume.beta.kubernetes.io/storage-class": "x"}},
                "spec": {"rbd": {}, "persistentVolumeReclaimPolicy": "Recycle"},
            },
            [
                "metadata.annotations[volume.beta.kubernetes.io/storage-class]: "
                'deprecated since v1.8; use "storageClassName" attribute instead',
                "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. "
                "Instead, the recommended approach is to use dynamic provisioning.",
                "spec.rbd: deprecated in v1.28, non-functional in v1.31+",
            ],
            id="volume",
        ),
        pytest.param(
            "persistentvolumeclaims",
            {"metadata": {}, "spec": {"resources": {"limits": {"storage": "0.5"}}}},
            ["spec.resources.limits[storage]: " + FRACTION.format("0.5")],
            id="claim",
        ),
        pytest.param(
            "ingresses",
            {"metadata": {"annotations": {"kubernetes.io/ingress.class": "x"}}, "spec": {}},
            ["annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead"],
            id="ingress",
        ),
        pytest.param(
            "deployments",
            {"metadata": {"name": "a.b"}, "spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}},
            [
                "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; "
                "a DNS label is recommended: [must not contain dots]"
            ],
            id="name",
        ),
        pytest.param(
            "statefulsets",
            {"metadata": {"name": "a"}, "spec": {"revisionHistoryLimit": -1}},
            [
                "spec.revisionHistoryLimit: a negative value retains all historical revisions; "
                "a value >= 0 is recommended"
            ],
            id="revisions",
        ),
        pytest.param(
            "storageclasses",
            {"allowedTopologies": [{"matchLabelExpressions": [{"key": "beta.kubernetes.io/os"}]}]},
            [
                "allowedTopologies[0].matchLabelExpressions[0].key: beta.kubernetes.io/os is "
                'deprecated since v1.14; use "kubernetes.io/os" instead'
            ],
            id="topology",
        ),
        pytest.param(
            "runtimeclasses",
            {"scheduling": {"nodeSelector": {"beta.kubernetes.io/arch": "x"}}},
            [
                'scheduling.nodeSelector[beta.kubernetes.io/arch]: deprecated since v1.14; use "kubernetes.io/arch" instead'
            ],
            id="runtime class",
        ),
    ],
)
def test_kinds(resource: str, obj: Obj, expected: list[str]) -> None:
    kind = next(k for k in KINDS.kinds() if k.plural == resource)
    assert kind.warnings is not None and kind.warnings(obj) == expected


@pytest.mark.parametrize("name", ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"])
def test_an_update_that_leaves_the_spec_says_nothing(name: str) -> None:
    kind = next(k for k in KINDS.kinds() if k.kind == name)
    pods = {"template": {"spec": {"terminationGracePeriodSeconds": -1}}}
    spec = {"jobTemplate": {"spec": pods}} if name == "CronJob" else pods
    old, new = ({"metadata": {"name": "a", "generation": number}, "spec": spec} for number in (1, 2))
    assert kind.update_warnings is not None and kind.update_warnings(old, old) == []
    assert len(kind.update_warnings(new, old)) == 1
