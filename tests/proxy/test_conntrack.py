"""Which flows the kernel must forget when a service changes."""

from __future__ import annotations

import socket

import pytest

from proxy.conntrack import Ways, is_stale, stale, target, way
from proxy.flows import Flow, Target

DNS, PORT, WEB = way("UDP", "10.96.0.10", 53), way("UDP", "", 30053), way("TCP", "10.96.0.7", 80)
A, B = target("10.244.0.5", 8080), target("10.244.0.6", 8080)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param({}, {DNS: frozenset({A})}, {DNS: None}, id="refused until now"),
        pytest.param({}, {WEB: frozenset({A})}, {}, id="refused TCP leaves nothing"),
        pytest.param({DNS: frozenset({A})}, {DNS: frozenset({A, B})}, {}, id="one more"),
        pytest.param({DNS: frozenset({A, B})}, {DNS: frozenset({B})}, {DNS: {A}}, id="one less"),
        pytest.param({WEB: frozenset({A, B})}, {WEB: frozenset({B})}, {WEB: {A}}, id="one less of TCP"),
        pytest.param({DNS: frozenset({A})}, {}, {DNS: {A}}, id="the last"),
        pytest.param({PORT: frozenset({A})}, {PORT: frozenset({B})}, {PORT: {A}}, id="node port"),
        pytest.param({DNS: frozenset({A})}, {DNS: frozenset({A})}, {}, id="the same"),
    ],
)
def test_what_is_stale(old: Ways, new: Ways, expected: dict[object, object]) -> None:
    assert stale([(old, new)]) == expected


def flow(to: str, port: int, target: Target, *, protocol: int = socket.IPPROTO_TCP, opening: bool = False) -> Flow:
    return Flow(protocol, socket.inet_aton(to), port, target, opening, b"")


GONE = {WEB: frozenset({A}), DNS: None, way("TCP", "", 30080): frozenset({A})}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(flow("10.96.0.7", 80, A, opening=True), True, id="unanswered, endpoint went"),
        pytest.param(flow("10.96.0.7", 80, A), False, id="answered"),
        pytest.param(flow("10.96.0.7", 80, B, opening=True), False, id="endpoint stays"),
        pytest.param(flow("10.96.0.7", 81, A, opening=True), False, id="another port"),
        pytest.param(flow("10.96.0.8", 80, A, opening=True), False, id="another service of that endpoint"),
        pytest.param(flow("192.168.7.7", 30080, A, opening=True), True, id="node port"),
        pytest.param(flow("192.168.7.7", 30080, B, opening=True), False, id="some other host's port of that number"),
        pytest.param(flow("10.96.0.10", 53, B, protocol=socket.IPPROTO_UDP), True, id="all flows of a way"),
        pytest.param(flow("10.96.0.10", 53, B, opening=True), False, id="the same port by TCP"),
    ],
)
def test_what_is_forgotten(found: Flow, expected: bool) -> None:
    assert is_stale(found, GONE) is expected
