"""A machine on which no cluster can start, and a person who says no: one line, and nothing is left behind."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

from tests.e2e.conftest import ROOT

NOT_ROOT = """
import os, sys
from pocketkube.cluster.__main__ import load, main
load("up")
os.setegid(65534); os.seteuid(65534)
sys.exit(main(["up"]))
"""
FULL_DISK = 'mount -t tmpfs -o size=64m tmpfs "$POCKETKUBE_HOME" && "$@"; code=$?; ls -A "$POCKETKUBE_HOME"; exit $code'
INSTALL = """
import sys
from pocketkube.cluster import prepare
from pocketkube.cluster.errors import ClusterError
try:
    prepare.install([prepare.Need("no-such-package", "this test", lambda: False)], yes=False)
except ClusterError as error:
    sys.exit(f"pk up: {error}")
"""


def pk(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "POCKETKUBE_HOME": str(folder), "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=120)


def at_a_terminal(answer: str, *command: str) -> tuple[int, str]:
    """Exit code, and all that a person who gives this answer sees."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execvpe(command[0], command, {**os.environ, "PYTHONPATH": str(ROOT)})
    seen = b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        seen += piece
        if b"[Y/n]" in piece:
            os.write(terminal, f"{answer}\n".encode())
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode()


def test_without_root(tmp_path: Path) -> None:
    done = pk(tmp_path, sys.executable, "-c", NOT_ROOT)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == "pk up: networks and containers need root: run it again as root (sudo ./pk up)\n"
    assert not list(tmp_path.iterdir())


def test_on_a_full_disk(tmp_path: Path) -> None:
    up = (sys.executable, "-m", "pocketkube.cluster", "up", "--name", "full")
    done = pk(tmp_path, "unshare", "--mount", "sh", "-c", FULL_DISK, "sh", *up)
    assert done.returncode == 1 and done.stdout == "", "the folder is still empty"
    assert done.stderr == f"pk up: only 64 MiB are free at {tmp_path} and a cluster needs 1024: free some space\n"


def test_a_person_says_no_to_packages() -> None:
    code, seen = at_a_terminal("n", sys.executable, "-c", INSTALL)
    assert code == 1 and "no-such-package" in seen and "this test" in seen
    assert "pk up: nothing was installed: run `apt-get install no-such-package`, or ./pk up --yes" in seen


def test_a_person_says_no_to_the_virtual_environment(tmp_path: Path) -> None:
    for name in ("pk", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    code, seen = at_a_terminal("no", sys.executable, str(tmp_path / "pk"), "status")
    assert code == 1 and "Python packages" in seen and seen.rstrip().endswith("pk: nothing was installed")
    assert not (tmp_path / ".venv").exists()
