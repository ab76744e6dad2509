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
from pocketkube.cluster.supervisor import LET_GO, TAKE_UP

SCRIPT = '''
import sys
from pathlib import Path
from pocketkube.cluster import components, supervisor
from pocketkube.cluster.components import Component
from pocketkube.cluster.layout import Layout
from pocketkube.cluster.supervisor import Supervisor
layout = Layout("t", Path(sys.argv[1]))
supervisor.FIRST_DELAY = 0.05
components.SILENCE = {"proxy": 0.5}
ALIVE = """
from pocketkube.base import tasks
async def main(stop):
    open("lives", "w").close()
    await stop.wait()
tasks.main(main)
"""
def plan():
    ids = (layout.root / "wanted").read_text().split()
    argv = {"proxy": (sys.executable, "-c", ALIVE)}
    return [Component(name=(n := i.split("-")[0]), node="x", argv=argv.get(n, ("sleep", "600")), log=f"{i}.log") for i in ids]
sys.exit(Supervisor(layout, plan).run())
'''


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
        self.want("etcd", "kubelet")
        self.process = self.start()

    def want(self, *ids: str) -> None:
        (self.layout.root / "wanted").write_text(" ".join(ids))

    def start(self) -> subprocess.Popen[bytes]:
        env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        return subprocess.Popen([sys.executable, "-c", SCRIPT, str(self.layout.root)], env=env)

    def pids(self) -> dict[str, int]:
        rows = processes.read_state(self.layout.state).get("components", [])
        return {r["id"]: r["pid"] for r in rows if r["pid"]}

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


def test_what_hangs_is_killed_and_started_again(running: Running) -> None:
    running.want("etcd", "kubelet", "proxy")
    running.process.send_signal(TAKE_UP)
    until(lambda: "proxy" in running.pids(), "the proxy runs")
    first = running.pids()["proxy"]
    until((running.layout.root / "lives").exists, "it has said that it lives")
    os.kill(first, signal.SIGSTOP)
    until(lambda: running.pids().get("proxy", first) != first, "a new one")
    row = processes.read_state(running.layout.state)["components"][-1]
    assert (row["restarts"], row["lastExit"]) == (1, "killed by SIGKILL")
    assert "hangs: killed" in (running.layout.logs / "supervisor.log").read_text()


def test_what_is_new_is_started_and_what_is_not_wanted_runs_on_until_it_is_let_go(running: Running) -> None:
    before = running.pids()
    running.want("etcd", "kubelet-2")
    running.process.send_signal(TAKE_UP)
    until(lambda: "kubelet-2" in running.pids(), "the new one runs")
    assert {k: running.pids()[k] for k in before} == before
    running.process.send_signal(LET_GO)
    until(lambda: "kubelet" not in running.pids(), "the old one has ended")
    assert {"etcd", "kubelet-2"} == set(running.pids()) and running.pids()["etcd"] == before["etcd"]


def test_two_of_what_must_work_alone_never_run_at_once(running: Running) -> None:
    running.want("etcd", "scheduler")
    running.process.send_signal(TAKE_UP)
    until(lambda: "scheduler" in running.pids(), "one scheduler")
    running.want("etcd", "scheduler-0", "scheduler-1")
    running.process.send_signal(TAKE_UP)
    until(lambda: {"scheduler-0", "scheduler-1"} <= set(running.pids()), "two others")
    assert "scheduler" not in running.pids()


def test_what_was_to_go_still_goes_after_the_supervisor_died(running: Running) -> None:
    old = running.pids()["kubelet"]
    running.kill_guard()
    running.want("etcd")
    running.process.kill()
    running.process.wait(10)
    running.kill_guard()
    running.process = running.start()
    own = running.process.pid
    until(lambda: processes.read_state(running.layout.state)["supervisor"][0] == own, "the new one took over")
    assert running.pids()["kubelet"] == old
    running.process.send_signal(LET_GO)
    until(lambda: "kubelet" not in running.pids(), "it has ended")


@pytest.mark.parametrize(("content", "kept"), [("self", True), ("zombie", False), ("4194300", False), ("junk", True)])
def test_a_pid_file_is_stale_when_its_process_has_ended(tmp_path: Path, content: str, kept: bool) -> None:
    ended = subprocess.Popen(["true"])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    path = tmp_path / "x.pid"
    path.write_text({"self": str(os.getpid()), "zombie": str(ended.pid)}.get(content, content))
    processes.remove_stale(path)
    ended.wait()
    assert path.exists() is kept


def test_stopping_ends_everything(running: Running) -> None:
    known = [Identity.of(pid) for pid in running.pids().values()]
    running.process.terminate()
    assert running.process.wait(20) == 0
    assert not any(k and k.alive() for k in known)
    assert not running.layout.state.exists()
