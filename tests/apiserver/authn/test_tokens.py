"""Tokens as they are issued and as they come back: what they hold, when they stop holding."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest

from apiserver.authn import keys, serviceaccount
from apiserver.authn.bearer import InvalidToken
from apiserver.authn.serviceaccount import ServiceAccountTokens
from apiserver.authn.tokens import EXTENDED_SECONDS, TokenIssuer
from apiserver.memory_cluster import MemoryCluster

ISSUER = "https://kubernetes.default.svc.cluster.local"
ROBOT = {"metadata": {"name": "robot", "namespace": "shop", "uid": "sa-1"}}
POD = ("Pod", "web", "pod-1")


def verifier(cluster: MemoryCluster, *pems: bytes, audiences: tuple[str, ...] = ()) -> ServiceAccountTokens:
    return ServiceAccountTokens(cluster, pems, [ISSUER, "https://old.example"], audiences)


def claims_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def test_claims_are_those_of_a_bound_token(key: bytes) -> None:
    issuer = TokenIssuer(key, ISSUER, now=lambda: 1_800_000_000)
    token, expiry = issuer.issue(ROBOT, expiration_seconds=600, bound_object=POD, node=("n1", "node-1"))
    claims = claims_of(token)
    assert claims.pop("jti")
    assert claims == {
        "aud": [ISSUER],
        "exp": 1_800_000_600,
        "iat": 1_800_000_000,
        "nbf": 1_800_000_000,
        "iss": ISSUER,
        "sub": "system:serviceaccount:shop:robot",
        "kubernetes.io": {
            "namespace": "shop",
            "serviceaccount": {"name": "robot", "uid": "sa-1"},
            "pod": {"name": "web", "uid": "pod-1"},
            "node": {"name": "n1", "uid": "node-1"},
        },
    }
    assert expiry == datetime.fromtimestamp(1_800_000_600, UTC)
    header = jwt.get_unverified_header(token)
    assert header == {"alg": "RS256", "kid": keys.key_id(keys.public_keys(key)[0])}


@pytest.mark.parametrize(
    ("seconds", "bound", "audiences", "extended"),
    [
        pytest.param(3607, POD, None, True, id="a pod's own token lasts a year"),
        pytest.param(3600, POD, None, False, id="another duration is meant"),
        pytest.param(3607, None, None, False, id="unbound"),
        pytest.param(3607, POD, ["vault"], False, id="for someone else"),
    ],
)
def test_extension(
    key: bytes, seconds: int, bound: tuple[str, str, str] | None, audiences: list[str] | None, extended: bool
) -> None:
    issuer = TokenIssuer(key, ISSUER, now=lambda: 1000)
    token, expiry = issuer.issue(ROBOT, audiences=audiences, expiration_seconds=seconds, bound_object=bound)
    claims = claims_of(token)
    assert expiry.timestamp() == 1000 + seconds
    assert claims["exp"] == 1000 + (EXTENDED_SECONDS if extended else seconds)
    assert claims["kubernetes.io"].get("warnafter") == (1000 + seconds if extended else None)


async def test_round_trip(key: bytes, cluster: MemoryCluster) -> None:
    token, _ = TokenIssuer(key, ISSUER).issue(ROBOT, bound_object=POD, node=("n1", "node-1"))
    bearer = await verifier(cluster, key).authenticate(token)
    assert bearer is not None
    assert bearer.user.name == "system:serviceaccount:shop:robot"
    assert bearer.user.uid == "sa-1"
    assert bearer.user.groups == ("system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated")
    extra = {k.removeprefix("authentication.kubernetes.io/"): v for k, v in bearer.user.extra.items()}
    jti = claims_of(token)["jti"]
    assert extra == {
        "credential-id": (f"JTI={jti}",),
        "pod-name": ("web",),
        "pod-uid": ("pod-1",),
        "node-name": ("n1",),
        "node-uid": ("node-1",),
    }
    assert bearer.audiences == (ISSUER,)


@pytest.mark.parametrize(
    ("asked", "wanted", "matched"),
    [
        pytest.param(None, (), (ISSUER,), id="the API itself"),
        pytest.param(["vault", ISSUER], ("vault",), ("vault",), id="one of two"),
        pytest.param(["vault"], ("vault", "bank"), ("vault",), id="one of those wanted"),
        pytest.param(["vault"], (), None, id="not for the API"),
        pytest.param(None, ("vault",), None, id="not for the vault"),
    ],
)
async def test_audiences(
    key: bytes,
    cluster: MemoryCluster,
    asked: list[str] | None,
    wanted: tuple[str, ...],
    matched: tuple[str, ...] | None,
) -> None:
    token, _ = TokenIssuer(key, ISSUER).issue(ROBOT, audiences=asked)
    if matched is None:
        with pytest.raises(InvalidToken, match="audiences"):
            await verifier(cluster, key).authenticate(token, wanted)
        return
    bearer = await verifier(cluster, key).authenticate(token, wanted)
    assert bearer is not None and bearer.audiences == matched


@pytest.mark.parametrize(
    ("plural", "namespace", "name", "bound"),
    [
        pytest.param("serviceaccounts", "shop", "robot", None, id="service account"),
        pytest.param("pods", "shop", "web", POD, id="pod"),
        pytest.param("secrets", "shop", "held", ("Secret", "held", "secret-1"), id="secret"),
        pytest.param("nodes", "", "n1", ("Node", "n1", "node-1"), id="node"),
    ],
)
async def test_ends_with_what_it_is_bound_to(
    key: bytes, cluster: MemoryCluster, plural: str, namespace: str, name: str, bound: tuple[str, str, str] | None
) -> None:
    token, _ = TokenIssuer(key, ISSUER).issue(ROBOT, bound_object=bound)
    tokens = verifier(cluster, key)
    bearer = await tokens.authenticate(token)
    assert bearer is not None and bearer.holds is not None and bearer.holds()
    cluster.remove("", plural, namespace, name)
    assert not bearer.holds()
    with pytest.raises(InvalidToken, match="is gone"):
        await tokens.authenticate(token)
    again = {"metadata": {"name": name, "uid": "another"}}
    if namespace:
        again["metadata"]["namespace"] = namespace
    cluster.put("", plural, again)
    assert not bearer.holds()


@pytest.mark.parametrize(
    ("deleted", "holds"),
    [
        pytest.param("2999-01-01T00:00:00Z", True, id="a terminating pod still says goodbye"),
        pytest.param("2020-01-01T00:00:00Z", False, id="long past its deletion"),
    ],
)
async def test_terminating_pod(key: bytes, cluster: MemoryCluster, deleted: str, holds: bool) -> None:
    token, _ = TokenIssuer(key, ISSUER).issue(ROBOT, bound_object=POD)
    bearer = await verifier(cluster, key).authenticate(token)
    pod = {"metadata": {"name": "web", "namespace": "shop", "uid": "pod-1", "deletionTimestamp": deleted}, "spec": {}}
    cluster.put("", "pods", pod)
    assert bearer is not None and bearer.holds is not None
    assert bearer.holds() is holds


async def test_wrong_key_expired_and_strangers(key: bytes, other_key: bytes, cluster: MemoryCluster) -> None:
    good, _ = TokenIssuer(key, ISSUER).issue(ROBOT)
    with pytest.raises(InvalidToken):
        await verifier(cluster, other_key).authenticate(good)
    assert await verifier(cluster, other_key, key).authenticate(good)
    stale, _ = TokenIssuer(key, ISSUER, now=lambda: 1000).issue(ROBOT)
    with pytest.raises(InvalidToken, match="expired"):
        await verifier(cluster, key).authenticate(stale)
    early, _ = TokenIssuer(key, ISSUER, now=lambda: 99_999_999_999).issue(ROBOT)
    with pytest.raises(InvalidToken):
        await verifier(cluster, key).authenticate(early)
    stranger, _ = TokenIssuer(key, "https://elsewhere.example").issue(ROBOT)
    assert await verifier(cluster, key).authenticate(stranger) is None
    rotated, _ = TokenIssuer(key, "https://old.example", [ISSUER]).issue(ROBOT)
    assert await verifier(cluster, key).authenticate(rotated)


@pytest.mark.parametrize("token", ["", "abc", "a.b.c", "a.W10.c", "....", "eyJhbGciOiJub25lIn0.e30."])
async def test_no_jwt_of_ours(key: bytes, cluster: MemoryCluster, token: str) -> None:
    assert await verifier(cluster, key).authenticate(token) is None


async def test_none_and_hmac_algorithms_are_refused(key: bytes, cluster: MemoryCluster) -> None:
    claims = {"iss": ISSUER, "aud": [ISSUER], "exp": 99_999_999_999, "sub": "x"}
    unsigned = jwt.encode(claims, "", algorithm="none")
    with pytest.raises(InvalidToken):
        await verifier(cluster, key).authenticate(unsigned)
    by_secret = jwt.encode(claims, "not the key, but a secret of good length", algorithm="HS256")
    with pytest.raises(InvalidToken):
        await verifier(cluster, key).authenticate(by_secret)


async def test_legacy_token(key: bytes, cluster: MemoryCluster) -> None:
    prefix = "kubernetes.io/serviceaccount/"
    claims = {
        "iss": "kubernetes/serviceaccount",
        "sub": "system:serviceaccount:shop:robot",
        prefix + "namespace": "shop",
        prefix + "secret.name": "robot-token",
        prefix + "service-account.name": "robot",
        prefix + "service-account.uid": "sa-1",
    }
    token = jwt.encode(claims, keys.private_key(key), algorithm="RS256")
    tokens = verifier(cluster, key)
    with pytest.raises(InvalidToken, match="invalidated"):
        await tokens.authenticate(token)
    data = {"token": base64.b64encode(token.encode()).decode()}
    cluster.put("", "secrets", {"metadata": {"name": "robot-token", "namespace": "shop"}, "data": data})
    bearer = await tokens.authenticate(token)
    assert bearer is not None and bearer.user.uid == "sa-1" and bearer.holds is not None
    kept = cluster.get("", "secrets", "shop", "robot-token")
    assert kept is not None
    assert kept["metadata"]["labels"][serviceaccount.LAST_USED] == datetime.now(UTC).date().isoformat()
    kept["metadata"]["labels"][serviceaccount.INVALID_SINCE] = "2026-01-01"
    with pytest.raises(InvalidToken, match="has been marked invalid"):
        await tokens.authenticate(token)
    cluster.remove("", "secrets", "shop", "robot-token")
    assert not bearer.holds()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"exp": -90}, "service account token has expired", id="expired"),
        pytest.param({"exp": -30}, "", id="clocks may differ by a minute"),
        pytest.param({"nbf": 90}, "service account token is not valid yet", id="not yet"),
        pytest.param({"iat": 90}, "service account token is issued in the future", id="from the future"),
        pytest.param({"nbf": 30, "iat": 30}, "", id="a little early"),
    ],
)
async def test_times(key: bytes, cluster: MemoryCluster, changes: dict[str, int], why: str) -> None:
    """Offsets in seconds from now."""
    issued, _ = TokenIssuer(key, ISSUER).issue(ROBOT, bound_object=POD)
    now = int(datetime.now(UTC).timestamp())
    claims = claims_of(issued) | {name: now + offset for name, offset in changes.items()}
    token = jwt.encode(claims, keys.private_key(key), algorithm="RS256")
    if why:
        with pytest.raises(InvalidToken, match=why):
            await verifier(cluster, key).authenticate(token)
    else:
        assert await verifier(cluster, key).authenticate(token)
