"""Clock, backoff, tasks, plugins, logs and metrics."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pocketkube.base import logs, metrics, plugins, tasks
from pocketkube.base.backoff import Backoff
from pocketkube.base.clock import FakeClock, SystemClock


async def test_a_fake_clock_wakes_sleepers_in_order_of_time() -> None:
    clock = FakeClock(datetime(2026, 1, 1, tzinfo=UTC))
    woken: list[int] = []

    async def sleeper(seconds: int) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    waiting = [asyncio.create_task(sleeper(seconds)) for seconds in (3, 1, 2)]
    await asyncio.sleep(0)
    assert clock.sleepers == 3
    clock.advance(2)
    await asyncio.gather(waiting[1], waiting[2])
    assert woken == [1, 2]
    assert clock.now() == datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=2)
    clock.advance(1)
    await waiting[0]


async def test_the_system_clock_moves() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(-1)
    assert clock.monotonic() >= before
    assert clock.now().tzinfo is UTC


def test_backoff_grows_to_its_maximum() -> None:
    backoff = Backoff(1, 5)
    assert [backoff.next() for _ in range(4)] == [1, 2, 4, 5]
    backoff.reset()
    assert backoff.next() == 1
    jittered = Backoff(1, 5, jitter=0.5)
    assert 1 <= jittered.next() <= 1.5


async def test_the_first_failure_ends_all_tasks(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[str] = []

    async def forever(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await tasks.run_tasks({"a": forever("a"), "b": forever("b"), "fail": fail()})
    assert sorted(ended) == ["a", "b"]
    assert caplog.text.count("task fail failed") == 1


async def test_tasks_end_at_the_stop_and_when_all_are_done() -> None:
    stop = asyncio.Event()

    async def stopper() -> None:
        stop.set()

    async def forever() -> None:
        await asyncio.Event().wait()

    async with asyncio.timeout(5):
        await tasks.run_tasks({"stopper": stopper(), "forever": forever()}, stop=stop)
        await tasks.run_tasks({"done": asyncio.sleep(0)})


async def test_a_spawned_task_logs_its_failure_once(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ValueError("broken")

    task = tasks.spawn("doomed", fail())
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert caplog.text.count("task doomed failed") == 1


def test_main_stops_at_a_signal_and_reports_failures() -> None:
    async def stopped(stop: asyncio.Event) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()

    async def broken(stop: asyncio.Event) -> None:
        raise ValueError("broken")

    assert tasks.main(stopped) == 0
    assert tasks.main(broken) == 1


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "plugged_package"
    (folder / "big").mkdir(parents=True)
    for name, text in (
        ("__init__.py", ""),
        ("one.py", "PLUGIN = 1"),
        ("_private.py", "raise RuntimeError"),
        ("big/__init__.py", "PLUGIN = 2"),
        ("big/part.py", "raise RuntimeError"),
    ):
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.startswith("plugged_package")]:
        del sys.modules[name]


def test_plugins_are_files_and_folders(package: Path) -> None:
    assert plugins.scan("plugged_package", "PLUGIN") == {"big": 2, "one": 1}


def test_a_missing_constant_is_named(package: Path) -> None:
    (package / "wrong.py").write_text("")
    with pytest.raises(ImportError, match=r"plugged_package\.wrong exports no PLUGIN"):
        plugins.scan("plugged_package", "PLUGIN")


def test_a_record_is_a_line() -> None:
    formatter = logs.LineFormatter()
    record = logging.LogRecord("a.b", logging.WARNING, "", 0, "two\nlines x=%d", (1,), None)
    record.created, record.msecs = 1_700_000_000.0, 7.0
    assert formatter.format(record) == "2023-11-14T22:13:20.007Z W a.b: two\\nlines x=1"


def test_setup_sends_everything_to_the_stream() -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    try:
        logs.setup("info", stream)
        logging.getLogger("pocketkube.x").info("hello")
        logging.getLogger("pocketkube.x").debug("nothing")
        assert stream.getvalue().endswith("I pocketkube.x: hello\n")
    finally:
        root.handlers[:] = before
        root.setLevel(level)


@pytest.mark.parametrize(("verbosity", "level"), [(0, "info"), (2, "info"), (4, "debug"), (9, "debug")])
def test_verbosity(verbosity: int, level: str) -> None:
    assert logs.level_of(verbosity) == level


def test_metrics_are_rendered_as_text() -> None:
    metrics.counter("test_requests_total", "Requests.", ["verb"]).labels("get").inc(2)
    text = metrics.render()
    assert b'test_requests_total{verb="get"} 2.0' in text
    assert b"process_cpu_seconds_total" in text
