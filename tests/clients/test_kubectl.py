"""Our kubectl says and does what the upstream one does: each command by both, and every word compared."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.apiserver.test_process import KUBECTL, REPOSITORY, Process
from tests.clients.manifests import config_map, deployment
from tests.clients.test_kopf import until

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")

Obj = dict[str, Any]
# ages, blanks behind the last column, and what no two objects share
VARYING = r"\b\d+s\b| +$|resourceVersion: .*|uid: .*|creationTimestamp: .*"
MAPS = "/api/v1/namespaces/{namespace}/configmaps"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def applied(obj: Obj) -> Obj:
    """As `kubectl apply` would have made it."""
    said = orjson.dumps(obj, option=orjson.OPT_SORT_KEYS).decode()
    return {**obj, "metadata": {**obj["metadata"], "annotations": {LAST_APPLIED: said}}}


MADE = [
    (MAPS, config_map("kept", k="v")),
    (MAPS, config_map("other", k="v")),
    (MAPS, applied(config_map("applied", k="v"))),
    (
        MAPS,
        config_map(
            "numbers",
            a="1",
            b="yes",
            c="plain",
            d="two\nlines\n",
            e="",
            f="*",
            g="1e3",
            h="y",
            i="a: b",
            j="2026-01-01",
        ),
    ),
    (
        "/api/v1/namespaces/{namespace}/services",
        {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}},
    ),
    ("/apis/apps/v1/namespaces/{namespace}/deployments", deployment("web")),
]
WRONG = {**config_map("wrong"), "nonsense": 1}
CHANGED = config_map("applied", k="w")


@pytest.fixture(scope="session")
def requested(server: Process) -> str:
    """A certificate request, as its spec has it."""
    pem = server.folder / "request.pem"
    command = ["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=joe"]
    files = ["-keyout", str(server.folder / "request.key"), "-out", str(pem)]
    subprocess.run([*command, *files], check=True, capture_output=True)
    return base64.b64encode(pem.read_bytes()).decode()


class Both:
    """Upstream's kubectl and ours, each in a namespace of its own with the same objects."""

    def __init__(self, server: Process, environment: dict[str, str], folder: Path, namespace: str):
        self.environment = {**environment, "PYTHONPATH": str(REPOSITORY)}
        self.folder = folder
        assert KUBECTL is not None
        self.programs = {f"{namespace}-a": [KUBECTL], f"{namespace}-b": [sys.executable, "-m", "kubectl"]}
        with server.client() as client:
            for name in self.programs:
                client.post("/api/v1/namespaces", json={"metadata": {"name": name}}).raise_for_status()
                for path, obj in MADE:
                    client.post(path.format(namespace=name), json=obj).raise_for_status()

    def file(self, name: str, obj: Obj) -> str:
        path = self.folder / name
        path.write_bytes(orjson.dumps(obj))
        return str(path)

    def each(self, *words: str) -> list[tuple[int, str, str]]:
        """Exit code, standard output and standard error of the one and of the other, without what must differ."""
        answers = []
        for namespace, program in self.programs.items():
            told = [word.replace("NS", namespace) for word in words]
            done = subprocess.run(
                [*program, "-n", namespace, *told], env=self.environment,
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            out, err = (
                re.sub(VARYING, "", text.replace(namespace, "NS"), flags=re.M) for text in (done.stdout, done.stderr)
            )
            answers.append((done.returncode, out, err))
        return answers


@pytest.fixture
def both(server: Process, environment: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest) -> Both:
    return Both(server, environment, tmp_path, f"both-{zlib.crc32(request.node.name.encode()):x}")


COMMANDS = [
    "create -f WRONG",
    "get configmap -o go-template={{range.items}}{{.metadata.name}},{{end}}",
    "get pods --bogus",
    "run",
    "describe configmap kept",
    "describe namespace NS",
    "describe clusterrole view",
    "describe clusterrolebinding cluster-admin",
    "describe priorityclass system-node-critical",
    "describe flowschema exempt",
    "apply view-last-applied configmap/applied",
    "apply view-last-applied configmap/kept",
    "apply set-last-applied -f CHANGED",
    "plugin list",
    "completion nonsense",
    "set subject clusterrolebinding cluster-admin",
    "debug nothing --image=x",
    "rollout pause configmap/kept",
    "kustomize nowhere",
    "top node",
    "top pod",
    "autoscale deployment web --min=2 --max=4 --cpu=80%",
    "autoscale deployment web --min=4 --max=2",
    "autoscale deployment web",
    "create -f WRONG --validate=warn",
    "get componentstatuses -o name",
    "apply -f CHANGED --dry-run=server",
    "apply -f CHANGED --dry-run=client",
    "apply -f CHANGED",
    "wait --for=delete configmap/nothing --timeout=5s",
    "wait --for=condition=Ready pod/nothing --timeout=5s",
    "wait --for=jsonpath={.data.k}=v configmap/kept --timeout=5s",
    "get --raw /api/v1/pods/nothing",
    "get --raw /nowhere",
    "set env deployment/web A=B",
    "rollout history deployment/web",
    "scale deployment web --replicas=3",
    "scale deployment web --current-replicas=9 --replicas=1",
    "label configmap kept a=b",
    "annotate configmap kept a=b",
    "patch configmap kept --type=merge -p {\"data\":{\"k\":null}}",
    "get configmap kept -o jsonpath={.data}",
    "get configmap --sort-by=.metadata.name -o custom-columns=NAME:.metadata.name",
    "delete configmap other",
    "delete configmap nothing",
    "delete configmap kept --dry-run=server",
    "auth can-i delete pods --as=system:serviceaccount:NS:default",
    "certificate approve nothing",
    "get configmap numbers -o yaml",
    "replace --force -f CHANGED",
    "create priorityclass high --value=10 --description=more --dry-run=client -o jsonpath={.value}{.description}",
    "create ingress web --rule=foo.com",
    "set selector service/web app=other,tier=front",
    "explain configmap.nothing",
    "explain pod.spec.containers",
    "explain deployment.spec.strategy",
    "explain pod.spec.restartPolicy",
]  # fmt: skip


@pytest.mark.parametrize("line", COMMANDS)
def test_both_say_the_same(both: Both, line: str) -> None:
    files = {"WRONG": both.file("wrong", WRONG), "CHANGED": both.file("changed", CHANGED)}
    upstream, ours = both.each(*(files.get(word, word) for word in line.split()))
    assert ours == upstream


def test_certificates_are_approved_and_denied(both: Both, requested: str) -> None:
    usages = {"signerName": "example.com/none", "usages": ["client auth"], "request": requested}
    for number, namespace in enumerate(both.programs):
        body = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "spec": usages}
        made = both.file(f"request{number}", {**body, "metadata": {"name": f"r-{namespace}"}})
        subprocess.run([str(KUBECTL), "create", "-f", made], env=both.environment, check=True, capture_output=True)
    for words in ("approve", "approve", "deny"):
        upstream, ours = both.each("certificate", words, "r-NS")
        assert ours == upstream
    read = "jsonpath={.status.conditions[*].type} {.status.conditions[*].reason} {.status.conditions[*].message}"
    upstream, ours = both.each("get", "csr", "r-NS", "-o", read)
    assert ours == upstream
    assert ours[1].startswith("Approved KubectlApprove")


