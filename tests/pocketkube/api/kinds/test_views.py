"""Kinds in several versions: one object, seen as each, without loss."""

from __future__ import annotations

from typing import Any

import pytest

from pocketkube.api import scheme
from pocketkube.api.kinds.kind import Kind

Obj = dict[str, Any]

KINDS = scheme.builtin()
META = {"name": "web", "namespace": "default", "annotations": {"own": "x"}}


def kind(api_version: str, name: str) -> Kind:
    found = KINDS.of(api_version, name)
    assert found is not None and found.convert is not None
    return found


def seen_as(obj: Obj, api_version: str) -> Obj:
    found = kind(api_version, obj["kind"])
    assert found.convert is not None
    return found.convert(obj, found.version)


HPA: Obj = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": META,
    "spec": {
        "minReplicas": 1,
        "maxReplicas": 4,
        "scaleTargetRef": {"kind": "Deployment", "name": "web"},
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
            },
            {
                "type": "Resource",
                "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}},
            },
        ],
        "behavior": {"scaleUp": {"selectPolicy": "Max"}},
    },
    "status": {"desiredReplicas": 2, "currentMetrics": None, "conditions": [{"type": "AbleToScale", "status": "True"}]},
}


def test_an_autoscaler_in_v1_shows_cpu_and_keeps_the_rest_in_annotations() -> None:
    old = seen_as(HPA, "autoscaling/v1")
    assert old["spec"]["targetCPUUtilizationPercentage"] == 50
    assert set(old["metadata"]["annotations"]) == {
        "own",
        "autoscaling.alpha.kubernetes.io/metrics",
        "autoscaling.alpha.kubernetes.io/behavior",
        "autoscaling.alpha.kubernetes.io/conditions",
    }
    back = seen_as(old, "autoscaling/v2")
    assert back["spec"] == HPA["spec"]
    assert back["metadata"] == META
    assert back["status"]["conditions"] == HPA["status"]["conditions"]


def test_an_event_is_one_object_under_two_groups() -> None:
    core: Obj = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": META,
        "involvedObject": {"kind": "Pod", "name": "p"},
        "message": "m",
        "reason": "r",
        "type": "Normal",
        "source": {"component": "kubelet"},
        "count": 3,
        "firstTimestamp": "2026-11-21T03:00:00Z",
        "lastTimestamp": "2026-11-21T03:01:00Z",
        "eventTime": None,
        "reportingComponent": "kubelet",
        "reportingInstance": "n1",
    }
    new = seen_as(core, "events.k8s.io/v1")
    assert new["regarding"] == core["involvedObject"]
    assert (new["note"], new["reportingController"], new["deprecatedCount"]) == ("m", "kubelet", 3)
    assert not {"involvedObject", "message", "count", "source"} & new.keys()
    assert seen_as(new, "v1") == core


FLAT = {"name": "gpu", "deviceClassName": "gpus", "allocationMode": "ExactCount", "count": 2}
EXACT = {"name": "gpu", "exactly": {"deviceClassName": "gpus", "allocationMode": "ExactCount", "count": 2}}
CHOICE = {"name": "any", "firstAvailable": [{"name": "a", "deviceClassName": "b", "allocationMode": "All"}]}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        pytest.param("ResourceClaim", {"devices": {"requests": [FLAT, CHOICE]}}, {"devices": {"requests": [EXACT, CHOICE]}}, id="claim"),
        pytest.param(
            "ResourceClaimTemplate",
            {"metadata": {}, "spec": {"devices": {"requests": [FLAT]}}},
            {"metadata": {}, "spec": {"devices": {"requests": [EXACT]}}},
            id="template",
        ),
        pytest.param(
            "ResourceSlice",
            {"devices": [{"name": "d", "basic": {"attributes": {"a": {"int": 1}}}}]},
            {"devices": [{"name": "d", "attributes": {"a": {"int": 1}}}]},
            id="slice",
        ),
    ],
)  # fmt: skip
def test_device_kinds_between_their_versions(name: str, old: Obj, new: Obj) -> None:
    first: Obj = {"apiVersion": "resource.k8s.io/v1beta1", "kind": name, "metadata": META, "spec": old}
    stored = seen_as(first, "resource.k8s.io/v1")
    assert stored["spec"] == new
    assert seen_as(stored, "resource.k8s.io/v1beta2")["spec"] == new
    assert seen_as(stored, "resource.k8s.io/v1beta1") == first
