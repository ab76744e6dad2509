"""What is wrong with objects of the other kinds, by field and in upstream's words: a table of manifests."""

# ruff: noqa: E501 (a row of a table stays a row)

from __future__ import annotations

from typing import Any

import orjson
import pytest
import yaml

from pocketkube.api import scheme
from pocketkube.api.kinds.kind import Kind

Obj = dict[str, Any]

KINDS = scheme.builtin()

GOOD = {
    "deployment": """
apiVersion: apps/v1
kind: Deployment
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: 'nginx:1'}]}}
""",
    "statefulset": """
apiVersion: apps/v1
kind: StatefulSet
spec:
  serviceName: db
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: 'nginx:1'}]}}
""",
    "statefulset with claims": """
apiVersion: apps/v1
kind: StatefulSet
spec:
  serviceName: db
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: 'nginx:1', volumeMounts: [{name: data, mountPath: /data}]}]}
  volumeClaimTemplates:
  - {metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}
""",
    "daemonset": """
apiVersion: apps/v1
kind: DaemonSet
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: 'nginx:1'}]}}
""",
    "job": """
apiVersion: batch/v1
kind: Job
spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: 'b:1'}]}}}
""",
    "cronjob": """
apiVersion: batch/v1
kind: CronJob
spec:
  schedule: '*/5 * * * *'
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: 'b:1'}]}}}}
""",
    "service": """
apiVersion: v1
kind: Service
spec: {ports: [{port: 80}], selector: {app: web}, clusterIP: 10.96.0.9}
""",
    "configmap": "{apiVersion: v1, kind: ConfigMap, data: {a: b}}",
    "secret": "{apiVersion: v1, kind: Secret, data: {a: Yg==}}",
    "namespace": "{apiVersion: v1, kind: Namespace}",
    "node": "{apiVersion: v1, kind: Node, spec: {podCIDRs: [10.244.0.0/24], podCIDR: 10.244.0.0/24}}",
    "pvc": """
apiVersion: v1
kind: PersistentVolumeClaim
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
""",
    "pv": """
apiVersion: v1
kind: PersistentVolume
spec: {accessModes: [ReadWriteOnce], capacity: {storage: 1Gi}, hostPath: {path: /tmp}}
""",
    "pdb": "{apiVersion: policy/v1, kind: PodDisruptionBudget, spec: {minAvailable: 1, selector: {matchLabels: {a: b}}}}",
    "role": """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]
""",
    "rolebinding": """
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
roleRef: {kind: Role, name: r}
subjects: [{kind: User, name: u}]
""",
    "ingress": """
apiVersion: networking.k8s.io/v1
kind: Ingress
spec: {rules: [{host: a.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: s, port: {number: 80}}}}]}}]}
""",
    "networkpolicy": "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, spec: {ingress: [{from: [{podSelector: {}}]}]}}",
    "hpa": """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
spec: {maxReplicas: 3, scaleTargetRef: {kind: Deployment, name: web}}
""",
    "storageclass": "{apiVersion: storage.k8s.io/v1, kind: StorageClass, provisioner: example.com/p}",
    "priorityclass": "{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, value: 5}",
    "lease": "{apiVersion: coordination.k8s.io/v1, kind: Lease, spec: {leaseDurationSeconds: 15}}",
    "slice": """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
addressType: IPv4
endpoints: [{addresses: [10.0.0.1]}]
ports: [{port: 80}]
""",
    "endpoints": "{apiVersion: v1, kind: Endpoints, subsets: [{addresses: [{ip: 10.0.0.1}], ports: [{port: 80}]}]}",
    "quota": "{apiVersion: v1, kind: ResourceQuota, spec: {hard: {pods: '5', requests.cpu: '1'}}}",
    "limits": "{apiVersion: v1, kind: LimitRange, spec: {limits: [{type: Container, max: {cpu: '1'}}]}}",
    "webhook": """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
webhooks:
- name: a.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  rules: [{operations: [CREATE], apiGroups: ['*'], apiVersions: ['*'], resources: ['*']}]
  clientConfig: {url: 'https://a.example.com/x'}
""",
    "service-webhook": """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
webhooks:
- name: a.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  clientConfig: {service: {namespace: default, name: hook, path: ''}}
""",
    "crd": """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
""",
    "csr": """
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
spec:
  signerName: kubernetes.io/kube-apiserver-client
  usages: [client auth]
  request: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KYQotLS0tLUVORCBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K
""",
    "event": """
apiVersion: v1
kind: Event
involvedObject: {kind: Pod, name: web, namespace: default}
""",
}