@pytest.mark.parametrize(
    ("words", "made"),
    [
        pytest.param(
            "autoscale deployment web --min=1 --max=3 --cpu=500m --memory=70% --name=h", "hpa/h", id="autoscaler"
        ),
        pytest.param(
            "create ingress i --rule=foo.com/bar=web:80 --rule=foo.com/all*=web:http,tls=secret --class=c "
            "--default-backend=web:80 --annotation=a=b",
            "ingress/i",
            id="ingress",
        ),
    ],
)
def test_both_make_the_same(both: Both, words: str, made: str) -> None:
    said = both.each(*words.split())
    assert said[0] == said[1]
    upstream, ours = both.each("get", made, "-o", "jsonpath={.spec}")
    assert orjson.loads(ours[1]) == orjson.loads(upstream[1])


def metrics_of(plural: str, kind: str, scope: str) -> Obj:
    """A definition that stands for a metrics server: its objects are what such a server would answer."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1beta1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": plural, "singular": kind.lower(), "kind": kind}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.metrics.k8s.io",
            "annotations": {"api-approved.kubernetes.io": "unapproved, a test"},
        },
        "spec": {"group": "metrics.k8s.io", "scope": scope, "names": names, "versions": [version]},
    }


DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
METRICS = "/apis/metrics.k8s.io/v1beta1"
WHEN = {"timestamp": "2026-01-01T00:00:00Z", "window": "30s"}


def pod_metrics(name: str, **containers: tuple[str, str]) -> Obj:
    used = [{"name": n, "usage": {"cpu": cpu, "memory": memory}} for n, (cpu, memory) in containers.items()]
    about = {"apiVersion": "metrics.k8s.io/v1beta1", "kind": "PodMetrics", "metadata": {"name": name}}
    return {**about, **WHEN, "containers": used}


@pytest.fixture
def measured(server: Process, both: Both) -> Iterator[Both]:
    """A node and pods with metrics, and a node that nobody measured."""
    with server.client() as client:
        for definition in (
            metrics_of("nodes", "NodeMetrics", "Cluster"),
            metrics_of("pods", "PodMetrics", "Namespaced"),
        ):
            client.post(DEFINITIONS, json=definition).raise_for_status()
        for name in ("big", "new"):
            node = {"metadata": {"name": name}, "status": {"allocatable": {"cpu": "4", "memory": "8Gi"}}}
            client.post("/api/v1/nodes", json=node).raise_for_status()
        about = {"apiVersion": "metrics.k8s.io/v1beta1", "kind": "NodeMetrics", "metadata": {"name": "big"}}
        used = {**about, **WHEN, "usage": {"cpu": "1250500000n", "memory": "3000000Ki"}}
        until("the metrics", lambda: client.get(f"{METRICS}/nodes").status_code == 200)
        until("the metrics", lambda: client.get(f"{METRICS}/pods").status_code == 200)
        client.post(f"{METRICS}/nodes", json=used).raise_for_status()
        for namespace in both.programs:
            for pod in (pod_metrics("a", x=("10m", "20Mi"), y=("1", "5Mi")), pod_metrics("b", x=("200m", "1Gi"))):
                client.post(f"{METRICS}/namespaces/{namespace}/pods", json=pod).raise_for_status()
        yield both
        for plural in ("nodes", "pods"):
            client.delete(f"{DEFINITIONS}/{plural}.metrics.k8s.io")
        for name in ("big", "new"):
            client.delete(f"/api/v1/nodes/{name}")


def test_top_prints_the_same(measured: Both) -> None:
    for line in (
        "top node",
        "top node big --no-headers",
        "top pod",
        "top pod a",
        "top pod --containers",
        "top pod --sort-by=memory",
        "top pod --sort-by=cpu --no-headers",
    ):
        upstream, ours = measured.each(*line.split())
        assert ours == upstream, line
