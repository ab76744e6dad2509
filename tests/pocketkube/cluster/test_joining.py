"""Tokens, and what a machine checks before it joins."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json

import pytest

from pocketkube.cluster import joining, tokens
from pocketkube.cluster.errors import ClusterError
from pocketkube.cluster.spec import Joined

TOKEN = "abcdef.0123456789abcdef"
NOW = dt.datetime(2026, 11, 21, 5, 0, 0, tzinfo=dt.UTC)
CLUSTER = Joined(
    server="https://10.0.0.1:6443", pod_cidr="10.244.0.0/16", service_cidr="10.96.0.0/12", dns_ip="10.96.0.10",
    domain="cluster.local",
)  # fmt: skip


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signature(content: str, token: str = TOKEN, algorithm: str = "HS256") -> str:
    """As the controller manager signs."""
    name, key = token.split(".")
    header = encode(json.dumps({"alg": algorithm, "kid": name}).encode())
    mac = hmac.new(key.encode(), f"{header}.{encode(content.encode())}".encode(), hashlib.sha256).digest()
    return f"{header}..{encode(mac)}"


@pytest.mark.parametrize(
    ("given", "believed"),
    [
        pytest.param(signature("text"), True, id="signed"),
        pytest.param(signature("other"), False, id="other content"),
        pytest.param(signature("text", "abcdef.aaaaaaaaaaaaaaaa"), False, id="other secret"),
        pytest.param(signature("text", "fedcba.0123456789abcdef"), False, id="other id"),
        pytest.param(signature("text", algorithm="none"), False, id="no algorithm"),
        pytest.param("junk", False, id="no signature at all"),
    ],
)
def test_only_a_holder_of_the_token_is_believed(given: str, believed: bool) -> None:
    assert tokens.signed("text", given, token=TOKEN) is believed


@pytest.mark.parametrize("bad", ["", "abcdef", "ABCDEF.0123456789abcdef", "abcdef.0123456789abcde", TOKEN + "0"])
def test_a_malformed_token_is_refused(bad: str) -> None:
    with pytest.raises(ClusterError, match="a token is 6 letters"):
        tokens.parse(bad)


def test_new_tokens_are_well_formed_and_differ() -> None:
    made = {tokens.new() for _ in range(50)}
    assert len(made) == 50 and all(tokens.parse(t) for t in made)


def test_the_secret_of_a_token_expires() -> None:
    made = tokens.secret(TOKEN, ttl=tokens.seconds("24h"), now=NOW)
    assert made["metadata"]["name"] == "bootstrap-token-abcdef"
    assert made["stringData"]["expiration"] == "2026-11-22T05:00:00Z"
    assert "expiration" not in tokens.secret(TOKEN, ttl=0, now=NOW)["stringData"]


@pytest.mark.parametrize(
    ("there", "said"),
    [
        pytest.param("2026-11-21T05:05:00Z", "5m0s behind", id="behind"),
        pytest.param("Sat, 21 Nov 2026 04:50:30 GMT", "9m30s ahead of", id="ahead, as HTTP writes it"),
    ],
)
def test_a_clock_that_is_minutes_off_is_told(there: str, said: str) -> None:
    with pytest.raises(ClusterError, match=said):
        joining.check_clock(there, NOW)


@pytest.mark.parametrize("there", ["", "2026-11-21T05:00:59Z", "Sat, 21 Nov 2026 04:59:01 GMT"])
def test_a_clock_that_is_nearly_right_is_right(there: str) -> None:
    joining.check_clock(there, NOW)


@pytest.mark.parametrize(
    ("local", "said"),
    [
        pytest.param(
            ["10.244.7.0/24"], "pods have addresses in 10.244.0.0/16, which overlaps 10.244.7.0/24", id="pods"
        ),
        pytest.param(["10.0.0.0/8"], "overlaps 10.0.0.0/8", id="a wider network"),
        pytest.param(["10.100.0.1/32"], "services have addresses in 10.96.0.0/12", id="services"),
    ],
)
def test_overlapping_networks_are_refused(local: list[str], said: str) -> None:
    with pytest.raises(ClusterError, match=said):
        joining.check_networks(CLUSTER, local=local, server_ip="192.0.2.1")


def test_networks_apart_are_fine() -> None:
    joining.check_networks(CLUSTER, local=["192.168.0.0/16", "10.0.0.0/24", "fe80::/64"], server_ip="10.0.0.1")
