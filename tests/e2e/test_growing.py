"""A cluster that grows and shrinks while it serves, and a node whose engine is killed: nobody notices."""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import Cluster, Obj, run, until
from tests.e2e.test_many_hosts import WEB


@pytest.fixture(scope="module")
def growing(tmp_path_factory: pytest.TempPathFactory, kubectl_program: str) -> Iterator[Cluster]:
    made = Cluster("growing", tmp_path_factory.mktemp("growing"), kubectl_program)
    made.pk("up", "--nodes", "0", timeout=300)
    try:
        yield made
    finally:
        made.pk("down")


CLOSED = (ConnectionError, ssl.SSLEOFError)  # seen while reading, or while writing


class Client(threading.Thread):
    """Writes over one connection as long as that is kept, and reads over a new one each time; counts what fails."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__()
        folder = cluster.home / cluster.name
        self.port = int(cluster.status()["server"].rpartition(":")[2])
        self.context = ssl.create_default_context(cafile=str(folder / "pki" / "ca.crt"))
        self.context.load_cert_chain(folder / "pki" / "admin.crt", folder / "pki" / "admin.key")
        self.done, self.failed, self.stop = 0, list[str](), threading.Event()
        self.written: list[str] = []

    def run(self) -> None:
        kept = self.connect()
        while not self.stop.wait(0.01):
            fresh = self.connect()
            self.ask(fresh, "GET", None)
            fresh.close()
            name = f"c-{time.time_ns()}"
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
            try:
                self.ask(kept, "POST", json.dumps(body))
            except CLOSED:  # between two requests: every client tries again, and a write that was served would conflict
                kept.close()
                kept = self.connect()
                self.ask(kept, "POST", json.dumps(body))
            self.written.append(name)
        kept.close()

    def connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=20)

    def ask(self, connection: http.client.HTTPSConnection, method: str, body: str | None) -> None:
        path = "/api/v1/namespaces/default/configmaps" + ("" if body else "/kube-root-ca.crt")
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
        except CLOSED as error:
            if body is None:
                self.failed.append(f"a new connection was closed: {error!r}")
                return
            raise
        except OSError as error:
            self.failed.append(f"{method}: {error!r}")
            return
        self.done += 1
        if answer.status >= 300:
            self.failed.append(f"{method}: {answer.status}")


@contextmanager
def asking(cluster: Cluster) -> Iterator[Client]:
    until("its first object", lambda: cluster.kubectl("get", "configmap", "kube-root-ca.crt"))
    client = Client(cluster)
    client.start()
    try:
        yield client
    finally:
        client.stop.set()
        client.join(30)


def nodes(cluster: Cluster) -> list[str]:
    return [row.split()[0] for row in cluster.kubectl("get", "nodes", "--no-headers").splitlines()]


def pods(cluster: Cluster) -> list[Obj]:
    found: list[Obj] = cluster.json("get", "pods", "-l", "app=web")["items"]
    return [p for p in found if "deletionTimestamp" not in p["metadata"]]


def test_api_servers_come_and_go_and_no_request_is_lost(growing: Cluster) -> None:
    with asking(growing) as client:
        for count in ("3", "1"):
            growing.pk("up", "--api-servers", count)
            running = [c["id"] for c in growing.status()["components"] if c["name"] == "apiserver"]
            assert running == [f"apiserver-{i}" for i in range(int(count))]
    assert client.done > 50 and client.failed == []
    found = set(growing.kubectl("get", "configmaps", "-o", "name").split())
    assert {f"configmap/{name}" for name in client.written} <= found


def test_hosts_come_and_go_and_pods_move(growing: Cluster) -> None:
    growing.pk("up", "--nodes", "2")
    assert nodes(growing) == ["node-1", "node-2"]
    archive = run(sys.executable, "-c", "from pocketkube.cluster import images; print(images.base())", env=growing.env)
    growing.pk("load", archive.strip())
    growing.apply(WEB)
    growing.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert {p["spec"]["nodeName"] for p in pods(growing)} == {"node-1", "node-2"}
    growing.pk("up", "--nodes", "1")
    assert nodes(growing) == ["node-1"] and not Path("/run/pocketkube/growing-node-2.sock").exists()
    growing.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert [p["spec"]["nodeName"] for p in pods(growing)] == ["node-1"] * 4


def test_a_killed_engine_takes_no_container_with_it(growing: Cluster) -> None:
    before = containers(growing)
    os.kill(int(Path("/run/pocketkube/growing-node-1.pid").read_text()), signal.SIGKILL)
    until("the engine again", lambda: engine_restarted(growing), seconds=20)
    name = pods(growing)[0]["metadata"]["name"]
    until("the kubelet with it", lambda: growing.kubectl("exec", name, "--", "echo", "yes"), seconds=60)
    assert containers(growing) == before
    growing.kubectl("scale", "deployment/web", "--replicas=5")
    growing.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert set(before) <= set(containers(growing))


def containers(cluster: Cluster) -> dict[str, int]:
    """Container id to restarts."""
    return {s["containerID"]: s["restartCount"] for p in pods(cluster) for s in p["status"]["containerStatuses"]}


def engine_restarted(cluster: Cluster) -> bool:
    found = next(c for c in cluster.status()["components"] if c["name"] == "engine")
    return bool(found["restarts"] == 1 and found["state"] == "running")
