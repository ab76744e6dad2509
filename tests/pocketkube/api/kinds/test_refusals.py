"""What a server refuses in objects of the rarer kinds: one change to a good object a row, and the fields complained about."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from pocketkube.api import scheme
from tests.pocketkube.api.kinds.test_checks_of_kinds import finish, put

Obj = dict[str, Any]

KINDS = scheme.builtin()

GOOD: dict[str, tuple[str, str, str]] = {  # name: api version, kind, the rest
    "hpa": ("autoscaling/v2", "HorizontalPodAutoscaler", """
spec:
  maxReplicas: 2
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  metrics:
  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}
  - {type: Pods, pods: {metric: {name: rate}, target: {type: AverageValue, averageValue: "5"}}}
  - {type: Object, object: {describedObject: {kind: Service, name: web}, metric: {name: rate}, target: {type: Value, value: "5"}}}
  - {type: External, external: {metric: {name: rate}, target: {type: Value, value: "5"}}}
  - {type: ContainerResource, containerResource: {name: cpu, container: web, target: {type: Utilization, averageUtilization: 50}}}
"""),
    "ingress": ("networking.k8s.io/v1", "Ingress", """
spec:
  tls: [{hosts: [a.example.com], secretName: cert}]
  defaultBackend: {resource: {apiGroup: example.com, kind: Bucket, name: files}}
"""),
    "ingressclass": ("networking.k8s.io/v1", "IngressClass", """
spec: {controller: example.com/edge, parameters: {apiGroup: example.com, kind: Edge, name: main}}
"""),
    "networkpolicy": ("networking.k8s.io/v1", "NetworkPolicy", """
spec: {podSelector: {}, ingress: [{ports: [{port: 80, protocol: TCP}]}]}
"""),
    "volume": ("v1", "PersistentVolume", """
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: fast
  hostPath: {path: /data}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: zone, operator: In, values: [a]}]}]}}
"""),
    "claim": ("v1", "PersistentVolumeClaim", """
spec: {accessModes: [ReadWriteOnce], volumeMode: Filesystem, resources: {requests: {storage: 1Gi}}}
"""),
    "class": ("storage.k8s.io/v1", "StorageClass", """
provisioner: example.com/disk
allowedTopologies: [{matchLabelExpressions: [{key: zone, values: [a]}]}]
"""),
    "csinode": ("storage.k8s.io/v1", "CSINode", """
spec: {drivers: [{name: disk.example.com, nodeID: n1, topologyKeys: [zone]}]}
"""),
    "attachment": ("storage.k8s.io/v1", "VolumeAttachment", """
spec: {attacher: disk.example.com, nodeName: n1, source: {persistentVolumeName: pv1}}
"""),
    "priority": ("scheduling.k8s.io/v1", "PriorityClass", "value: 5"),
    "runtime": ("node.k8s.io/v1", "RuntimeClass", """
handler: fast
scheduling: {tolerations: [{key: a, operator: Exists}]}
"""),
    "endpoints": ("v1", "Endpoints", """
subsets: [{addresses: [{ip: 10.0.0.1, nodeName: n1}], ports: [{port: 80, appProtocol: http}]}]
"""),
    "slice": ("discovery.k8s.io/v1", "EndpointSlice", """
addressType: IPv4
endpoints: [{addresses: [10.0.0.1], hostname: a}]
ports: [{name: http, port: 80, protocol: TCP, appProtocol: http}]
"""),
    "service": ("v1", "Service", "spec: {ports: [{port: 80, appProtocol: http}]}"),
    "webhook": ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", """
webhooks:
- name: a.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  clientConfig: {url: "https://example.com/a"}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
"""),
    "apiservice": ("apiregistration.k8s.io/v1", "APIService", """
spec: {group: example.com, version: v1, groupPriorityMinimum: 5, versionPriority: 5, service: {name: a, namespace: b, port: 443}}
"""),
    "flow": ("flowcontrol.apiserver.k8s.io/v1", "FlowSchema", """
spec:
  priorityLevelConfiguration: {name: level}
  rules:
  - subjects: [{kind: User, user: {name: ann}}]
    resourceRules: [{verbs: [get], apiGroups: [""], resources: [pods], namespaces: ["*"]}]
    nonResourceRules: [{verbs: [get], nonResourceURLs: [/healthz]}]
