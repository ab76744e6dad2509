"""Golden pairs: a manifest as people write it, and the fields that a real cluster shows in addition."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from pocketkube.api import scheme

KINDS = scheme.builtin()


PAIRS = {
    "Pod v1": (
        """
spec:
  serviceAccountName: robot
  containers:
  - name: web
    image: nginx:1.27
    ports: [{containerPort: 80}]
    resources: {limits: {cpu: 200m, memory: 64Mi}, requests: {cpu: 100m}}
    readinessProbe: {httpGet: {port: 80}}
    livenessProbe: {grpc: {port: 9000}}
    env: [{name: ME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
  - {name: side, image: busybox}
  volumes:
  - {name: cache}
  - {name: host, hostPath: {path: /tmp}}
  - {name: conf, configMap: {name: c}}
  - name: all
    projected: {sources: [{serviceAccountToken: {path: t}}, {downwardAPI: {items: [{path: n, fieldRef: {fieldPath: metadata.name}}]}}]}
""",
        """
spec:
  serviceAccountName: robot
  serviceAccount: robot
  dnsPolicy: ClusterFirst
  restartPolicy: Always
  schedulerName: default-scheduler
  securityContext: {}
  terminationGracePeriodSeconds: 30
  enableServiceLinks: true
  containers:
  - name: web
    image: nginx:1.27
    imagePullPolicy: IfNotPresent
    terminationMessagePath: /dev/termination-log
    terminationMessagePolicy: File
    ports: [{containerPort: 80, protocol: TCP}]
    resources: {limits: {cpu: 200m, memory: 64Mi}, requests: {cpu: 100m, memory: 64Mi}}
    readinessProbe:
      httpGet: {port: 80, path: /, scheme: HTTP}
      timeoutSeconds: 1
      periodSeconds: 10
      successThreshold: 1
      failureThreshold: 3
    livenessProbe:
      grpc: {port: 9000, service: ''}
      timeoutSeconds: 1
      periodSeconds: 10
      successThreshold: 1
      failureThreshold: 3
    env: [{name: ME, valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.name}}}]
  - name: side
    image: busybox
    imagePullPolicy: Always
    terminationMessagePath: /dev/termination-log
    terminationMessagePolicy: File
    resources: {}
  volumes:
  - {name: cache, emptyDir: {}}
  - {name: host, hostPath: {path: /tmp, type: ''}}
  - {name: conf, configMap: {name: c, defaultMode: 420}}
  - name: all
    projected:
      defaultMode: 420
      sources:
      - serviceAccountToken: {path: t, expirationSeconds: 3600}
      - downwardAPI: {items: [{path: n, fieldRef: {apiVersion: v1, fieldPath: metadata.name}}]}
""",
    ),
    "Deployment apps/v1": (
        "spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: []}}}",
        """
spec:
  replicas: 1
  revisionHistoryLimit: 10
  progressDeadlineSeconds: 600
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%, maxUnavailable: 25%}}
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec:
      containers: []
      dnsPolicy: ClusterFirst
      restartPolicy: Always
      schedulerName: default-scheduler
      securityContext: {}
      terminationGracePeriodSeconds: 30
""",
    ),
    "CronJob batch/v1": (
        "spec: {schedule: '* * * * *', jobTemplate: {spec: {template: {spec: {restartPolicy: OnFailure, containers: []}}}}}",
        """
spec:
  schedule: '* * * * *'
  concurrencyPolicy: Allow
  suspend: false
  successfulJobsHistoryLimit: 3
  failedJobsHistoryLimit: 1
  jobTemplate:
    metadata: {}
    spec:
      template:
        metadata: {}
        spec:
          containers: []
          dnsPolicy: ClusterFirst
          restartPolicy: OnFailure
          schedulerName: default-scheduler
          securityContext: {}
          terminationGracePeriodSeconds: 30
""",
    ),
    "Service v1": (
        "spec: {ports: [{port: 80}], selector: {a: b}}",
        """
spec:
  type: ClusterIP
  sessionAffinity: None
  internalTrafficPolicy: Cluster
  ports: [{port: 80, targetPort: 80, protocol: TCP}]
  selector: {a: b}
""",
    ),
    "HorizontalPodAutoscaler autoscaling/v2": (
        "spec: {maxReplicas: 3, scaleTargetRef: {kind: Deployment, name: web}, behavior: {scaleDown: {stabilizationWindowSeconds: 5}}}",
        """
spec:
  minReplicas: 1
  maxReplicas: 3
  scaleTargetRef: {kind: Deployment, name: web}
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
  behavior:
    scaleUp:
      stabilizationWindowSeconds: 0
      selectPolicy: Max
      policies: [{type: Pods, value: 4, periodSeconds: 15}, {type: Percent, value: 100, periodSeconds: 15}]
    scaleDown:
      stabilizationWindowSeconds: 5
      selectPolicy: Max
      policies: [{type: Percent, value: 100, periodSeconds: 15}]
