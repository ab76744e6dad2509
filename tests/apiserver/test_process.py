"""The server as a process over TLS and a real etcd, driven by httpx and by the upstream kubectl."""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from pocketkube.cluster import pki
from pocketkube.cluster.spec import ClusterSpec, NodeSpec
from tests.conftest import Etcd, free_port

KUBECTL = shutil.which("kubectl", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
REPOSITORY = Path(__file__).parents[2]
START_SECONDS = 30.0

pytestmark = pytest.mark.integration


class Process:
    """One API server."""

    def __init__(self, folder: Path, etcd: Etcd):
        self.folder = folder
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.etcd = etcd
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        keys = self.folder / "pki"
        flags = {
            "etcd-servers": self.etcd.endpoint,
            "bind-address": "127.0.0.1",
            "secure-port": self.port,
            "client-ca-file": keys / "ca.crt",
            "tls-cert-file": keys / "apiserver.crt",
            "tls-private-key-file": keys / "apiserver.key",
            "service-account-key-file": keys / "sa.pub",
            "service-account-signing-key-file": keys / "sa.key",
            "enable-admission-plugins": "NodeRestriction",
        }
        command = [sys.executable, "-m", "apiserver", *(f"--{name}={value}" for name, value in flags.items())]
        with (self.folder / "apiserver.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=REPOSITORY, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}
            )
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        with self.client() as client:
            while time.monotonic() < deadline:
                assert self._process is not None
                assert self._process.poll() is None, self.log()
                try:
                    if client.get("/readyz").status_code == 200:
                        return
                except httpx.TransportError:
                    time.sleep(0.02)
        raise AssertionError(f"not ready: {self.log()}")

    def log(self) -> str:
        return (self.folder / "apiserver.log").read_text()[-4000:]

    def end(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(20)

    def client(self, identity: str = "admin") -> httpx.Client:
        keys = self.folder / "pki"
        context = ssl.create_default_context(cafile=str(keys / "ca.crt"))
        context.load_cert_chain(keys / f"{identity}.crt", keys / f"{identity}.key")
        return httpx.Client(base_url=self.url, verify=context, timeout=10)

    def kubeconfig(self) -> Path:
        keys, path = self.folder / "pki", self.folder / f"{self.port}.kubeconfig"
        user = {"client-certificate": str(keys / "admin.crt"), "client-key": str(keys / "admin.key")}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": self.url, "certificate-authority": str(keys / "ca.crt")}}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path.write_text(yaml.safe_dump(config))
        return path

    def kubectl(self, *words: str, stdin: str = "", code: int = 0) -> str:
        assert KUBECTL is not None
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig()), "HOME": str(self.folder)}
        done = subprocess.run(
            [KUBECTL, *words], input=stdin, capture_output=True, text=True, env=environment, timeout=60, check=False
        )
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pki").mkdir()
    node = NodeSpec(name="n1", address="127.0.0.1")
    pki.ensure(tmp_path / "pki", ClusterSpec(name="t", slot=0, address="127.0.0.1", nodes=(node,)))
    return tmp_path


@pytest.fixture
def server(folder: Path, etcd: Etcd) -> Iterator[Process]:
    process = Process(folder, etcd)
    process.start()
    yield process
    if process._process is not None and process._process.poll() is None:
        process.end(signal.SIGTERM)


def config_map(name: str, **data: str) -> Any:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


MAPS = "/api/v1/namespaces/default/configmaps"


def test_two_servers_and_a_killed_one(server: Process, folder: Path, etcd: Etcd) -> None:
    other = Process(folder, etcd)
    other.start()
    with server.client() as one, other.client() as two:
        for i in range(20):
            writer, reader = (one, two) if i % 2 else (two, one)
            assert writer.post(MAPS, json=config_map(f"c{i}")).status_code == 201
            assert reader.get(f"{MAPS}/c{i}").status_code == 200
            patch = {"data": {"a": str(i)}}
            headers = {"content-type": "application/merge-patch+json"}
            assert reader.patch(f"{MAPS}/c{i}", content=json.dumps(patch), headers=headers).status_code == 200
            assert writer.get(f"{MAPS}/c{i}").json()["data"] == {"a": str(i)}
        other.end(signal.SIGKILL)
        assert len(one.get(MAPS).json()["items"]) >= 20
    assert server.end(signal.SIGTERM) == 0
    server.start()
    with server.client() as again:
        assert again.get(f"{MAPS}/c19").json()["data"] == {"a": "19"}


