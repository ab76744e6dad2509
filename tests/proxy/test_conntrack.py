"""Which UDP flows the kernel must forget when a service changes."""

from __future__ import annotations

import pytest

from proxy.conntrack import Ways, stale, to_address, to_node_port

DNS, PORT = to_address("10.96.0.10"), to_node_port(30053)
A, B = "10.244.0.5", "10.244.0.6"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param({}, {DNS: frozenset({A})}, {DNS}, id="refused until now"),
        pytest.param({DNS: frozenset({A})}, {DNS: frozenset({A, B})}, set(), id="one more"),
        pytest.param({DNS: frozenset({A, B})}, {DNS: frozenset({B})}, {(*DNS, "--dst-nat", A)}, id="one less"),
        pytest.param({DNS: frozenset({A})}, {}, {(*DNS, "--dst-nat", A)}, id="the last"),
        pytest.param({PORT: frozenset({A})}, {PORT: frozenset({B})}, {(*PORT, "--dst-nat", A)}, id="node port"),
        pytest.param({DNS: frozenset({A})}, {DNS: frozenset({A})}, set(), id="the same"),
    ],
)
def test_what_is_stale(old: Ways, new: Ways, expected: set[tuple[str, ...]]) -> None:
    assert set(stale(old, new)) == expected