status: {desiredReplicas: 0, currentMetrics: null}
""",
    ),
    "NetworkPolicy networking.k8s.io/v1": (
        "spec: {egress: [{ports: [{port: 53}]}]}",
        "spec: {podSelector: {}, policyTypes: [Ingress, Egress], egress: [{ports: [{port: 53, protocol: TCP}]}]}",
    ),
    "PersistentVolumeClaim v1": (
        "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}",
        "{spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}, volumeMode: Filesystem}, status: {phase: Pending}}",
    ),
    "Secret v1": (
        "{stringData: {a: hello}, data: {b: Yg==}}",
        "{type: Opaque, data: {a: aGVsbG8=, b: Yg==}}",
    ),
    "StorageClass storage.k8s.io/v1": (
        "provisioner: example.com/disk",
        "{provisioner: example.com/disk, reclaimPolicy: Delete, volumeBindingMode: Immediate}",
    ),
    "ClusterRoleBinding rbac.authorization.k8s.io/v1": (
        "{roleRef: {kind: ClusterRole, name: view}, subjects: [{kind: User, name: u}, {kind: ServiceAccount, name: s, namespace: n}]}",
        """
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects:
- {kind: User, name: u, apiGroup: rbac.authorization.k8s.io}
- {kind: ServiceAccount, name: s, namespace: n}
""",
    ),
    "LimitRange v1": (
        "spec: {limits: [{type: Container, max: {cpu: '2'}, min: {memory: 1Mi}, default: {memory: 64Mi}}]}",
        """
spec:
  limits:
  - type: Container
    max: {cpu: '2'}
    min: {memory: 1Mi}
    default: {cpu: '2', memory: 64Mi}
    defaultRequest: {cpu: '2', memory: 64Mi}
""",
    ),
    "ValidatingWebhookConfiguration admissionregistration.k8s.io/v1": (
        "webhooks: [{name: a.b.c, rules: [{operations: [CREATE]}], clientConfig: {service: {name: s, namespace: n}}}]",
        """
webhooks:
- name: a.b.c
  rules: [{operations: [CREATE], scope: '*'}]
  clientConfig: {service: {name: s, namespace: n, port: 443}}
  failurePolicy: Fail
  matchPolicy: Equivalent
  namespaceSelector: {}
  objectSelector: {}
  timeoutSeconds: 10
""",
    ),
    "CustomResourceDefinition apiextensions.k8s.io/v1": (
        "spec: {group: example.com, scope: Namespaced, names: {plural: widgets, kind: Widget}}",
        """
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget, singular: widget, listKind: WidgetList}
  conversion: {strategy: None}
""",
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_golden(name: str) -> None:
    kind_name, api_version = name.split()
    kind = KINDS.of(api_version, kind_name)
    assert kind is not None and kind.default is not None
    given, wanted = (yaml.safe_load(text) for text in PAIRS[name])
    found: dict[str, Any] = {"metadata": {}, **given}
    kind.default(found)
    del found["metadata"]
    assert found == wanted


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("registry:5000/nginx", "Always"),
        ("registry:5000/nginx:1.2", "IfNotPresent"),
        ("nginx@sha256:abc", "IfNotPresent"),
        ("nginx:1.27", "IfNotPresent"),
    ],
)
def test_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    from pocketkube.api.kinds.podspec import defaults

    assert defaults.pull_policy(image) == policy


def test_host_network_copies_container_ports_in_pods_only() -> None:
    pod, deployment = KINDS.of("v1", "Pod"), KINDS.of("apps/v1", "Deployment")
    assert pod is not None and pod.default is not None and deployment is not None and deployment.default is not None
    spec = {"hostNetwork": True, "containers": [{"name": "a", "image": "b:1", "ports": [{"containerPort": 80}]}]}
    obj: dict[str, Any] = {"metadata": {}, "spec": spec}
    pod.default(obj)
    assert obj["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]
    inner = {"hostNetwork": True, "containers": [{"name": "a", "image": "b:1", "ports": [{"containerPort": 80}]}]}
    workload: dict[str, Any] = {"metadata": {}, "spec": {"template": {"spec": inner}}}
    deployment.default(workload)
    assert "hostPort" not in workload["spec"]["template"]["spec"]["containers"][0]["ports"][0]


def test_a_job_gets_a_selector_by_its_uid() -> None:
    job = KINDS.of("batch/v1", "Job")
    assert job is not None and job.default is not None and job.prepare_create is not None and job.validate is not None
    pods = {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]}
    obj: dict[str, Any] = {"metadata": {"name": "once", "uid": "u-1"}, "spec": {"template": {"spec": pods}}}
    job.default(obj)
    job.prepare_create(obj)
    assert obj["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u-1"}}
    assert obj["spec"]["template"]["metadata"]["labels"] == {
        "controller-uid": "u-1",
        "job-name": "once",
        "batch.kubernetes.io/controller-uid": "u-1",
        "batch.kubernetes.io/job-name": "once",
    }
    plain = {name: value for name, value in obj["spec"].items() if name not in ("template", "selector")}
    assert plain == {
        "completions": 1, "parallelism": 1, "backoffLimit": 6, "completionMode": "NonIndexed", "suspend": False,
        "manualSelector": False, "podReplacementPolicy": "TerminatingOrFailed",
    }  # fmt: skip
    assert job.validate(obj) == []
