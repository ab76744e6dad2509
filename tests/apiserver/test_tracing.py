"""Traces: taken over, begun, passed on, and named when a request was slow."""

from __future__ import annotations

import logging
import re

import pytest

from apiserver import tracing
from apiserver.request import Request
from tests.apiserver.server import Client

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def request(value: str = "", method: str = "GET") -> Request:
    headers = [(b"traceparent", value.encode())] if value else []

    async def unused(*_: object) -> dict[str, object]:
        return {}

    return Request({"method": method, "path": "/x", "headers": headers, "query_string": b""}, unused, unused)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param(f"00-{TRACE}-00f067aa0ba902b7-01", True, id="W3C's"),
        pytest.param(f"42-{TRACE}-00f067aa0ba902b7-01-more", True, id="a later version"),
        pytest.param(f"ff-{TRACE}-00f067aa0ba902b7-01", False, id="no version"),
        pytest.param(f"00-{'0' * 32}-00f067aa0ba902b7-01", False, id="no trace"),
        pytest.param(f"00-{TRACE}-{'0' * 16}-01", False, id="no parent"),
        pytest.param(f"00-{TRACE.upper()}-00f067aa0ba902b7-01", False, id="upper case"),
        pytest.param("nonsense", False, id="nonsense"),
        pytest.param("", False, id="none"),
    ],
)
def test_onward(value: str, kept: bool) -> None:
    asked = request(value)
    one, two = tracing.onward(asked).decode(), tracing.onward(asked).decode()
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", one)
    assert (one.split("-")[1] == TRACE) is kept
    assert tracing.given(asked) == (TRACE if kept else "")
    assert one.split("-")[1] == two.split("-")[1], "one trace"
    assert one.split("-")[2] != two.split("-")[2], "a span each"


def test_without_a_request() -> None:
    assert tracing.onward() != tracing.onward()


async def test_a_slow_request_is_logged(
    client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "SLOW_SECONDS", -1.0)
    with caplog.at_level(logging.WARNING, logger="apiserver.tracing"):
        await client.ok("GET", "/api/v1/namespaces", traceparent=f"00-{TRACE}-00f067aa0ba902b7-01", user_agent="me/1")
        async with client.watch("/api/v1/namespaces?watch=1"):
            pass
    (line,) = caplog.messages
    assert line.startswith(f'Trace[{TRACE}]: "List" url:/api/v1/namespaces,user-agent:me/1,client:127.0.0.1,user:admin')
    assert re.search(r"verb:GET,code:200 \(total time: \d+ms\)", line)
