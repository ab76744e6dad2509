"""What is left of the time of the request that is being answered: no webhook is waited for any longer."""

from __future__ import annotations

import asyncio

from apiserver import tracing
from pocketkube.api.meta import errors


def seconds_left() -> float:
    """Infinite where nobody waits for an answer."""
    request = tracing.CURRENT.get(None)
    return request.deadline - asyncio.get_running_loop().time() if request is not None else float("inf")


def check() -> None:
    """Raises Timeout where nothing is left: then no failure is to be ignored any more."""
    if seconds_left() <= 0:
        raise errors.Timeout("Timeout: request did not complete within requested timeout")
