"""docker-compose.yml for real: build, up, pods on both workers, a restart, one more worker, and nothing left after `down -v`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pocketkube.cluster import processes
from tests.conftest import free_port
from tests.e2e.conftest import ROOT, run, until
from tests.e2e.test_many_hosts import WEB

pytestmark = pytest.mark.slow

BASE = "pocketkube/debian:12"
FIRST_NODE_PORT = 30080  # the first that docker-compose.yml publishes


def free_range(count: int) -> int:
    """The first of `count` neighbouring TCP ports that nobody listens on, below those that the kernel gives out."""
    busy = processes.listening()
    return next(p for p in range(24000, 30000, count) if not busy & set(range(p, p + count)))


class Compose:
    def __init__(self, program: list[str], kubectl: str, folder: Path):
        self.program, self.kubectl_program, self.folder = program, kubectl, folder
        self.node_port = free_range(10)
        self.environment = {
            **os.environ, "COMPOSE_PROJECT_NAME": "pocketkube-test", "POCKETKUBE_BASE": BASE,
            "POCKETKUBE_API_PORT": str(free_port()), "FORGET_SECONDS": "20",
            "POCKETKUBE_NODE_PORTS": f"{self.node_port}-{self.node_port + 9}",
        }  # fmt: skip

    def __call__(self, *words: str, timeout: float = 300) -> str:
        return run(*self.program, *words, env=self.environment, timeout=timeout)

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        config = self.folder / "kubeconfig"
        config.write_text(self("exec", "-T", "control-plane", "kubeconfig"))
        return run(self.kubectl_program, "--kubeconfig", str(config), *words, stdin=stdin)

    def workers(self) -> list[str]:
        return self("ps", "-q", "worker").split()

    def nodes(self) -> int:
        return len(self.kubectl("get", "nodes", "-o", "name").split())

    def ready_nodes(self) -> int:
        nodes = json.loads(self.kubectl("get", "nodes", "-o", "json"))["items"]
        conditions = [{c["type"]: c["status"] for c in n["status"]["conditions"]} for n in nodes]
        return sum(c.get("Ready") == "True" for c in conditions)

    def answer(self) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.node_port}", timeout=3) as answer:
                text: str = answer.read().decode()
                return text
        except OSError:
            return ""


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory, kubectl_program: str) -> Iterator[Compose]:
    found = shutil.which("docker-compose")
    if found is None:
        pytest.skip("docker-compose is not installed")
    if not run("docker", "images", "-q", BASE).strip():
        run("deploy/images/make-base", BASE, timeout=300)
    run("deploy/images/fetch-wheels", sys.executable, timeout=300)
    made = Compose([found], kubectl_program, tmp_path_factory.mktemp("compose"))
    made("build", timeout=600)
    try:
        yield made
    finally:
        subprocess.run([found, "down", "-v", "-t", "30"], env=made.environment, cwd=ROOT, capture_output=True)


def test_it_comes_up_serves_and_grows(compose: Compose) -> None:
    compose("up", "-d")
    until("two nodes", lambda: compose.ready_nodes() == 2, seconds=60)
    for worker in compose.workers():
        run("docker", "exec", worker, "docker", "load", "-q", "-i", "/opt/pocketkube/home/images/base.tar")
    compose.kubectl(
        "apply", "-f", "-", stdin=WEB.replace("targetPort: 8080", f"targetPort: 8080, nodePort: {FIRST_NODE_PORT}")
    )
    compose.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    nodes = json.loads(compose.kubectl("get", "pods", "-o", "json"))["items"]
    assert sorted(Counter(p["spec"]["nodeName"] for p in nodes).values()) == [2, 2]
    until("an answer on this machine's loopback", compose.answer, seconds=20)
    pod = nodes[0]["metadata"]["name"]
    ask = "import urllib.request; print(urllib.request.urlopen('http://web', timeout=5).read().decode())"
    assert compose.kubectl("exec", pod, "--", "python3", "-c", ask)

    compose("restart", "-t", "30")
    until("an answer after the restart", compose.answer, seconds=60)
    until("both nodes again", lambda: compose.ready_nodes() == 2, seconds=60)
    assert "web" in compose.kubectl("get", "deployments")

    compose("up", "-d", "--scale", "worker=3")
    until("a third node", lambda: compose.ready_nodes() == 3, seconds=60)

    compose("up", "-d", "--scale", "worker=1")
    until("those that are gone to be forgotten", lambda: compose.nodes() == 1, seconds=120)
    until("all pods on the one that is left", compose.answer, seconds=60)

    compose("down", "-v", "-t", "30")
    for what in (("ps", "-aq"), ("volume", "ls", "-q"), ("network", "ls", "-q")):
        assert not run("docker", *what, "--filter", "label=com.docker.compose.project=pocketkube-test").strip()
    assert not re.search("pocketkube-test", run("docker", "volume", "ls"))
