"""Several processes that share one port: each is a whole API server over the same store, as several machines' would be.

The kernel spreads connections over them. A worker that dies or hangs is replaced, and the others serve on; one that ends before it was
ever ready ends all, with its exit code: who supervises sees it at once. /metrics is that of all of them; limits of requests in flight are
shared out among them.
"""

from __future__ import annotations

import ctypes
import math
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pocketkube.base import reuseport
from pocketkube.base.backoff import Backoff
from pocketkube.base.watchdog import Beating, Listener

_PARENT_DEATH = 1  # prctl's PR_SET_PDEATHSIG
STEADY_SECONDS = 60.0  # after a worker that ran for so long the next one is not waited for
LONGEST_WAIT = 10.0  # seconds before a worker is replaced
SILENCE_SECONDS = 4.0  # a worker that does not say for so long that it lives is taken to hang


def supervise(argv: Sequence[str], count: int) -> int:
    """Run `count` servers with these flags until SIGTERM or SIGINT, or until one cannot start; the exit code."""
    with tempfile.TemporaryDirectory(prefix="apiserver-") as folder:
        own = ["--workers=1", "--worker", f"--worker-count={count}", f"--worker-folder={folder}"]
        reuseport.keep_waiting()
        return Workers([sys.executable, "-m", "apiserver", *argv, *own], folder=Path(folder)).run(count)


class Workers:
    """The parent: it serves nothing, and sees that `count` workers do."""

    def __init__(self, command: Sequence[str], *, folder: Path):
        self._command, self._folder = command, folder
        self._life = Listener(folder / "life")
        self._environment: Mapping[str, str] = {**os.environ, **self._life.environment(SILENCE_SECONDS)}
        self._own = Beating()
        self._selector = selectors.DefaultSelector()
        self._running: dict[int, subprocess.Popen[bytes]] = {}  # by pid
        self._started: dict[int, float] = {}
        self._hung: set[int] = set()
        self._backoff = Backoff(0.1, LONGEST_WAIT)
        self._due: list[float] = []  # when replacements start: monotonic time
        self._stopping = False
        self._code = 0

    def run(self, count: int) -> int:
        wake, notify = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(notify)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop())
        self._selector.register(wake, selectors.EVENT_READ)
        self._selector.register(self._life.socket, selectors.EVENT_READ)
        for _ in range(count):
            self._start()
        while self._running or self._due:
            for key, _ in self._selector.select(self._patience()):
                if key.fd == wake:
                    os.read(wake, 512)
                elif isinstance(key.data, int):
                    self._ended(key.fd, key.data)
            self._own.beat()
            self._kill_hanging()
            self._start_due()
        return self._code

    def _patience(self) -> float:
        limits = dict.fromkeys(self._running, SILENCE_SECONDS)
        next_start = min(self._due, default=math.inf) - time.monotonic()
        return max(0.0, min(self._life.patience(limits), self._own.seconds or SILENCE_SECONDS, next_start))

    def _start_due(self) -> None:
        now = time.monotonic()
        for due in [due for due in self._due if due <= now]:
            self._due.remove(due)
            self._start()

    def _start(self) -> None:
        process = subprocess.Popen(self._command, env=self._environment)
        self._running[process.pid] = process
        self._started[process.pid] = time.monotonic()
        self._selector.register(os.pidfd_open(process.pid), selectors.EVENT_READ, process.pid)

    def _ended(self, pidfd: int, pid: int) -> None:
        self._selector.unregister(pidfd)
        os.close(pidfd)
        code = self._running.pop(pid).wait()
        self._life.heard()  # what it said before it ended
        worked = pid in self._life.ready
        self._life.forget(pid)
        (self._folder / f"{pid}.sock").unlink(missing_ok=True)  # where it told its metrics
        ran = time.monotonic() - self._started.pop(pid)
        if self._stopping:
            return
        if worked or pid in self._hung:
            self._hung.discard(pid)
            print(f"apiserver: worker {pid} ended ({code}) and is replaced", file=sys.stderr)
            self._replace(ran)
            return
        self._code = 128 - code if code < 0 else code or 1
        self._stop()

    def _replace(self, ran: float) -> None:
        """After a worker that ran for so many seconds: soon, and later each time when they end again and again."""
        if ran > STEADY_SECONDS:
            self._backoff.reset()
        self._due.append(time.monotonic() + self._backoff.next())

    def _kill_hanging(self) -> None:
        for pid in self._life.silent(dict.fromkeys(self._running, SILENCE_SECONDS)):
            print(f"apiserver: worker {pid} hangs: killed", file=sys.stderr)
            self._hung.add(pid)
            self._running[pid].kill()

    def _stop(self) -> None:
        self._stopping = True
        self._due.clear()
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)


def end_with_parent() -> None:
    """Called in a worker: no worker outlives a supervisor that was killed."""
    ctypes.CDLL(None).prctl(_PARENT_DEATH, signal.SIGTERM)
