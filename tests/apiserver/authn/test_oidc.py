"""ID tokens of a real issuer over TLS: what is accepted, what becomes of the claims, and how keys are found again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from apiserver.authn.bearer import InvalidToken
from apiserver.authn.oidc import settings
from apiserver.authn.oidc.settings import Issuer, Mapping, Rule
from apiserver.authn.oidc.tokens import IdTokens
from tests.apiserver.authn.oidc_issuer import CONFIGURATION, KEYS, OidcIssuer
from tests.apiserver.server import running


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[OidcIssuer]:
    async with OidcIssuer(tmp_path).serving() as found:
        yield found


def trusting(issuer: OidcIssuer, **changes: Any) -> IdTokens:
    """Verifies the issuer's tokens for `client`."""
    return IdTokens(Issuer(**{"url": issuer.url, "audiences": ("client",), "ca": issuer.ca, **changes}))


async def test_a_token_becomes_a_subject(issuer: OidcIssuer) -> None:
    tokens = trusting(
        issuer, groups=Mapping(claim="groups", prefix="oidc:"), username=Mapping(claim="sub", prefix="o:")
    )
    bearer = await tokens.authenticate(issuer.token(groups=["dev", "ops"], jti="j1"))
    assert bearer is not None
    assert bearer.user.name == "o:ann"
    assert bearer.user.groups == ("oidc:dev", "oidc:ops", "system:authenticated")
    assert bearer.user.extra == {"authentication.kubernetes.io/credential-id": ("JTI=j1",)}
    await tokens.close()


async def test_tokens_of_others_are_left_to_others(issuer: OidcIssuer) -> None:
    tokens = trusting(issuer)
    assert await tokens.authenticate(issuer.token(iss="https://other.example")) is None
    assert await tokens.authenticate("no-jwt") is None
    assert not issuer.server.seen


NOW = time.time()


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        pytest.param({"aud": "other"}, 'expected audience in "client" got', id="another audience"),
        pytest.param({"aud": None}, "expected audience", id="no audience"),
        pytest.param({"exp": int(NOW) - 1}, "oidc: token is expired (Token Expiry: ", id="expired"),
        pytest.param({"exp": None}, "the token has no expiry", id="no expiry"),
        pytest.param({"nbf": int(NOW) + 900}, "before the nbf (not before) time", id="not yet"),
        pytest.param({"sub": None}, 'parse username claims "sub": claim not present', id="no name"),
        pytest.param({"sub": 7}, "the claim is not a string", id="a number for a name"),
        pytest.param({"groups": 7}, 'parse groups claim "groups"', id="a number for groups"),
        pytest.param({"hd": "example.org"}, "required claim hd value does not match", id="a required claim differs"),
        pytest.param({"hd": None}, "required claim hd not present in ID token", id="a required claim is missing"),
    ],
)
async def test_bad_tokens(issuer: OidcIssuer, claims: dict[str, Any], why: str) -> None:
    rules = (Rule(claim="hd", value="example.com"),)
    tokens = trusting(issuer, groups=Mapping(claim="groups"), claim_rules=rules)
    with pytest.raises(InvalidToken, match="oidc: ") as caught:
        await tokens.authenticate(issuer.token(**{"hd": "example.com", **claims}))
    assert why in str(caught.value)
    await tokens.close()


async def test_clocks_may_differ_a_little(issuer: OidcIssuer) -> None:
    tokens = trusting(issuer)
    assert await tokens.authenticate(issuer.token(nbf=int(time.time()) + 200, iat=int(time.time()) + 200))
    await tokens.close()


async def test_signatures(issuer: OidcIssuer) -> None:
    tokens = trusting(issuer, algorithms=("RS256",))
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    good = issuer.token()
    known_id = {"kid": jwt.get_unverified_header(good)["kid"]}
    for bad in (issuer.token(key=stranger), issuer.token(key=stranger, headers=known_id), good[:-8] + "AAAAAAAA"):
        with pytest.raises(InvalidToken, match="failed to verify"):
            await tokens.authenticate(bad)
    payload = good.split(".")[1]
    for forged in (f"eyJhbGciOiJub25lIn0.{payload}.", f"eyJhbGciOiJIUzI1NiJ9.{payload}.AAAA"):
        with pytest.raises(InvalidToken, match="unsupported algorithm"):
            await tokens.authenticate(forged)
    with pytest.raises(InvalidToken, match="malformed jwt"):
        await tokens.authenticate(f"%%.{payload}.AAAA")
    assert await tokens.authenticate(good)
    await tokens.close()


async def test_rotated_keys_are_found_at_once_and_known_ones_are_not_asked_for(issuer: OidcIssuer) -> None:
    tokens = trusting(issuer)
    for _ in range(3):
        assert await tokens.authenticate(issuer.token())
    assert issuer.asked(KEYS) == 1
    issuer.rotate(elliptic=True)
    assert await tokens.authenticate(issuer.token())
    assert (issuer.asked(KEYS), issuer.asked(CONFIGURATION)) == (2, 1)
    await tokens.close()


async def test_many_tokens_at_once_ask_the_issuer_once(issuer: OidcIssuer) -> None:
    tokens = trusting(issuer)
    assert all(await asyncio.gather(*(tokens.authenticate(issuer.token(sub=f"u{i}")) for i in range(20))))
    assert issuer.asked(KEYS) == 1
    await tokens.close()


async def test_an_issuer_must_be_whom_it_says(issuer: OidcIssuer) -> None:
    issuer.name = "https://impostor.example"
    tokens = trusting(issuer)
    with pytest.raises(InvalidToken, match="issuer did not match the issuer returned by provider"):
        await tokens.authenticate(issuer.token())
    issuer.name = ""
    assert await tokens.authenticate(issuer.token())
    await tokens.close()


