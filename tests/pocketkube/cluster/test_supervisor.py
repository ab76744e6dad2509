"""Real processes, killed for real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pocketkube.cluster import processes
from pocketkube.cluster.layout import REPOSITORY, Layout
from pocketkube.cluster.processes import Identity

SCRIPT = """
import sys
from pathlib import Path
from pocketkube.cluster.components import Component
from pocketkube.cluster.layout import Layout
from pocketkube.cluster.supervisor import Supervisor
wanted = [Component(name=n, node="x", argv=("sleep", "600"), log=f"{n}.log") for n in ("etcd", "kubelet")]
sys.exit(Supervisor(Layout("t", Path(sys.argv[1])), wanted).run())
"""


def until(look: Callable[[], bool], what: str) -> None:
    pause = threading.Event()
    for _ in range(400):
        if look():
            return
        pause.wait(0.025)  # another process works meanwhile: there is nothing here to await
    raise AssertionError(what)


class Running:
    def __init__(self, root: Path):
        self.layout = Layout("t", root)
        self.layout.make()
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        return subprocess.Popen([sys.executable, "-c", SCRIPT, str(self.layout.root)], env=env)

    def pids(self) -> dict[str, int]:
        rows = processes.read_state(self.layout.state).get("components", [])
        return {r["name"]: r["pid"] for r in rows if r["pid"]}

    def kill_guard(self) -> None:
        guard = processes.read_state(self.layout.state).get("guard")
        if guard:
            Identity(*guard).signal(signal.SIGKILL)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path)
    until(lambda: len(made.pids()) == 2, "both run")
    yield made
    made.process.terminate()
    made.process.wait(20)
    made.kill_guard()


def test_what_is_killed_is_restarted_and_counted(running: Running) -> None:
    before = running.pids()
    os.kill(before["etcd"], signal.SIGKILL)
    until(lambda: running.pids().get("etcd", before["etcd"]) != before["etcd"], "a new etcd")
    assert running.pids()["kubelet"] == before["kubelet"]
    row = processes.read_state(running.layout.state)["components"][0]
    assert (row["restarts"], row["lastExit"]) == (1, "killed by SIGKILL")


def test_a_new_supervisor_adopts_what_runs(running: Running) -> None:
    before = running.pids()
    running.kill_guard()  # the real guard would start the real program, not this test's
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait(10)
    running.kill_guard()
    running.process = running.start()
    own = running.process.pid
    until(lambda: processes.read_state(running.layout.state)["supervisor"][0] == own, "the new one took over")
    assert running.pids() == before
    os.kill(before["kubelet"], signal.SIGKILL)
    until(
        lambda: running.pids().get("kubelet", before["kubelet"]) != before["kubelet"], "an adopted one is watched too"
    )


def test_stopping_ends_everything(running: Running) -> None:
    known = [Identity.of(pid) for pid in running.pids().values()]
    running.process.terminate()
    assert running.process.wait(20) == 0
    assert not any(k and k.alive() for k in known)
    assert not running.layout.state.exists()
