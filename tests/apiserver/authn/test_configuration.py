"""The file of --authentication-config: what it may say, what is wrong with it, and that a change is taken while it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from apiserver.app import Server
from apiserver.authn import configuration
from apiserver.authn.oidc.settings import Mapping
from apiserver.authn.trusted import TrustedIssuers
from apiserver.configfile import BadFile
from apiserver.options import Options
from apiserver.storage.memory import MemoryStore
from tests.apiserver.authn.oidc_issuer import OidcIssuer
from tests.apiserver.server import running

Obj = dict[str, Any]


def entry(url: str = "https://i.example", **changes: Any) -> Obj:
    username = {"claim": "sub", "prefix": ""}
    return {"issuer": {"url": url, "audiences": ["client"]}, "claimMappings": {"username": username}, **changes}


def text(*jwt: Obj, version: str = "v1", **more: Any) -> str:
    head = {"apiVersion": f"apiserver.config.k8s.io/{version}", "kind": "AuthenticationConfiguration"}
    return yaml.safe_dump({**head, "jwt": list(jwt), **more})


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha1"])
def test_a_file(version: str) -> None:
    anonymous = {"enabled": True, "conditions": [{"path": "/livez"}]}
    found = configuration.parse(text(entry(), version=version, anonymous=anonymous))
    assert [issuer.url for issuer in found.issuers] == ["https://i.example"]
    assert found.issuers[0].username == Mapping(claim="sub")
    assert (found.anonymous, found.anonymous_paths) == (True, ("/livez",))


def issuer_with(**changes: Any) -> Obj:
    return entry(issuer={"url": "https://i.example", "audiences": ["client"], **changes})


def mapping(**changes: Any) -> Obj:
    return entry(claimMappings={"username": {"claim": "sub", "prefix": ""}, **changes})


@pytest.mark.parametrize(
    ("jwt", "wrong"),
    [
        pytest.param([issuer_with(url="")], "jwt[0].issuer.url: Required value: URL is required", id="no URL"),
        pytest.param([issuer_with(url="http://i.example")], "URL scheme must be https", id="not https"),
        pytest.param([issuer_with(url="https://a:b@i.example")], "must not contain a username", id="credentials"),
        pytest.param([issuer_with(url="https://i.example?a=b")], "must not contain a query", id="a query"),
        pytest.param([issuer_with(audiences=[])], "jwt[0].issuer.audiences: Required value", id="no audience"),
        pytest.param(
            [issuer_with(audiences=["a", "b"])], "audienceMatchPolicy must be MatchAny", id="several without a policy"
        ),
        pytest.param([issuer_with(certificateAuthority="x")], "certificateAuthority: Invalid value", id="no CA"),
        pytest.param(
            [issuer_with(discoveryURL="https://i.example")], "discoveryURL must be different from URL", id="same URL"
        ),
        pytest.param([entry(), entry()], "jwt[1].issuer.url: Duplicate value", id="an issuer twice"),
        pytest.param([mapping(username={})], "claimMappings.username: Required value", id="no name"),
        pytest.param([mapping(username={"claim": "sub"})], "username.prefix: Required value", id="no prefix"),
        pytest.param(
            [mapping(username={"claim": "sub", "expression": "claims.sub"})],
            "can't both be set",
            id="claim and expression",
        ),
        pytest.param([mapping(groups={"expression": "claims."})], "compilation failed", id="a broken expression"),
        pytest.param(
            [mapping(username={"expression": "claims.email"})], "claims.email_verified must be used", id="an address"
        ),
        pytest.param(
            [mapping(extra=[{"key": "K8s.io/x", "valueExpression": "'a'"}])], "must be lowercase", id="upper case"
        ),
        pytest.param([mapping(extra=[{"key": "x", "valueExpression": "'a'"}])], "domain-prefixed path", id="no domain"),
        pytest.param(
            [mapping(extra=[{"key": "a.k8s.io/x", "valueExpression": "'a'"}])], "reserved for Kubernetes", id="reserved"
        ),
        pytest.param([entry(claimValidationRules=[{}])], "claim or expression is required", id="an empty rule"),
        pytest.param([entry(userValidationRules=[{}])], "expression is required", id="an empty rule about users"),
    ],
)
def test_mistakes(jwt: list[Obj], wrong: str) -> None:
    with pytest.raises(ValueError, match="jwt") as caught:
        configuration.parse(text(*jwt))
    assert wrong in str(caught.value)


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param("", id="empty"),
        pytest.param("a: [", id="not YAML"),
        pytest.param("apiVersion: v1\nkind: AuthenticationConfiguration", id="another version"),
        pytest.param("apiVersion: apiserver.config.k8s.io/v1\nkind: Other", id="another kind"),
    ],
)
def test_files_that_are_none(broken: str) -> None:
    with pytest.raises(ValueError, match="AuthenticationConfiguration"):
        configuration.parse(broken)


def test_the_issuer_of_service_accounts_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "authentication.yaml"
    file.write_text(text(entry()))
    with pytest.raises(ValueError, match="URL must not overlap with disallowed issuers"):
        TrustedIssuers(file=str(file), own_issuers=["https://i.example"])


async def test_a_changed_file_is_taken_and_a_broken_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "authentication.yaml"
    async with OidcIssuer(tmp_path).serving() as issuer:

        def write(audience: str, prefix: str) -> None:
            given = {"url": issuer.url, "audiences": [audience], "certificateAuthority": issuer.ca}
            mappings = {"username": {"claim": "sub", "prefix": prefix}, "groups": {"claim": "groups", "prefix": ""}}
            file.write_text(text(entry(issuer=given, claimMappings=mappings)))

        write("client", "a:")
        async with running(tmp_path, authentication_config=str(file)) as admin:
            trusted = admin.server.trusted
            assert trusted is not None
            ann = admin.acting_as(issuer.token(groups=["system:masters"]))

            async def name() -> str:
                review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
                answer = await ann("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
                return str(answer.json()["status"]["userInfo"]["username"]) if answer.status == 201 else answer.message

            assert await name() == "a:ann"
            write("client", "b:")
            await trusted.look()
            assert await name() == "b:ann"
            file.write_text("broken: [")
            await trusted.look()
            assert await name() == "b:ann"
            write("somebody-else", "b:")
            await trusted.look()
            assert await name() == "Unauthorized"


@pytest.mark.parametrize(
    ("anonymous", "path", "status"),
    [
        pytest.param(
            {"enabled": True, "conditions": [{"path": "/livez"}]}, "/livez", 200, id="a path that is let through"
        ),
        pytest.param({"enabled": True, "conditions": [{"path": "/livez"}]}, "/api", 401, id="another path"),
        pytest.param({"enabled": True}, "/version", 200, id="every path"),
        pytest.param({"enabled": False}, "/version", 401, id="none"),
        pytest.param(None, "/version", 200, id="as the flag says"),
    ],
)
async def test_who_may_stay_anonymous(tmp_path: Path, anonymous: Obj | None, path: str, status: int) -> None:
    file = tmp_path / "authentication.yaml"
    file.write_text(text(anonymous=anonymous))
    async with running(tmp_path, authentication_config=str(file)) as admin:
        assert (await admin.acting_as("")("GET", path, authorization="")).status == status


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        pytest.param({"oidc_issuer_url": "https://i.example"}, "must be specified together", id="half of the flags"),
        pytest.param({"authentication_config": "/nowhere.yaml"}, "/nowhere.yaml: ", id="no file"),
        pytest.param({"authorization_config": "/nowhere.yaml"}, "/nowhere.yaml: ", id="no authorization file"),
        pytest.param({"authorization_mode": ("Webhook",)}, "config file not passed", id="no webhook"),
        pytest.param({"authorization_mode": ("ABAC",)}, "policy file not passed", id="no policies"),
        pytest.param({"authorization_mode": ("RBAC", "RBAC")}, "given twice", id="a mode twice"),
        pytest.param({"authorization_mode": ("Magic",)}, "is not a valid mode", id="no such mode"),
        pytest.param({"authentication_token_webhook_config_file": "/nowhere"}, "/nowhere", id="no kubeconfig"),
        pytest.param({"token_auth_file": "/nowhere"}, "/nowhere", id="no tokens"),
    ],
)
def test_what_makes_a_start_pointless_is_one_line(flags: dict[str, Any], words: str) -> None:
    with pytest.raises(BadFile) as refused:
        Server(Options(advertise_address="192.0.2.1", **flags), MemoryStore())
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
