"""What is wrong with a pod, by field and in upstream's words."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from pocketkube.api.kinds.core import pod
from pocketkube.api.kinds.core.pod import strategy, update

Obj = dict[str, Any]
Change = Callable[[Obj], object]

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
    "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


def good() -> Obj:
    return {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "containers": [
                {
                    "name": "web",
                    "image": "nginx:1",
                    "ports": [{"containerPort": 80, "name": "http"}],
                    "env": [{"name": "A", "value": "1"}],
                    "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "200m"}},
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }
            ],
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
    }


def made(change: Change) -> Obj:
    obj = good()
    change(obj["spec"])
    assert pod.KIND.default is not None and pod.KIND.prepare_create is not None
    pod.KIND.default(obj)
    pod.KIND.prepare_create(obj)
    return obj


def wrong(obj: Obj) -> list[str]:
    assert pod.KIND.validate is not None
    return [str(error) for error in pod.KIND.validate(obj)]


def container(**fields: Any) -> Change:
    return lambda spec: spec["containers"][0].update(fields)


def spec(**fields: Any) -> Change:
    return lambda spec: spec.update(fields)


def test_a_good_pod_passes() -> None:
    assert wrong(made(lambda spec: None)) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(spec(containers=[]), "spec.containers: Required value", id="no-containers"),
        pytest.param(container(name=""), "spec.containers[0].name: Required value", id="no-name"),
        pytest.param(
            container(name="Web_1"), f'spec.containers[0].name: Invalid value: "Web_1": {LABEL}', id="bad-name"
        ),
        pytest.param(container(image=""), "spec.containers[0].image: Required value", id="no-image"),
        pytest.param(
            container(image=" nginx"),
            'spec.containers[0].image: Invalid value: " nginx": must not have leading or trailing whitespace',
            id="blank-in-image",
        ),
        pytest.param(
            container(imagePullPolicy="Sometimes"),
            'spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"',
            id="pull-policy",
        ),
        pytest.param(
            container(ports=[{"containerPort": 70000}]),
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
            id="port-range",
        ),
        pytest.param(
            container(ports=[{"containerPort": 80, "name": "a"}, {"containerPort": 81, "name": "a"}]),
            'spec.containers[0].ports[1].name: Duplicate value: "a"',
            id="port-name-twice",
        ),
        pytest.param(
            container(ports=[{"containerPort": 80, "hostPort": 8080}, {"containerPort": 81, "hostPort": 8080}]),
            'spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//8080"',
            id="host-port-twice",
        ),
        pytest.param(
            container(ports=[{"containerPort": 80, "protocol": "ICMP"}]),
            'spec.containers[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
            id="protocol",
        ),
        pytest.param(
            container(env=[{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
            'spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
            id="env-both",
        ),
        pytest.param(
            container(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.color"}}}]),
            'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.color": '
            "error converting fieldPath: field label not supported: spec.color",
            id="env-field",
        ),
        pytest.param(
            container(volumeMounts=[{"name": "nope", "mountPath": "/x"}]),
            'spec.containers[0].volumeMounts[0].name: Not found: "nope"',
            id="mount-of-nothing",
        ),
        pytest.param(
            container(volumeMounts=[{"name": "data", "mountPath": "/x"}, {"name": "data", "mountPath": "/x"}]),
            'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/x": must be unique',
            id="mount-twice",
        ),
        pytest.param(
            container(volumeMounts=[{"name": "data", "mountPath": "/x", "subPath": "../y"}]),
            "spec.containers[0].volumeMounts.subPath: Invalid value: \"../y\": must not contain '..'",
            id="sub-path",
        ),
        pytest.param(
            container(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
            'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
            id="request-over-limit",
        ),
        pytest.param(
            container(resources={"limits": {"cpu": "-1"}}),
            'spec.containers[0].resources.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0',
            id="negative-limit",
        ),
        pytest.param(
            container(resources={"requests": {"gpus": "1"}}),
            'spec.containers[0].resources.requests[gpus]: Invalid value: "gpus": must be a standard resource for containers',
            id="resource-name",
        ),
        pytest.param(
            container(resources={"requests": {"example.com/gpu": "1"}}),
            "spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources",
            id="extended-without-limit",
        ),
        pytest.param(
            container(livenessProbe={}),
            "spec.containers[0].livenessProbe: Required value: must specify a handler type",
            id="probe-without-handler",
        ),
        pytest.param(
            container(livenessProbe={"exec": {"command": ["a"]}, "tcpSocket": {"port": 1}}),
            "spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
            id="probe-two-handlers",
        ),
        pytest.param(
            container(livenessProbe={"exec": {"command": ["a"]}, "successThreshold": 2}),
            "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
            id="liveness-threshold",
        ),
        pytest.param(
            container(readinessProbe={"httpGet": {"port": 0}}),
            "spec.containers[0].readinessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive",
            id="probe-port",
        ),
        pytest.param(
            container(lifecycle={"preStop": {"sleep": {"seconds": 99}}}),
            "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 99: must be non-negative and less than "
            "terminationGracePeriodSeconds (30)",
            id="sleep",
        ),
        pytest.param(
            container(securityContext={"runAsUser": -1}),
            "spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
            id="user-id",
        ),
        pytest.param(
            spec(restartPolicy="Sometimes"),
            'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
            id="restart-policy",
        ),
        pytest.param(
            spec(dnsPolicy="None"),
            "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None",
            id="dns-none",
        ),
        pytest.param(
            spec(volumes=[{"name": "data", "emptyDir": {}, "hostPath": {"path": "/x"}}]),
            "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
            id="two-sources",
        ),
        pytest.param(
            spec(volumes=[{"name": "data", "configMap": {}}]),
            "spec.volumes[0].configMap.name: Required value",
            id="config-map-name",
        ),
        pytest.param(
            spec(volumes=[{"name": "data", "secret": {"secretName": "s", "defaultMode": 4096}}]),
            "spec.volumes[0].secret.defaultMode: Invalid value: 4096: must be a number between 0 and 0777 (octal), both inclusive",
            id="mode",
        ),
        pytest.param(
            spec(tolerations=[{"operator": "Equal"}]),
            'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means '
            '\\"match all values and all keys\\"'.replace('\\"', '"'),
            id="toleration",
        ),
        pytest.param(
            spec(
                affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}
            ),
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: "
            "must have at least one node selector term",
            id="node-affinity",
        ),
        pytest.param(
            spec(topologySpreadConstraints=[{"maxSkew": 0, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule"}]),
            "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
            id="skew",
        ),
        pytest.param(
            spec(activeDeadlineSeconds=0),
            "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
            id="deadline",
        ),
        pytest.param(
            spec(initContainers=[{"name": "web", "image": "a"}]),
            'spec.initContainers[0].name: Duplicate value: "web"',
            id="init-name-taken",
        ),
        pytest.param(
            spec(initContainers=[{"name": "i", "image": "a", "livenessProbe": {"exec": {"command": ["a"]}}}]),
            "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
            id="init-probe",
        ),
        pytest.param(
            spec(ephemeralContainers=[{"name": "e", "image": "a"}]),
            "spec.ephemeralContainers: Forbidden: cannot be set on create",
            id="ephemeral",
        ),
        pytest.param(
            spec(nodeName="n", schedulingGates=[{"name": "a"}]),
            "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared",
            id="gated-and-bound",
        ),
        pytest.param(spec(hostname="a.b"), 'spec.hostname: Invalid value: "a.b": must not contain dots', id="hostname"),
    ],
)
def test_checks(change: Change, expected: str) -> None:
    assert expected in wrong(made(change))


def updated(change: Change, before: Change = lambda spec: None) -> list[str]:
    old = made(before)
    new = copy.deepcopy(old)
    change(new["spec"])
    return [str(error) for error in update.validate_update(new, old)]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(container(image="nginx:2"), id="image"),
        pytest.param(spec(activeDeadlineSeconds=5), id="deadline-set"),
        pytest.param(spec(tolerations=[{"key": "a", "operator": "Exists"}]), id="toleration-added"),
    ],
)
def test_what_an_update_may_change(change: Change) -> None:
    assert updated(change) == []


@pytest.mark.parametrize(
    ("change", "start"),
    [
        pytest.param(
            container(command=["a"]), "spec: Forbidden: pod updates may not change fields other than", id="command"
        ),
        pytest.param(
            spec(nodeName="other"), "spec: Forbidden: pod updates may not change fields other than", id="node"
        ),
        pytest.param(spec(containers=[]), "spec.containers: Required value", id="no-containers"),
    ],
)
def test_what_an_update_may_not_change(change: Change, start: str) -> None:
    assert updated(change)[0].startswith(start)


def test_a_refused_update_says_what_differs() -> None:
    assert updated(spec(nodeName="other"))[0].endswith('+ \tspec.nodeName: "other"')


def test_tolerations_are_only_added() -> None:
    taint = {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
    assert updated(spec(tolerations=[{**taint, "tolerationSeconds": 9}]), spec(tolerations=[taint])) == []
    assert updated(spec(tolerations=[]), spec(tolerations=[taint])) == [
        "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"
    ]


def test_scheduling_gates_are_only_removed() -> None:
    gated = spec(schedulingGates=[{"name": "a"}, {"name": "b"}])
    assert updated(spec(schedulingGates=[{"name": "a"}]), gated) == []
    assert updated(spec(schedulingGates=[{"name": "c"}]), gated) == [
        "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'c'"
    ]


def test_a_new_pod_is_pending_whatever_it_says() -> None:
    obj = good() | {"status": {"phase": "Running"}}
    assert pod.KIND.default is not None and pod.KIND.prepare_create is not None
    pod.KIND.default(obj)
    pod.KIND.prepare_create(obj)
    assert obj["status"] == {"phase": "Pending", "qosClass": "Burstable"}


def test_a_finished_container_does_not_come_back() -> None:
    old = made(spec(restartPolicy="Never"))
    old["status"]["containerStatuses"] = [{"name": "web", "state": {"terminated": {"exitCode": 0}}}]
    new = copy.deepcopy(old)
    new["status"]["containerStatuses"][0]["state"] = {"running": {}}
    assert [str(error) for error in update.validate_status(new, old)] == [
        "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"
    ]


def test_ephemeral_containers_are_added_and_never_changed() -> None:
    old = made(lambda spec: None)
    old["spec"]["ephemeralContainers"] = [
        {"name": "dbg", "image": "a:1", "terminationMessagePolicy": "File", "imagePullPolicy": "Never"}
    ]
    new = copy.deepcopy(old)
    new["spec"]["ephemeralContainers"].append({**old["spec"]["ephemeralContainers"][0], "name": "dbg2"})
    assert update.validate_ephemeral_containers(new, old) == []
    assert 'existing ephemeral containers "dbg" may not be removed' in str(
        update.validate_ephemeral_containers({**new, "spec": {**new["spec"], "ephemeralContainers": []}}, old)[0]
    )


def test_resize_keeps_the_class_and_changes_compute_only() -> None:
    old = made(lambda spec: None)
    new = copy.deepcopy(old)
    new["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "150m"}, "limits": {"cpu": "200m"}}
    assert update.validate_resize(new, old) == []
    new["spec"]["containers"][0]["image"] = "other"
    assert "spec: Forbidden: only cpu and memory resources are mutable" in map(str, update.validate_resize(new, old))


@pytest.mark.parametrize(
    ("pod_spec", "status", "options", "seconds"),
    [
        pytest.param({"nodeName": "n"}, {}, {}, 30, id="default"),
        pytest.param({"nodeName": "n", "terminationGracePeriodSeconds": 5}, {}, {}, 5, id="own"),
        pytest.param({"nodeName": "n"}, {}, {"gracePeriodSeconds": 0}, 0, id="now"),
        pytest.param({}, {}, {}, 0, id="not-bound"),
        pytest.param({"nodeName": "n"}, {"phase": "Succeeded"}, {}, 0, id="finished"),
        pytest.param({"nodeName": "n", "terminationGracePeriodSeconds": -3}, {}, {}, 1, id="negative"),
    ],
)
def test_grace(pod_spec: Obj, status: Obj, options: Obj, seconds: int) -> None:
    assert strategy.grace_seconds({"metadata": {}, "spec": pod_spec, "status": status}, options) == seconds


def test_warnings() -> None:
    obj = made(container(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]))
    assert pod.KIND.warnings is not None
    assert pod.KIND.warnings(obj) == [
        'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply'
    ]
