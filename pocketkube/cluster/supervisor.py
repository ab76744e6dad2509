"""Keeps a cluster's processes running: starts them in order, restarts with backoff what dies, stops them in reverse.

The supervisor may itself be killed at any moment. Its processes live on, each known by pid and start time in `state.json`;
the next supervisor adopts them and restarts none. A second small process, the guard, starts that next supervisor, and the
supervisor starts the next guard: only both killed at once leave the cluster without a keeper, and `pk start` brings one.

    supervisor ──watches──▶ etcd, apiserver, ... and the guard
    guard      ──watches──▶ the supervisor

Processes are watched by pidfd, so that adopted ones, which are not our children, are seen to die as well. One that hangs is killed:
each of our own programs tells that it lives, again and again, by the protocol of `base/watchdog.py`.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pocketkube.base.watchdog import Listener
from pocketkube.cluster import processes
from pocketkube.cluster.components import Component, components
from pocketkube.cluster.layout import REPOSITORY, Layout
from pocketkube.cluster.processes import Identity

TAKE_UP, LET_GO = (
    signal.SIGUSR1,
    signal.SIGUSR2,
)  # after cluster.json has changed: start what is new; stop what is not in it

FIRST_DELAY, LONGEST_DELAY = 0.2, 10.0  # seconds between restarts
STEADY = 30.0  # a process that ran this long starts over with the first delay


@dataclass
class Kept:
    """One component as the supervisor sees it."""

    component: Component
    process: Identity | None = None
    pidfd: int = -1
    started: float = 0.0
    restarts: int = 0
    delay: float = FIRST_DELAY
    due: float = 0.0  # monotonic time of the next start; 0 while it runs
    last_exit: str = ""
    leaving: bool = False  # it runs, and is not wanted any more
    tells: bool = False  # it was told where to say that it lives

    def row(self) -> dict[str, object]:
        c = self.component
        state = "running" if self.process else "restarting"
        return {
            "name": c.name, "node": c.node, "id": c.id, "pid": self.process.pid if self.process else 0, "state": state,
            "started": self.process.started if self.process else 0, "restarts": self.restarts,
            "lastExit": self.last_exit, "log": c.log, "leaving": self.leaving, "tells": self.tells,
        }  # fmt: skip


class Supervisor:
    """The loop: one thread, one selector over pidfds and a signal pipe. `plan` says which components there shall be."""

    def __init__(self, layout: Layout, plan: Callable[[], list[Component]]):
        self.layout = layout
        self._plan = plan
        self.kept = [Kept(c) for c in plan()]
        self._asked: set[signal.Signals] = set()
        self.guard: Identity | None = None
        self.stopping = False
        self._selector = selectors.DefaultSelector()
        self._life: Listener | None = None
        self._log = open(layout.logs / "supervisor.log", "a", buffering=1)  # noqa: SIM115 - for the process's life

    def run(self) -> int:
        wake, notify = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(notify)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        for number in (TAKE_UP, LET_GO):
            signal.signal(number, self._on_change)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._selector.register(wake, selectors.EVENT_READ, None)
        self._listen()
        self._adopt()
        while not self.stopping:
            self._change()
            self._start_due()
            for key, _ in self._selector.select(self._timeout()):
                if key.data is None:
                    os.read(wake, 512)
                elif isinstance(key.data, Kept):
                    self._ended(key.data)
                elif isinstance(key.data, Listener):
                    key.data.heard()
                else:
                    self._guard_ended(key.fd)
            self._end_hanging()
        self._stop_all()
        return 0

    def _on_stop(self, *_: object) -> None:
        self.stopping = True

    def _on_change(self, number: int, *_: object) -> None:
        self._asked.add(signal.Signals(number))

    def _change(self) -> None:
        if TAKE_UP in self._asked:
            self._asked.discard(TAKE_UP)
            self._take_up(self._plan())
        if LET_GO in self._asked:
            self._asked.discard(LET_GO)
            self._let_go([k for k in self.kept if k.leaving])

    def _take_up(self, wanted: list[Component]) -> None:
        """Start what is new. What is not wanted any more goes on until it is let go, but is not restarted."""
        ids = {c.id for c in wanted}
        for kept in self.kept:
            kept.leaving = kept.component.id not in ids
        # two of these must not work at once, and the new ones may not know of the old one's lead
        self._let_go([k for k in self.kept if k.leaving and k.component.name in ("scheduler", "controller")])
        known = {k.component.id: k for k in self.kept}
        added = [Kept(c, due=time.monotonic()) for c in wanted if c.id not in known]
        self.kept = [*(known[c.id] for c in wanted if c.id in known), *added, *(k for k in self.kept if k.leaving)]
        self._write()

    def _let_go(self, leaving: list[Kept]) -> None:
        self._stop(leaving)
        self.kept = [k for k in self.kept if k not in leaving]
        self._write()

    def _timeout(self) -> float | None:
        due = [max(0.0, k.due - time.monotonic()) for k in self.kept if k.due]
        if self._life:
            due.append(self._life.patience(self._limits()))
        return min(due, default=None)

    def _listen(self) -> None:
        try:
            self._life = Listener(self.layout.root / "life.sock")
        except OSError as error:
            self._say(f"what hangs will not be seen: {error}")
            return
        self._selector.register(self._life.socket, selectors.EVENT_READ, self._life)

    def _limits(self) -> dict[int, float]:
        """Seconds of silence that each process may keep, by pid."""
        return {k.process.pid: k.component.silence_seconds for k in self.kept if k.process and k.tells}

    def _end_hanging(self) -> None:
        """Kill what says no more that it lives; its end is then seen like any other."""
        for pid in self._life.silent(self._limits()) if self._life else ():
            kept = next(k for k in self.kept if k.process and k.process.pid == pid)
            assert self._life and kept.process
            self._life.forget(pid)
            self._say(f"{kept.component.id} (pid {pid}) hangs: killed")
            kept.process.signal(signal.SIGKILL)

    def _adopt(self) -> None:
        """Take over what an earlier supervisor left running; all else is due now."""
        before = processes.read_state(self.layout.state)
        left = {row["id"]: row for row in before.get("components", [])}
        wanted = {k.component.id for k in self.kept}
        for row in left.values():
            if row["id"] not in wanted:
                gone = Component(name=row["name"], node=row["node"], argv=(), log=row["log"])
                self.kept.append(Kept(gone, leaving=True))
        for kept in self.kept:
            row = left.get(kept.component.id)
            known = Identity(row["pid"], row["started"]) if row and row["pid"] else None
            if row and known and known.alive():
                kept.restarts, kept.tells = row["restarts"], row.get("tells", False)
                self._watch(kept, known)
                if self._life and kept.tells:
                    self._life.expect(known.pid)  # it may hang since before our time
                self._say(f"adopted {kept.component.id} (pid {known.pid})")
            elif not kept.leaving:
                kept.due = time.monotonic()
        guard = before.get("guard")
        if guard and Identity(*guard).alive():
            self._watch_guard(Identity(*guard))
        else:
            self._start_guard()
        self._write()

    def _start_due(self) -> None:
        now = time.monotonic()
        started = False
        for kept in self.kept:
            if kept.due and kept.due <= now and not self.stopping:
                self._start(kept)
                started = True
        if started:
            self._write()

    def _start(self, kept: Kept) -> None:
        component = kept.component
        for path in component.pid_files:
            processes.remove_stale(path)
        kept.tells = bool(self._life and component.silence_seconds)
        life = self._life.environment(component.silence_seconds) if self._life and kept.tells else {}
        with open(self.layout.logs / component.log, "ab") as log:
            try:
                child = subprocess.Popen(
                    component.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                    cwd=self.layout.root, env={**os.environ, **component.env, **life},
                )  # fmt: skip
            except OSError as error:
                self._failed(kept, str(error))
                return
        found = Identity.of(child.pid)
        if found is None:
            self._failed(kept, f"exit {child.wait()}")
            return
        self._say(f"started {component.id} (pid {child.pid})")
        self._watch(kept, found)

    def _watch(self, kept: Kept, process: Identity) -> None:
        kept.process, kept.due, kept.started = process, 0.0, time.monotonic()
        kept.pidfd = os.pidfd_open(process.pid)
        self._selector.register(kept.pidfd, selectors.EVENT_READ, kept)

    def _ended(self, kept: Kept) -> None:
        self._selector.unregister(kept.pidfd)
        os.close(kept.pidfd)
        assert kept.process is not None
        ran = time.monotonic() - kept.started
        if self._life:
            self._life.forget(kept.process.pid)
        how = processes.reap(kept.process.pid)
        kept.process, kept.pidfd = None, -1
        if ran >= STEADY:
            kept.delay = FIRST_DELAY
        if kept.leaving:
            self._say(f"{kept.component.id} ended ({how}) and is not wanted any more")
        else:
            self._failed(kept, how)
        self._write()

    def _failed(self, kept: Kept, how: str) -> None:
        kept.restarts += 1
        kept.last_exit = how
        kept.due = time.monotonic() + kept.delay
        self._say(f"{kept.component.id} ended ({how}); next start in {kept.delay:.1f}s")
        kept.delay = min(kept.delay * 2, LONGEST_DELAY)

    def _start_guard(self) -> None:
        command = [
            sys.executable,
            "-m",
            "pocketkube.cluster.supervisor",
            str(self.layout.root),
            "--guard",
            str(os.getpid()),
        ]
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, start_new_session=True
        )
        found = Identity.of(child.pid)
        if found:
            self._watch_guard(found)

    def _watch_guard(self, guard: Identity) -> None:
        self.guard = guard
        self._selector.register(os.pidfd_open(guard.pid), selectors.EVENT_READ, "guard")

    def _guard_ended(self, fd: int) -> None:
        self._selector.unregister(fd)
        os.close(fd)
        if self.guard:
            processes.reap(self.guard.pid)
        self._start_guard()
        self._write()

    def _stop_all(self) -> None:
        self._write()
        if self.guard:
            self.guard.signal(signal.SIGKILL)
            processes.reap(self.guard.pid, wait=True)
        self._stop(self.kept)
        self.layout.state.unlink(missing_ok=True)
        if self._life:
            self._life.close()
        self._say("stopped")

    def _stop(self, wanted: list[Kept]) -> None:
        """Reverse order, workers together first, so that no component talks to one that is gone."""
        for names in (
            ("kubelet", "proxy", "scheduler", "controller"),
            ("apiserver", "balancer"),
            ("etcd",),
            ("engine",),
        ):
            group = [k for k in wanted if k.process and k.component.name in names]
            for kept in group:
                self._last_command(kept.component)
                assert kept.process
                kept.process.signal(signal.SIGTERM)
            for kept in group:
                assert kept.process
                if not kept.process.wait(kept.component.stop_seconds):
                    self._say(f"{kept.component.id} did not stop in {kept.component.stop_seconds:.0f}s: killed")
                    kept.process.signal(signal.SIGKILL)
                    kept.process.wait(5)
                self._say(f"{kept.component.id} stopped ({processes.reap(kept.process.pid)})")
                self._selector.unregister(kept.pidfd)
                os.close(kept.pidfd)
                kept.process, kept.pidfd = None, -1
        for kept in wanted:
            kept.due = 0.0

    def _last_command(self, component: Component) -> None:
        if component.last:
            try:
                subprocess.run(component.last, capture_output=True, timeout=component.stop_seconds)
            except (OSError, subprocess.TimeoutExpired) as error:
                self._say(f"{component.id}: {error}")

    def _write(self) -> None:
        own = Identity.of(os.getpid())
        assert own
        state = {
            "supervisor": [own.pid, own.started],
            "guard": [self.guard.pid, self.guard.started] if self.guard else None,
            "stopping": self.stopping,
            "components": [k.row() for k in self.kept],
        }
        processes.write_state(self.layout.state, state)

    def _say(self, text: str) -> None:
        self._log.write(time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime()) + text + "\n")


def launch(layout: Layout) -> subprocess.Popen[bytes]:
    """Start a supervisor that outlives us."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with open(layout.logs / "supervisor.log", "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "pocketkube.cluster.supervisor", str(layout.root)], env=environment,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
        )  # fmt: skip


def guard(layout: Layout, supervisor_pid: int) -> int:
    """Wait for the supervisor to end; unless it was stopped on purpose, start the next one."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    while True:
        watched = Identity.of(supervisor_pid)
        if watched:
            watched.wait(None)
        state = processes.read_state(layout.state)
        if not state or state.get("stopping"):
            return 0
        child = subprocess.Popen(
            [sys.executable, "-m", "pocketkube.cluster.supervisor", str(layout.root)], start_new_session=True
        )
        supervisor_pid = child.pid
        time.sleep(0.1)  # bounds the rate should it fail at once


def main(argv: list[str]) -> int:
    from pocketkube.cluster import spec as specs

    root = Path(argv[0])
    layout = Layout(root.name, root)
    if len(argv) == 3 and argv[1] == "--guard":
        return guard(layout, int(argv[2]))
    spec = specs.read(layout.spec)
    if spec is None:
        print(f"no cluster.json in {root}", file=sys.stderr)
        return 1
    etcd = json.loads((root / "programs.json").read_text())["etcd"] if (root / "programs.json").exists() else "etcd"

    def plan() -> list[Component]:
        return components(layout, specs.read(layout.spec) or spec, etcd=etcd)

    return Supervisor(layout, plan).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