def test_identities(server: Process) -> None:
    with server.client("scheduler") as scheduler, server.client("kubelet-n1") as kubelet:
        assert scheduler.get("/api/v1/pods").status_code == 200
        assert scheduler.post(MAPS, json=config_map("x")).status_code == 403
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}
        assert kubelet.post("/api/v1/nodes", json=node).status_code == 201
        assert kubelet.post("/api/v1/nodes", json={**node, "metadata": {"name": "n2"}}).status_code == 403
        assert kubelet.get("/api/v1/namespaces/kube-system/secrets").status_code == 403


def test_a_port_in_use(server: Process, folder: Path, etcd: Etcd) -> None:
    second = Process(folder, etcd)
    second.port = server.port
    with pytest.raises(AssertionError, match=r"cannot listen on 127\.0\.0\.1:"):
        second.start()


WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""

STEPS = [
    pytest.param(["create", "namespace", "made"], "", "namespace/made created", id="protobuf body"),
    pytest.param(["create", "configmap", "c", "--from-literal=a=b"], "", "configmap/c created", id="configmap"),
    pytest.param(["create", "deployment", "d", "--image=nginx"], "", "deployment.apps/d created", id="deployment"),
    pytest.param(["apply", "-f", "-"], WEB, "service/web created", id="apply"),
    pytest.param(
        ["apply", "--server-side", "--dry-run=server", "-f", "-"], WEB, "serverside-applied", id="server side"
    ),
    pytest.param(["explain", "pod.spec.containers.image"], "", "Container image name", id="explain"),
    pytest.param(["api-resources"], "", "deployments", id="api-resources"),
    pytest.param(["auth", "can-i", "create", "pods"], "", "yes", id="can-i"),
    pytest.param(["auth", "whoami"], "", "kubernetes-admin", id="whoami"),
    pytest.param(["version"], "", "Server Version: v1.37.0+pocketkube", id="version"),
    pytest.param(["get", "namespaces", "-o", "wide"], "", "kube-system", id="table"),
    pytest.param(["get", "pods", "-A", "--field-selector", "spec.nodeName=x"], "", "No resources found", id="selector"),
    pytest.param(["get", "--raw", "/readyz?verbose"], "", "readyz check passed", id="raw"),
]


@pytest.fixture(scope="module")
def kubectl_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """One server for all of kubectl's words."""
    folder = tmp_path_factory.mktemp("kubectl")
    (folder / "pki").mkdir()
    node = NodeSpec(name="n1", address="127.0.0.1")
    pki.ensure(folder / "pki", ClusterSpec(name="t", slot=0, address="127.0.0.1", nodes=(node,)))
    etcd = Etcd(folder / "etcd")
    etcd.start()
    process = Process(folder, etcd)
    process.start()
    yield process
    process.end(signal.SIGTERM)
    etcd.stop()


@pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
@pytest.mark.parametrize(("words", "stdin", "shown"), STEPS)
def test_kubectl(kubectl_server: Process, words: list[str], stdin: str, shown: str) -> None:
    assert shown in kubectl_server.kubectl(*words, stdin=stdin)


@pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
def test_kubectl_changes_and_deletes(kubectl_server: Process) -> None:
    run = kubectl_server.kubectl
    run("create", "deployment", "e", "--image=nginx:1", "--replicas=1")
    assert "scaled" in run("scale", "deployment", "e", "--replicas=3")
    assert run("get", "deployment", "e", "-o", "jsonpath={.spec.replicas}") == "3"
    assert "image updated" in run("set", "image", "deployment/e", "nginx=nginx:2")
    assert "labeled" in run("label", "deployment", "e", "a=b")
    assert "unlabeled" in run("label", "deployment", "e", "a-")
    assert "patched" in run("patch", "deployment", "e", "-p", '{"spec":{"paused":true}}')
    assert "deleted" in run("delete", "deployment", "e")
    assert 'deployments.apps "e" not found' in run("get", "deployment", "e", code=1)
    bad = WEB.replace("replicas: 2", "replicas: -1")
    refused = run("apply", "-f", "-", stdin=bad.split("---")[0].replace("name: web}", "name: bad}", 1), code=1)
    assert "spec.replicas: Invalid value: -1: must be greater than or equal to 0" in refused