def made(name: str) -> tuple[Kind, Obj]:
    obj = yaml.safe_load(GOOD[name])
    kind = KINDS.of(obj["apiVersion"], obj["kind"])
    assert kind is not None
    meta = obj.setdefault("metadata", {})
    meta.setdefault("name", "web")
    meta["uid"] = "u-1"
    if kind.namespaced:
        meta["namespace"] = "default"
    return kind, obj


def put(obj: Obj, path: str, value: Any) -> None:
    """Set `spec.ports.0.port`; a value of None takes the field away."""
    *way, last = path.split("/")
    at: Any = obj
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at.setdefault(step, {})
    if value is None:
        del at[last]
    elif isinstance(at, list):
        at[int(last)] = value
    else:
        at[last] = value


def finish(kind: Kind, obj: Obj) -> None:
    if kind.default is not None:
        kind.default(obj)
    if kind.prepare_create is not None:
        kind.prepare_create(obj)


def faults(name: str, *changes: tuple[str, Any]) -> list[str]:
    kind, obj = made(name)
    for path, value in changes:
        put(obj, path, value)
    finish(kind, obj)
    assert kind.validate is not None
    return [str(error) for error in kind.validate(obj)]


@pytest.mark.parametrize("name", GOOD)
def test_good_objects_pass(name: str) -> None:
    kind, obj = made(name)
    finish(kind, obj)
    assert kind.validate is None or [str(error) for error in kind.validate(obj)] == []


