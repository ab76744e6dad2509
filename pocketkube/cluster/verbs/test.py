"""`pk test [PYTEST ARGS]`: set up what the tests need, and run them all."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from pocketkube.cluster import console, engine, prepare
from pocketkube.cluster.components import HOST_SOCKET
from pocketkube.cluster.layout import REPOSITORY
from pocketkube.cluster.verbs import Verb


def run(args: argparse.Namespace) -> int:
    """Unit tests run anywhere; those that need root and an engine get them here, or are left out with a word."""
    selection: list[str] = []
    started: subprocess.Popen[bytes] | None = None
    if os.geteuid() == 0 and sys.platform == "linux":
        prepare.install(prepare.missing(own_engines=True), yes=bool(os.environ.get("CI")))
        if not prepare.engine_answers():
            started = _start_engine()
    else:
        console.say("Not root: leaving out the tests that need a Docker engine and networks (marked e2e).")
        selection = ["-m", "not e2e"]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"}
    try:
        done = subprocess.run([sys.executable, "-m", "pytest", *selection, *args.rest], cwd=REPOSITORY, env=environment)
    finally:
        if started:
            started.terminate()
            started.wait(60)
    return done.returncode


def _forget_dead_engine(pidfile: Path = Path("/var/run/docker.pid")) -> None:
    """An engine that was killed leaves its pid behind; once another program has that number, the next engine refuses to start."""
    try:
        pid = int(pidfile.read_text())
        comm = Path(f"/proc/{pid}/comm").read_text().strip()
    except (OSError, ValueError):
        return
    if comm != "dockerd":
        pidfile.unlink()


def _start_engine() -> subprocess.Popen[bytes]:
    _forget_dead_engine()
    log = Path(tempfile.gettempdir()) / "pocketkube-test-engine.log"
    with console.step(f"Starting a Docker engine (log: {log})"), log.open("ab") as file:
        process = subprocess.Popen(
            ["dockerd", "-H", f"unix://{HOST_SOCKET}"], stdout=file, stderr=file, start_new_session=True
        )
        engine.wait(HOST_SOCKET)
    return process


VERB = Verb("run all tests", run, passes_rest=True)