"""),
    "pod": ("v1", "Pod", """
spec:
  containers:
  - {name: web, image: nginx, volumeMounts: [{name: data, mountPath: /data}], volumeDevices: [{name: raw, devicePath: /dev/raw}]}
  volumes: [{name: data, emptyDir: {}}, {name: raw, persistentVolumeClaim: {claimName: raw}}]
"""),
}  # fmt: skip

WRONG: list[tuple[str, str, Any, list[str]]] = [
    ("hpa", "spec/scaleTargetRef/kind", "a/b", ["spec.scaleTargetRef.kind: Invalid value"]),
    ("hpa", "spec/scaleTargetRef/name", "", ["spec.scaleTargetRef.name: Required value"]),
    (
        "hpa",
        "spec/metrics/0/resource/target/averageUtilization",
        None,
        ["spec.metrics[0].resource.target.averageUtilization: Required value"],
    ),
    (
        "hpa",
        "spec/metrics/0/resource/target/averageValue",
        "5",
        ["spec.metrics[0].resource.target.averageValue: Forbidden"],
    ),
    ("hpa", "spec/metrics/1/pods/metric", {}, ["spec.metrics[1].pods.metric.name: Required value"]),
    ("hpa", "spec/metrics/1/pods/metric/name", "a/b", ["spec.metrics[1].pods.metric.name: Invalid value"]),
    (
        "hpa",
        "spec/metrics/1/pods/target/averageValue",
        None,
        ["spec.metrics[1].pods.target.averageValue: Required value"],
    ),
    (
        "hpa",
        "spec/metrics/2/object/describedObject",
        {},
        [
            "spec.metrics[2].object.describedObject.kind: Required value",
            "spec.metrics[2].object.describedObject.name: Required value",
        ],
    ),
    ("hpa", "spec/metrics/2/object/target/value", None, ["spec.metrics[2].object.target.averageValue: Required value"]),
    ("hpa", "spec/metrics/3/external/target/averageValue", "5", ["spec.metrics[3].external.target.value: Forbidden"]),
    (
        "hpa",
        "spec/metrics/4/containerResource/container",
        "",
        ["spec.metrics[4].containerResource.container: Required value"],
    ),
    ("ingress", "spec/tls/0/secretName", "Not A Name", ["spec.tls[0].secretName: Invalid value"]),
    ("ingress", "spec/defaultBackend/resource/apiGroup", "", ["spec.defaultBackend.resource.apiGroup: Invalid value"]),
    ("ingress", "spec/defaultBackend/resource/kind", "a/b", ["spec.defaultBackend.resource.kind: Invalid value"]),
    ("ingressclass", "spec/parameters/apiGroup", "A B", ["spec.parameters.apiGroup: Invalid value"]),
    ("ingressclass", "spec/parameters/name", "a/b", ["spec.parameters.name: Invalid value"]),
    ("networkpolicy", "spec/ingress/0/ports/0/protocol", "", ["spec.ingress[0].ports[0].protocol: Unsupported value"]),
    ("volume", "spec/storageClassName", "a..b", ["spec.storageClassName: Invalid value"]),
    ("volume", "spec/nodeAffinity", {}, ["spec.nodeAffinity.required: Required value"]),
    ("volume", "spec/nodeAffinity/required", {}, ["spec.nodeAffinity.required.nodeSelectorTerms: Required value"]),
    ("volume", "spec/capacity", {}, ["spec.capacity: Required value", "spec.capacity: Unsupported value"]),
    ("claim", "spec/volumeMode", "", ["spec.volumeMode: Unsupported value"]),
    ("class", "volumeBindingMode", "", ["volumeBindingMode: Unsupported value"]),
    (
        "class",
        "allowedTopologies/0/matchLabelExpressions/0/key",
        "",
        ["allowedTopologies[0].matchLabelExpressions[0].key: Invalid value"],
    ),
    (
        "class",
        "allowedTopologies/0/matchLabelExpressions/0/values",
        [],
        ["allowedTopologies[0].matchLabelExpressions[0].values: Required value"],
    ),
    (
        "class",
        "allowedTopologies/0/matchLabelExpressions/0/values",
        ["a", "a"],
        ["allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value"],
    ),
    ("csinode", "spec/drivers/0/name", "a b", ["spec.drivers[0].name: Invalid value"]),
    ("csinode", "spec/drivers/0/nodeID", "n" * 200, ["spec.drivers[0].nodeID: Invalid value"]),
    ("csinode", "spec/drivers/0/topologyKeys", ["zone", "zone"], ["spec.drivers[0]: Duplicate value"]),
    ("attachment", "spec/attacher", "", ["spec.attacher: Required value"]),
    ("attachment", "spec/nodeName", "a/b", ["spec.nodeName: Invalid value"]),
    (
        "attachment",
        "spec/source/persistentVolumeName",
        "",
        ["spec.source.persistentVolumeName: Required value", "spec.source.persistentVolumeName: Invalid value"],
    ),
    ("priority", "preemptionPolicy", "", ["preemptionPolicy: Required value"]),
    (
        "runtime",
        "scheduling/tolerations",
        [{"key": "a", "operator": "Exists"}] * 2,
        ["scheduling.tolerations[1]: Duplicate value"],
    ),
    ("endpoints", "subsets/0/addresses/0/nodeName", "", ["subsets[0].addresses[0].nodeName: Invalid value"]),
    ("endpoints", "subsets/0/ports/0/appProtocol", "a/b/c", ["subsets[0].ports[0].appProtocol: Invalid value"]),
    ("slice", "endpoints/0/hostname", "", ["endpoints[0].hostname: Invalid value"]),
    ("slice", "ports/0/protocol", "", ["ports[0].protocol: Required value"]),
    ("slice", "ports/0/appProtocol", "", ["ports[0].appProtocol: Invalid value"]),
    ("service", "spec/ports/0/appProtocol", "", ["spec.ports[0].appProtocol: Invalid value"]),
    (
        "webhook",
        "webhooks/0/admissionReviewVersions",
        ["v1", "v1"],
        ["webhooks[0].admissionReviewVersions[1]: Invalid value"],
    ),
    ("webhook", "webhooks/0/rules/0/apiVersions/0", "", ["webhooks[0].rules[0].apiVersions[0]: Required value"]),
    ("webhook", "webhooks/0/rules/0/resources", ["*/*", "pods"], ["webhooks[0].rules[0].resources: Invalid value"]),
    (
        "webhook",
        "webhooks/0/rules/0/resources",
        ["pods/*", "pods/log"],
        ["webhooks[0].rules[0].resources[1]: Invalid value"],
    ),
    ("apiservice", "spec/service/port", 0, ["spec.service.port: Invalid value"]),
    ("apiservice", "spec/version", "1v", ["metadata.name: Invalid value", "spec.version: Invalid value"]),
    (
        "apiservice",
        "spec",
        {"version": "v2", "groupPriorityMinimum": 5, "versionPriority": 5},
        ["metadata.name: Invalid value", "spec.group: Required value"],
    ),
    ("flow", "spec/rules/0/subjects/0/user", None, ["spec.rules[0].subjects[0].user: Required value"]),
    ("flow", "spec/rules/0/subjects/0/group", {"name": "g"}, ["spec.rules[0].subjects[0].group: Forbidden"]),
    (
        "flow",
        "spec/rules/0/resourceRules/0/verbs",
        ["fly"],
        ["spec.rules[0].resourceRules[0].verbs: Unsupported value"],
    ),
    (
        "flow",
        "spec/rules/0/resourceRules/0/namespaces",
        ["*", "a"],
        ["spec.rules[0].resourceRules[0].namespaces: Invalid value"],
    ),
    (
        "flow",
        "spec/rules/0/resourceRules/0/namespaces",
        ["A B"],
        ["spec.rules[0].resourceRules[0].namespaces[0]: Invalid value"],
    ),
    ("flow", "spec/rules/0/nonResourceRules/0/verbs", [], ["spec.rules[0].nonResourceRules[0].verbs: Required value"]),
    (
        "flow",
        "spec/rules/0/nonResourceRules/0/nonResourceURLs",
        ["healthz"],
        ["spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value"],
    ),
    (
        "flow",
        "spec/rules/0/nonResourceRules/0/nonResourceURLs",
        ["/a*b"],
        ["spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value"],
    ),
    (
        "pod",
        "spec/containers/0/volumeMounts/0/mountPropagation",
        "",
        ["spec.containers[0].volumeMounts.mountPropagation: Unsupported value"],
    ),
    (
        "pod",
        "spec/containers/0/volumeDevices",
        [{"name": "raw", "devicePath": "/a"}] * 2,
        [
            "spec.containers[0].volumeDevices[1].devicePath: Invalid value",
            "spec.containers[0].volumeDevices[1].name: Invalid value",
        ],
    ),
]


def checked(name: str, *changes: tuple[str, Any]) -> list[str]:
    """`field: Reason` of every complaint."""
    api_version, word, text = GOOD[name]
    group, _, version = api_version.rpartition("/")
    kind = KINDS.by_gvk(group, version, word)
    assert kind is not None and kind.validate is not None
    obj: Obj = yaml.safe_load(text)
    obj |= {"apiVersion": api_version, "kind": word, "metadata": {"name": "v1.example.com", "namespace": "default"}}
    kind.schema.decode(obj)
    for path, value in changes:
        put(obj, path, value)
    finish(kind, obj)
    return [": ".join(str(fault).split(": ")[:2]) for fault in kind.validate(obj)]


@pytest.mark.parametrize("name", GOOD)
def test_nothing_is_wrong_with_the_good_ones(name: str) -> None:
    assert checked(name) == []


@pytest.mark.parametrize(
    ("name", "path", "value", "expected"), WRONG, ids=[f"{n}-{p}-{i}" for i, (n, p, *_) in enumerate(WRONG)]
)
def test_each_field_is_checked(name: str, path: str, value: Any, expected: list[str]) -> None:
    """line 17: what is refused names the field."""
    found = checked(name, (path, value))
    assert list(dict.fromkeys(found)) == expected


def test_an_apiservice_is_available_or_not() -> None:
    kind = KINDS.by_gvk("apiregistration.k8s.io", "v1", "APIService")
    assert kind is not None and kind.validate_status is not None
    conditions = [{"type": "Available", "status": status} for status in ("True", "Maybe")]
    (wrong,) = kind.validate_status({"status": {"conditions": conditions}}, {})
    assert str(wrong) == (
        'status.conditions[1].status: Unsupported value: "Maybe": supported values: "True", "False", "Unknown"'
    )


EMPTY = [
    (
        "v1",
        "ConfigMap",
        {"data": {}, "binaryData": {}, "metadata": {"name": "a", "labels": {}}},
        {"metadata": {"name": "a"}},
    ),
    (
        "v1",
        "Endpoints",
        {"subsets": [{"addresses": [], "ports": [{"port": 80}]}]},
        {"metadata": {}, "subsets": [{"ports": [{"port": 80}]}]},
    ),
    (
        "v1",
        "Pod",
        {"spec": {"containers": [], "volumes": [], "nodeSelector": {}}},
        {"metadata": {}, "spec": {"containers": []}, "status": {}},
    ),
    (
        "v1",
        "Pod",
        {"spec": {"securityContext": {}, "volumes": [{"name": "a", "emptyDir": {}}]}},
        {"metadata": {}, "spec": {"securityContext": {}, "volumes": [{"name": "a", "emptyDir": {}}]}, "status": {}},
    ),
    (
        "networking.k8s.io/v1",
        "NetworkPolicy",
        {"spec": {"podSelector": {"matchLabels": {}}, "egress": []}},
        {"metadata": {}, "spec": {"podSelector": {}}},
    ),
    (
        "discovery.k8s.io/v1",
        "EndpointSlice",
        {"endpoints": [], "ports": []},
        {"metadata": {}, "endpoints": [], "ports": [], "addressType": ""},
    ),
]


@pytest.mark.parametrize(
    ("api_version", "word", "given", "kept"), EMPTY, ids=[f"{w}-{i}" for i, (_, w, *_) in enumerate(EMPTY)]
)
def test_optional_lists_and_maps_without_items_are_left_out(api_version: str, word: str, given: Obj, kept: Obj) -> None:
    group, _, version = api_version.rpartition("/")
    kind = KINDS.by_gvk(group, version, word)
    assert kind is not None
    kind.schema.decode(given)
    assert given == kept
