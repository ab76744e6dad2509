"""Background tasks with a name and an owner; nothing runs unseen and nothing is left running."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from pocketkube.base import watchdog

log = logging.getLogger(__name__)

_spawned: set[asyncio.Task[Any]] = set()


async def run_tasks(tasks: Mapping[str, Coroutine[Any, Any, Any]], *, stop: asyncio.Event | None = None) -> None:
    """Run all of them until each has returned, one fails, or `stop` is set; then cancel and await the rest.

    The first failure is logged and raised again, later ones are logged. A task that returns leaves the others running.
    """
    running = {asyncio.create_task(coro, name=name) for name, coro in tasks.items()}
    stopping = asyncio.create_task(stop.wait(), name="stop") if stop is not None else None
    try:
        await _until_first_failure(running, stopping)
    finally:
        await cancel(*running, *([stopping] if stopping else []))
    for task in running:
        if not task.cancelled() and (failure := task.exception()) is not None:
            raise failure


async def _until_first_failure(running: set[asyncio.Task[Any]], stopping: asyncio.Task[Any] | None) -> None:
    pending = set(running)
    while pending:
        waited = pending | {stopping} if stopping else pending
        done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if not task.cancelled() and (failure := task.exception()) is not None:
                log.error("task %s failed: %r", task.get_name(), failure, exc_info=failure)
                return
        if stopping in done:
            return
        pending -= done


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they have ended. Their failures stay in them."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def spawn(name: str, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Start a task that nobody needs to hold on to; an exception that nobody awaited is logged once."""
    task = asyncio.create_task(coro, name=name)
    _spawned.add(task)
    task.add_done_callback(_finished)
    return task


def _finished(task: asyncio.Task[Any]) -> None:
    _spawned.discard(task)
    if not task.cancelled() and (failure := task.exception()) is not None:
        log.error("task %s failed: %r", task.get_name(), failure, exc_info=failure)


def main(main: Callable[[asyncio.Event], Awaitable[None]]) -> int:
    """Run a process to its end and give its exit code: 0 after a stop by SIGTERM or SIGINT, 1 after a failure.

    The first signal sets the event that `main` was given; a second one ends the process at once.
    """
    import uvloop

    gc.set_threshold(50_000, 20, 50)  # cycles are rare here, and a pass over a large heap stops everything

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _on_signal, number, stop)
        watchdog.beat_from(loop)
        await main(stop)

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())
    except OSError as failure:  # a port in use, a file that is not there: the words say it all
        log.critical("stopped: %s", failure, exc_info=failure if log.isEnabledFor(logging.DEBUG) else None)
        return 1
    except Exception as failure:
        log.critical("stopped by an error: %s", failure, exc_info=failure)
        return 1
    return 0


def settle() -> None:
    """Call when a process has loaded what it will keep: the garbage collector leaves all of that alone from now on."""
    gc.freeze()


def _on_signal(number: int, stop: asyncio.Event) -> None:
    if stop.is_set():
        log.warning("second %s: leaving now", signal.Signals(number).name)
        sys.stderr.flush()
        os._exit(128 + number)
    log.info("%s: stopping", signal.Signals(number).name)
    stop.set()
