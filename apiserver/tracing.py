"""Traces by W3C's `traceparent`: taken over from the client or begun here, passed on, and named where a request was slow.

Nothing is made before somebody asks: most requests never pay for a trace.
"""

from __future__ import annotations

import logging
import os
import re
from contextvars import ContextVar

from apiserver.flowcontrol.turns import LONG_RUNNING
from apiserver.request import Request

log = logging.getLogger(__name__)

SLOW_SECONDS = 0.5
HEADER = b"traceparent"
CURRENT: ContextVar[Request] = ContextVar("request")  # the one that is being answered

# version, trace, parent, flags; nothing but zeros is no id, and version ff does not exist
_FORM = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")


def trace_of(request: Request) -> tuple[str, str]:
    """(trace id, flags): the client's, or one that begins here."""
    if request.trace is None:
        given = _FORM.fullmatch(request.header(HEADER).strip())
        request.trace = (given[1].decode(), given[3].decode()) if given else (os.urandom(16).hex(), "00")
    return request.trace


def onward(request: Request | None = None) -> bytes:
    """The header's value for a call that is made to answer a request (None: the current one): a new span of its trace."""
    request = request or CURRENT.get(None)
    trace, flags = trace_of(request) if request is not None else (os.urandom(16).hex(), "00")
    return f"00-{trace}-{os.urandom(8).hex()}-{flags}".encode()


def given(request: Request) -> str:
    """The client's trace id, "" where it has none."""
    return trace_of(request)[0] if _FORM.fullmatch(request.header(HEADER).strip()) else ""


def slow(request: Request, seconds: float, code: int) -> None:
    """One line about a request that took long; streams are meant to."""
    info = request.info
    if info.verb in ("watch", "proxy") or info.subresource in LONG_RUNNING:
        return
    client = request.scope.get("client") or ("",)
    log.warning(
        'Trace[%s]: "%s" url:%s,user-agent:%s,client:%s,user:%s,verb:%s,code:%d (total time: %dms)',
        trace_of(request)[0], info.verb.capitalize(), request.path, request.user_agent, client[0], request.user.name,
        request.method, code, seconds * 1000,
    )  # fmt: skip
