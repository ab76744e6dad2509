"""exec and attach: a command's or container's streams joined to the client's, its end told as a Status."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from typing import Any

from kubelet.runtime.interface import RuntimeFailure, Streams
from kubelet.server.channels import RESIZE, STATUS, STDERR, STDIN, STDOUT, Channels

log = logging.getLogger(__name__)

Obj = dict[str, Any]


def success() -> Obj:
    return {"metadata": {}, "status": "Success"}


def exited(code: int) -> Obj:
    """As kubectl reads it: the exit code is a cause."""
    if code == 0:
        return success()
    cause = {"reason": "ExitCode", "message": str(code)}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [cause]},
    }


def failed(message: str) -> Obj:
    return {"metadata": {}, "status": "Failure", "message": message, "reason": "InternalError", "code": 500}


async def join(channels: Channels, session: Streams, *, tty: bool) -> None:
    """Until the session's output ends or the client leaves."""
    feeding = asyncio.create_task(_feed(channels, session), name="input of a remote command")
    showing = asyncio.create_task(_show(channels, session, tty=tty), name="output of a remote command")
    try:
        await asyncio.wait({feeding, showing}, return_when=asyncio.FIRST_COMPLETED)
        if not showing.done() and not feeding.cancelled() and feeding.result():
            return  # the client has gone
        await showing
        await channels.finish(exited(await session.exit_code()))
    except RuntimeFailure as e:
        await channels.finish(failed(str(e)))
    finally:
        for task in (feeding, showing):
            task.cancel()
        await asyncio.gather(feeding, showing, return_exceptions=True)
        await session.aclose()


async def _feed(channels: Channels, session: Streams) -> bool:
    """True if the client has gone; a mere end of its input lets the output go on."""
    async for kind, data in channels.received():
        try:
            if kind == RESIZE:
                await _resize(session, data)
            elif data:
                await session.write(data)
            else:
                await session.close_stdin()
        except (OSError, RuntimeFailure) as e:
            log.debug("input of a remote command lost: %s", e)
    return True


async def _resize(session: Streams, data: bytes) -> None:
    with suppress(ValueError, KeyError):
        for line in data.splitlines():
            size = json.loads(line)
            await session.resize(width=int(size["Width"]), height=int(size["Height"]))


async def _show(channels: Channels, session: Streams, *, tty: bool) -> None:
    while True:
        kind, data = await session.read()
        if not kind:
            return
        await channels.send(STDERR if kind == 2 and not tty else STDOUT, data)


async def refuse(channels: Channels, message: str) -> None:
    await channels.finish(failed(message))


def wanted_channels(*, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> set[int]:
    """The SPDY streams that a client makes for such a request."""
    found = {STATUS}
    found |= {STDIN} if stdin else set()
    found |= {STDOUT} if stdout else set()
    found |= {STDERR} if stderr and not tty else set()
    return found | ({RESIZE} if tty else set())