NEGATIVE = "Invalid value: -1: must be greater than or equal to 0"
WRONG: list[tuple[str, str, Any, str]] = [
    ("deployment", "spec/replicas", -1, f"spec.replicas: {NEGATIVE}"),
    ("deployment", "spec/selector", None, "spec.selector: Required value"),
    ("deployment", "spec/selector", {}, "spec.selector: Invalid value: {}: empty selector is invalid for deployment"),
    (
        "deployment", "spec/template/metadata/labels", {"app": "db"},
        'spec.template.metadata.labels: Invalid value: {"app":"db"}: `selector` does not match template `labels`',
    ),
    (
        "deployment", "spec/template/spec/restartPolicy", "Never",
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ),
    (
        "deployment", "spec/strategy", {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}},
        "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
    ),
    (
        "deployment", "spec/strategy", {"rollingUpdate": {"maxUnavailable": "101%"}},
        'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%',
    ),
    (
        "deployment", "spec/strategy", {"type": "Recreate", "rollingUpdate": {}},
        "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
    ),
    (
        "deployment", "spec/progressDeadlineSeconds", 0,
        "spec.progressDeadlineSeconds: Invalid value: 0: must be greater than minReadySeconds",
    ),
    (
        "statefulset", "spec/podManagementPolicy", "Random",
        "spec.podManagementPolicy: Invalid value: \"Random\": must be 'OrderedReady' or 'Parallel'",
    ),
    ("statefulset", "spec/updateStrategy", {"rollingUpdate": {"partition": -1}}, f"spec.updateStrategy.rollingUpdate.partition: {NEGATIVE}"),
    (
        "daemonset", "spec/updateStrategy", {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}},
        "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero",
    ),
    ("job", "spec/backoffLimit", -1, f"spec.backoffLimit: {NEGATIVE}"),
    (
        "job", "spec/template/spec/restartPolicy", "Always",
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    ),
    ("job", "spec", {**yaml.safe_load(GOOD["job"])["spec"], "completionMode": "Indexed", "parallelism": 1}, "spec.completions: Required value: when completion mode is Indexed"),
    ("cronjob", "spec/schedule", "", "spec.schedule: Required value"),
    ("cronjob", "spec/schedule", "* * * *", 'spec.schedule: Invalid value: "* * * *": expected exactly 5 fields, found 4: [* * * *]'),
    ("cronjob", "spec/timeZone", "Moon/Base", 'spec.timeZone: Invalid value: "Moon/Base": unknown time zone Moon/Base'),
    (
        "cronjob", "spec/concurrencyPolicy", "Maybe",
        'spec.concurrencyPolicy: Unsupported value: "Maybe": supported values: "Allow", "Forbid", "Replace"',
    ),
    ("cronjob", "metadata/name", "x" * 53, f'metadata.name: Invalid value: "{"x" * 53}": must be no more than 52 characters'),
    ("service", "spec/ports", [], "spec.ports: Required value"),
    ("service", "spec/ports/0/port", 0, "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"),
    ("service", "spec/ports", [{"port": 1}, {"port": 2}], "spec.ports[0].name: Required value"),
    ("service", "spec/ports", [{"port": 1, "name": "a"}, {"port": 2, "name": "a"}], 'spec.ports[1].name: Duplicate value: "a"'),
    (
        "service", "spec/type", "Ingress",
        'spec.type: Unsupported value: "Ingress": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
    ),
    ("service", "spec/ports/0/nodePort", 30000, "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"),
    ("service", "spec/sessionAffinity", "Sticky", 'spec.sessionAffinity: Unsupported value: "Sticky": supported values: "ClientIP", "None"'),
    ("service", "spec/type", "ExternalName", "spec.externalName: Required value"),
    ("service", "spec/externalIPs", ["127.0.0.1"], 'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)'),
    (
        "service", "spec/externalTrafficPolicy", "Local",
        'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
    ),
    (
        "configmap", "data", {"a b": "c"},
        'data[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric characters',
    ),
    ("configmap", "binaryData", {"a": "Yg=="}, 'data[a]: Invalid value: "a": duplicate of key present in binaryData'),
    ("configmap", "data", {"a": "x" * (1 << 20 | 1)}, ": Too long: may not be more than 1048576 bytes"),
    ("secret", "type", "kubernetes.io/tls", "data[tls.crt]: Required value"),
    ("secret", "type", "kubernetes.io/dockerconfigjson", "data[.dockerconfigjson]: Required value"),
    ("secret", "type", "kubernetes.io/service-account-token", "metadata.annotations[kubernetes.io/service-account.name]: Required value"),
    (
        "namespace", "spec", {"finalizers": ["odd"]},
        'spec.finalizers: Invalid value: "odd": name is neither a standard finalizer name nor is it fully qualified',
    ),
    ("node", "spec/taints", [{"key": "a", "effect": "Never"}], 'metadata.taints[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"'),
    ("pvc", "spec/accessModes", [], "spec.accessModes: Required value: at least 1 access mode is required"),
    ("pvc", "spec/resources", {}, "spec.resources[storage]: Required value"),
    ("pvc", "spec/resources", {"requests": {"storage": "0"}}, 'spec.resources[storage]: Invalid value: "0": must be greater than zero'),
    ("pv", "spec/hostPath", None, "spec: Required value: must specify a volume type"),
    ("pv", "spec/nfs", {"server": "s", "path": "/"}, "spec.nfs: Forbidden: may not specify more than 1 volume type"),
    ("pdb", "spec/maxUnavailable", 1, "minAvailable and maxUnavailable cannot be both set"),
    ("role", "rules/0/verbs", [], "rules[0].verbs: Required value: verbs must contain at least one value"),
    (
        "role", "rules", [{"nonResourceURLs": ["/x"], "verbs": ["get"]}],
        'rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs',
    ),
    ("rolebinding", "roleRef/kind", "Thing", 'roleRef.kind: Unsupported value: "Thing": supported values: "Role", "ClusterRole"'),
    ("rolebinding", "subjects", [{"kind": "ServiceAccount", "namespace": "b"}], "subjects[0].name: Required value"),
    ("ingress", "spec/rules", [], "either `defaultBackend` or `rules` must be specified"),
    ("ingress", "spec/rules/0/host", "10.0.0.1", 'spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address'),
    ("ingress", "spec/rules/0/http/paths/0/pathType", None, "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified"),
    ("ingress", "spec/rules/0/http/paths/0/path", "x", 'spec.rules[0].http.paths[0].path: Invalid value: "x": must be an absolute path'),
    ("networkpolicy", "spec/ingress", [{"from": [{}]}], "spec.ingress[0].from[0]: Required value: must specify a peer"),
    (
        "networkpolicy", "spec/ingress", [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}]}],
        'spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`',
    ),
    ("hpa", "spec/maxReplicas", 0, "spec.maxReplicas: Invalid value: 0: must be greater than 0"),
    ("hpa", "spec/minReplicas", 9, "spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`"),
    ("storageclass", "volumeBindingMode", "Soon", 'volumeBindingMode: Unsupported value: "Soon": supported values: "Immediate", "WaitForFirstConsumer"'),
    ("priorityclass", "value", 2_000_000_000, "value: Forbidden: maximum allowed value of a user defined priority is 1000000000"),
    ("priorityclass", "metadata/name", "system-mine", "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only"),
    ("lease", "spec/leaseDurationSeconds", 0, "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"),
    ("slice", "addressType", "DNS", 'addressType: Unsupported value: "DNS": supported values: "FQDN", "IPv4", "IPv6"'),
    ("slice", "endpoints/0/addresses", [], "endpoints[0].addresses: Required value: must contain at least 1 endpoint"),
    ("endpoints", "subsets/0/addresses", [], "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"),
    ("quota", "spec/hard", {"pods": "-1"}, 'spec.hard[pods]: Invalid value: "-1": must be greater than or equal to 0'),
    ("quota", "spec/scopes", ["BestEffort", "NotBestEffort"], "conflicting scopes"),
    ("limits", "spec/limits", [{"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}}], "min value 2 is greater than max value 1"),
    ("webhook", "webhooks/0/name", "short", "should be a domain with at least three segments separated by dots"),
    ("webhook", "webhooks/0/timeoutSeconds", 60, "the timeout value must be between 1 and 30 seconds"),
    ("webhook", "webhooks/0/sideEffects", None, "webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun"),
    ("service-webhook", "webhooks/0/clientConfig/service/path", "a", "webhooks[0].clientConfig.service.path: Invalid value: \"a\": must start with a '/'"),
    ("service-webhook", "webhooks/0/clientConfig/service/path", "/a//b", "segment[1] may not be empty"),
    ("service-webhook", "webhooks/0/clientConfig/service/path", "/a/B_", "segment[1]: a lowercase RFC 1123 subdomain must consist of"),
    ("webhook", "webhooks/0/clientConfig", {}, "webhooks[0].clientConfig: Required value: exactly one of url or service is required"),
    ("crd", "metadata/name", "other", 'metadata.name: Invalid value: "other": must be spec.names.plural+"."+spec.group'),
    ("crd", "spec/scope", "Everywhere", 'spec.scope: Unsupported value: "Everywhere": supported values: "Cluster", "Namespaced"'),
    ("crd", "spec/versions/0/storage", False, "must have exactly one version marked as storage version"),
    ("crd", "spec/versions/0/schema", None, "spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required"),
    (
        "crd", "spec/versions/0/schema/openAPIV3Schema/properties", {"spec": {"description": "x"}},
        "spec.validation.openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields",
    ),
    (
        "crd", "spec/versions/0/schema/openAPIV3Schema/properties", {"spec": {"type": "array"}},
        "spec.validation.openAPIV3Schema.properties[spec].items: Required value: must be specified",
    ),
    ("csr", "spec/signerName", "nodomain", "must be a fully qualified domain and path of the form 'example.com/signer-name'"),
    ("csr", "spec/usages", ["fly"], 'spec.usages[0]: Unsupported value: "fly"'),
    ("csr", "spec/request", "eA==", "PEM block type must be CERTIFICATE REQUEST"),
    ("event", "involvedObject/namespace", "other", 'involvedObject.namespace: Invalid value: "other": does not match event.namespace'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "path", "value", "expected"),
    WRONG,
    ids=[f"{n}-{p.rpartition('/')[2]}-{i}" for i, (n, p, *_) in enumerate(WRONG)],
)
def test_wrong_objects_are_told_so(name: str, path: str, value: Any, expected: str) -> None:
    found = faults(name, (path, value))
    assert any(expected in fault for fault in found), found


def refused(name: str, path: str, value: Any, *, start: tuple[tuple[str, Any], ...] = ()) -> list[str]:
    """The faults of an update that changes one field of a stored object."""
    kind, old = made(name)
    for where, what in start:
        put(old, where, what)
    finish(kind, old)
    new = orjson.loads(orjson.dumps(old))
    put(new, path, value)
    if kind.default is not None:
        kind.default(new)
    if kind.prepare_update is not None:
        kind.prepare_update(new, old)
    assert kind.validate_update is not None
    return [str(error) for error in kind.validate_update(new, old)]


IMMUTABLE = [
    ("deployment", "spec/selector/matchLabels", {"app": "x"}, 'spec.selector: Invalid value: {"matchLabels":{"app":"x"}}: field is immutable'),
    ("daemonset", "spec/selector/matchLabels", {"app": "x"}, "spec.selector: Invalid value"),
    ("statefulset", "spec/serviceName", "x", "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template'"),
    ("job", "spec/template/spec/containers/0/image", "c:2", "spec.template: Invalid value"),
    ("job", "spec/completions", 9, "spec.completions: Invalid value: 9: field is immutable"),
    ("service", "spec/clusterIP", "10.96.0.10", "spec.clusterIPs[0]: Invalid value: [\"10.96.0.10\"]: may not change once set"),
    ("secret", "type", "other", 'type: Invalid value: "other": field is immutable'),
    ("pvc", "spec/volumeMode", "Block", "spec: Forbidden: spec is immutable after creation except resources.requests"),
    ("pv", "spec/hostPath/path", "/other", "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation"),
    ("node", "spec/podCIDR", "10.9.0.0/24", 'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'),
    ("storageclass", "parameters", {"a": "b"}, "parameters: Forbidden: updates to parameters are forbidden."),
    ("storageclass", "provisioner", "b.c/d", "provisioner: Forbidden: updates to provisioner are forbidden."),
    ("priorityclass", "value", 6, "value: Forbidden: may not be changed in an update."),
    ("rolebinding", "roleRef/name", "other", "cannot change roleRef"),
    ("slice", "addressType", "FQDN", 'addressType: Invalid value: "FQDN": field is immutable'),
    ("crd", "spec/group", "other.com", 'spec.group: Invalid value: "other.com": field is immutable'),
]  # fmt: skip


@pytest.mark.parametrize(("name", "path", "value", "expected"), IMMUTABLE, ids=[f"{n}-{p}" for n, p, *_ in IMMUTABLE])
def test_what_never_changes(name: str, path: str, value: Any, expected: str) -> None:
    """line 38: fields that stay."""
    found = refused(name, path, value)
    assert any(expected in fault for fault in found), found


@pytest.mark.parametrize("name", ["configmap", "secret"])
def test_immutable_data_stays_and_metadata_may_change(name: str) -> None:
    """line 38: immutable data."""
    frozen = (("immutable", True),)
    set_ = "field is immutable when `immutable` is set"
    assert refused(name, "data", {"x": "Yg=="}, start=frozen) == [f"data: Forbidden: {set_}"]
    assert refused(name, "immutable", False, start=frozen) == [f"immutable: Forbidden: {set_}"]
    assert refused(name, "metadata/labels", {"a": "b"}, start=frozen) == []


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("deployment", "spec/replicas", 5),
        ("statefulset", "spec/replicas", 5),
        ("job", "spec/parallelism", 4),
        ("service", "spec/ports/0/targetPort", 8080),
        ("pdb", "spec/minAvailable", 2),
    ],
)
def test_what_may_change(name: str, path: str, value: Any) -> None:
    assert refused(name, path, value) == []
