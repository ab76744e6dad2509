"""Several processes that share one port: each is a whole API server over the same store, as several machines' would be.

The kernel spreads connections over them. If one ends by itself all are ended, with its exit code: who supervises sees it at once.
/metrics is that of all of them; limits of requests in flight are shared out among them.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence

_PARENT_DEATH = 1  # prctl's PR_SET_PDEATHSIG


def supervise(argv: Sequence[str], count: int) -> int:
    """Run `count` servers with these flags until SIGTERM or SIGINT, or until one of them ends; the exit code."""
    with tempfile.TemporaryDirectory(prefix="apiserver-") as folder:
        own = ["--workers=1", "--worker", f"--worker-count={count}", f"--worker-folder={folder}"]
        return _supervise([sys.executable, "-m", "apiserver", *argv, *own], count)


def _supervise(command: Sequence[str], count: int) -> int:
    running = {process.pid: process for process in (subprocess.Popen(command) for _ in range(count))}
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True
        for process in running.values():
            process.send_signal(signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    code = 0
    while running:
        pid, status = os.wait()
        ended = running.pop(pid, None)
        if ended is None:
            continue
        ended.returncode = os.waitstatus_to_exitcode(status)
        if not stopping:
            code = ended.returncode or 1
            stop()
    return code if code >= 0 else 128 - code


def end_with_parent() -> None:
    """Called in a worker: no worker outlives a supervisor that was killed."""
    ctypes.CDLL(None).prctl(_PARENT_DEATH, signal.SIGTERM)
