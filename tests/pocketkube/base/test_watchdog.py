"""Signs of life between real processes, and what a keeper makes of silence."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pocketkube.base.watchdog import Beating, Listener

CHILD = """
import sys
from pocketkube.base import tasks
async def main(stop):
    print("lives", flush=True)
    await stop.wait()
sys.exit(tasks.main(main))
"""
LIMIT = 0.4  # seconds


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(tmp_path / "life")
    yield made
    made.close()


def look(keeper: Listener, limits: dict[int, float]) -> list[int]:
    select.select([keeper.socket], [], [], keeper.patience(limits))
    return keeper.silent(limits)


def test_a_process_that_hangs_falls_silent_and_one_that_lives_does_not(keeper: Listener) -> None:
    environment = {**os.environ, **keeper.environment(LIMIT)}
    children = [
        subprocess.Popen([sys.executable, "-c", CHILD], env=environment, stdout=subprocess.PIPE) for _ in range(2)
    ]
    limits = {child.pid: LIMIT for child in children}
    try:
        for child in children:
            assert child.stdout and child.stdout.readline() == b"lives\n"
        os.kill(children[0].pid, signal.SIGSTOP)
        found: list[int] = []
        for _ in range(200):
            found = look(keeper, limits)
            if found:
                break
        assert found == [children[0].pid]
        for _ in range(10):
            assert children[1].pid not in look(keeper, limits)
    finally:
        for child in children:
            child.kill()
            child.communicate()


def test_what_never_said_anything_is_not_watched_unless_expected(keeper: Listener) -> None:
    limits = {1: 0.05}
    assert keeper.patience(limits) > 60
    assert keeper.silent(limits) == []
    keeper.expect(1)
    assert keeper.silent(limits) == []
    select.select([], [], [], 0.1)
    assert keeper.silent(limits) == [1]
    keeper.forget(1)
    assert keeper.silent(limits) == []


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        pytest.param({}, 0.0, id="nobody asks"),
        pytest.param({"NOTIFY_SOCKET": "/x"}, 0.0, id="only readiness is asked for"),
        pytest.param({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "4000000"}, 1.0, id="asked"),
        pytest.param({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "1"}, 0.0, id="not of us"),
    ],
)
def test_who_tells(environment: dict[str, str], seconds: float) -> None:
    beating = Beating(environment)
    assert beating.seconds == seconds
    beating.beat()  # nobody listens there: no harm


def test_a_path_too_long_for_a_socket_is_said(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long"):
        Listener(tmp_path / ("x" * 120))
