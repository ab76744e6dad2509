"""One whole cluster for all end-to-end tests, started by `pk up` on this machine and driven by the upstream kubectl."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

ROOT = Path(__file__).parents[2]
Obj = dict[str, Any]
T = TypeVar("T")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/e2e" in str(item.path):
            item.add_marker(pytest.mark.e2e)


def run(*command: str, stdin: str | None = None, env: dict[str, str] | None = None, timeout: float = 180) -> str:
    """Standard output of a command that must succeed; what it printed is in the failure."""
    done = subprocess.run(command, input=stdin, env=env, cwd=ROOT, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, f"{' '.join(command)} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Cluster:
    """A running cluster and the two command lines that drive it."""

    name: str
    home: Path
    kubectl_program: str

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "POCKETKUBE_HOME": str(self.home), "PYTHONPATH": str(ROOT)}

    def pk(self, verb: str, *words: str, timeout: float = 180) -> str:
        return run(
            sys.executable, "-m", "pocketkube.cluster", verb, "--name", self.name, *words, env=self.env, timeout=timeout
        )

    def kubectl(self, *words: str, stdin: str | None = None, timeout: float = 180) -> str:
        return run(self.kubectl_program, *words, stdin=stdin, env=self.kube_env, timeout=timeout)

    def kubectl_fails(self, *words: str, stdin: str | None = None) -> str:
        """Standard error of a kubectl that must fail."""
        done = subprocess.run(
            [self.kubectl_program, *words], input=stdin, env=self.kube_env, capture_output=True, text=True, timeout=120
        )
        assert done.returncode != 0, f"kubectl {' '.join(words)} succeeded: {done.stdout}"
        return done.stderr

    @property
    def kube_env(self) -> dict[str, str]:
        return {**self.env, "KUBECONFIG": str(self.home / self.name / "kubeconfig")}

    def json(self, *words: str) -> Obj:
        found: Obj = json.loads(self.kubectl(*words, "-o", "json"))
        return found

    def apply(self, manifest: str, *flags: str) -> str:
        return self.kubectl("apply", "-f", "-", *flags, stdin=manifest)

    def status(self) -> Obj:
        """What `pk status` shows, also while a component is being restarted, which its exit code 3 tells."""
        words = ("status", "--name", self.name, "-o", "json")
        done = subprocess.run(
            [sys.executable, "-m", "pocketkube.cluster", *words], env=self.env, cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode in (0, 3), done.stderr
        found: Obj = json.loads(done.stdout)
        return found

    def pid(self, component: str) -> int:
        found: int = next(c["pid"] for c in self.status()["components"] if c["name"] == component)
        return found


def until(what: str, look: Callable[[], T], *, seconds: float = 60) -> T:
    """The first true value that `look` gives; errors on the way count as "not yet"."""
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = look()
            if last:
                return last
        except (AssertionError, KeyError, IndexError, StopIteration, json.JSONDecodeError) as error:
            last = error
        time.sleep(0.1)  # between looks at another process: there is no event to await
    raise AssertionError(f"{what}: not within {seconds:.0f}s; last: {last}")


@pytest.fixture(scope="session")
def kubectl_program() -> str:
    beside = Path(sys.executable).parent / "kubectl"
    found = str(beside) if beside.exists() else shutil.which("kubectl")
    assert found, "the upstream kubectl is not installed"
    return found


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, kubectl_program: str) -> Iterator[Cluster]:
    home = tmp_path_factory.mktemp("pocketkube")
    made = Cluster("e2e", home, kubectl_program)
    made.pk("up", timeout=300)
    made.pk("build", "examples/guestbook", timeout=300)
    yield made
    made.pk("down")


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace for one test, with its default service account ready."""
    name = (
        "t-"
        + "".join(c if c.isalnum() else "-" for c in request.node.name.removeprefix("test_"))[:50].strip("-").lower()
    )
    cluster.kubectl("create", "namespace", name)
    until("the default service account", lambda: cluster.kubectl("-n", name, "get", "serviceaccount", "default"))
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")