async def test_another_ca_is_not_trusted(issuer: OidcIssuer, tmp_path: Path) -> None:
    tokens = trusting(issuer, ca=issuer.server.pki.stranger.read_text())
    with pytest.raises(InvalidToken, match="CERTIFICATE_VERIFY_FAILED"):
        await tokens.authenticate(issuer.token())
    await tokens.close()


EMAIL = Mapping(claim="email")


@pytest.mark.parametrize(
    ("claims", "accepted"),
    [
        pytest.param({"email_verified": True}, True, id="verified"),
        pytest.param({}, True, id="not said"),
        pytest.param({"email_verified": False}, False, id="not verified"),
        pytest.param({"email_verified": "yes"}, False, id="no boolean"),
    ],
)
async def test_an_address_must_be_verified(issuer: OidcIssuer, claims: dict[str, Any], accepted: bool) -> None:
    tokens = trusting(issuer, username=EMAIL)
    token = issuer.token(email="ann@example.com", **claims)
    if accepted:
        bearer = await tokens.authenticate(token)
        assert bearer is not None
        assert bearer.user.name == "ann@example.com"
    else:
        with pytest.raises(InvalidToken, match="email"):
            await tokens.authenticate(token)
    await tokens.close()


async def test_expressions(issuer: OidcIssuer) -> None:
    tokens = trusting(
        issuer,
        username=Mapping(expression="'x:' + claims.sub"),
        groups=Mapping(expression="claims.roles.split(',')"),
        uid=Mapping(expression="claims.oid"),
        extra=(("example.com/tenant", "claims.?tenant.orValue('')"), ("example.com/all", "claims.list")),
        claim_rules=(Rule(expression="claims.exp - claims.iat <= 86400", message="total lifetime too long"),),
        user_rules=(Rule(expression="!user.username.startsWith('system:')", message="reserved"),),
    )
    bearer = await tokens.authenticate(issuer.token(roles="a,b", oid="42", list=["p", "q"]))
    assert bearer is not None
    assert (bearer.user.name, bearer.user.uid) == ("x:ann", "42")
    assert bearer.user.groups == ("a", "b", "system:authenticated")
    assert bearer.user.extra == {"example.com/all": ("p", "q")}
    with pytest.raises(InvalidToken, match="total lifetime too long"):
        await tokens.authenticate(issuer.token(roles="", oid="1", list=[], exp=int(time.time()) + 90000))
    await tokens.close()


async def test_distributed_groups(issuer: OidcIssuer) -> None:
    issuer.server.replies["/groups"] = lambda call: (
        (200, issuer.token(groups=["far"]).encode())
        if call.headers.get("authorization") == "Bearer let-me"
        else (401, {})
    )
    source = {"endpoint": issuer.url + "/groups", "access_token": "let-me"}
    tokens = trusting(issuer, groups=Mapping(claim="groups"))
    token = issuer.token(_claim_names={"groups": "s"}, _claim_sources={"s": source})
    bearer = await tokens.authenticate(token)
    assert bearer is not None
    assert bearer.user.groups == ("far", "system:authenticated")
    refused = issuer.token(_claim_names={"groups": "s"}, _claim_sources={"s": {**source, "access_token": "no"}})
    with pytest.raises(InvalidToken, match="while getting the distributed claim"):
        await tokens.authenticate(refused)
    await tokens.close()


@pytest.mark.parametrize(
    ("flags", "prefix"),
    [
        pytest.param({}, "https://i.example#", id="by default the issuer"),
        pytest.param({"username_claim": "email"}, "", id="an address needs none"),
        pytest.param({"username_prefix": "-"}, "", id="none"),
        pytest.param({"username_prefix": "o:"}, "o:", id="given"),
    ],
)
def test_prefixes_of_names(flags: dict[str, str], prefix: str) -> None:
    assert settings.of_flags("https://i.example", "client", **flags).username.prefix == prefix


@pytest.mark.parametrize(
    ("url", "client", "more"),
    [
        pytest.param("https://i.example", "", {}, id="no client"),
        pytest.param("http://i.example", "client", {}, id="not https"),
        pytest.param("https://i.example", "client", {"algorithms": ["HS256"]}, id="a symmetric algorithm"),
        pytest.param("https://i.example", "client", {"required_claims": ["x"]}, id="a claim without a value"),
    ],
)
def test_flags_that_contradict_each_other(url: str, client: str, more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"oidc|https"):
        settings.of_flags(url, client, **more)


async def test_a_server_with_the_flags(issuer: OidcIssuer, tmp_path: Path) -> None:
    flags: dict[str, Any] = {
        "oidc_issuer_url": issuer.url,
        "oidc_client_id": "client",
        "oidc_ca_file": str(issuer.server.pki.ca),
        "oidc_groups_claim": "groups",
        "oidc_username_prefix": "oidc:",
    }
    async with running(tmp_path, **flags) as admin:
        ann = admin.acting_as(issuer.token(groups=["system:masters"]))
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        found = await ann.ok("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
        assert found["status"]["userInfo"]["username"] == "oidc:ann"
        assert (await ann("GET", "/api/v1/nodes")).status == 200
        late = admin.acting_as(issuer.token(exp=1))
        refused = await late("GET", "/api/v1/nodes")
        assert (refused.status, refused.message, refused.json()["reason"]) == (401, "Unauthorized", "Unauthorized")
        question = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": issuer.token(aud="other")},
        }
        answered = await admin.ok("POST", "/apis/authentication.k8s.io/v1/tokenreviews", question)
        assert "authenticated" not in answered["status"]
        assert "expected audience" in answered["status"]["error"]
