"""Tokens that another server judges: what it is sent, what its answers mean, how long they are kept."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from apiserver.authn.bearer import InvalidToken
from apiserver.authn.webhook import WebhookTokens
from apiserver.remote import Remote
from pocketkube.client import config as clients
from tests.apiserver.https_server import HttpsServer
from tests.apiserver.server import running

Obj = dict[str, Any]
API = ("https://api",)


class Judge(HttpsServer):
    """The other server, and the remotes that ask it."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.remotes: list[Remote] = []

    def judge(self, status: Obj, *, code: int = 200, **changes: Any) -> WebhookTokens:
        self.replies["/judge"] = lambda call: (code, {**call.json(), "status": status})
        self.remotes.append(Remote(clients.load(str(self.kubeconfig("/judge"))), first_wait=0.001))
        return WebhookTokens(self.remotes[-1], **{"version": "v1", "audiences": API, **changes})


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Judge]:
    found = Judge(tmp_path)
    async with found.serving():
        yield found
        for remote in found.remotes:
            await remote.close()


ANN = {"authenticated": True, "user": {"username": "ann", "uid": "7", "groups": ["dev"], "extra": {"a/b": ["c"]}}}


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_what_is_sent_and_what_becomes_of_the_answer(server: Judge, version: str) -> None:
    tokens = server.judge(ANN, version=version)
    bearer = await tokens.authenticate("secret")
    assert bearer is not None
    user = bearer.user
    assert (user.name, user.uid, user.groups, user.extra) == (
        "ann",
        "7",
        ("dev", "system:authenticated"),
        {"a/b": ("c",)},
    )
    assert bearer.audiences == API
    sent = server.seen[0].json()
    assert (sent["apiVersion"], sent["kind"]) == (f"authentication.k8s.io/{version}", "TokenReview")
    assert sent["spec"] == {"token": "secret", "audiences": list(API)}


async def test_answers_are_kept_for_a_while(server: Judge) -> None:
    now = [0.0]
    tokens = server.judge({"authenticated": False}, seconds=10, now=lambda: now[0])
    assert [await tokens.authenticate("secret") for _ in range(3)] == [None] * 3
    assert len(server.seen) == 1
    now[0] = 11
    await tokens.authenticate("secret")
    await tokens.authenticate("another")
    assert len(server.seen) == 3


async def test_an_error_is_said_and_not_kept(server: Judge) -> None:
    tokens = server.judge({"authenticated": False, "error": "not today"})
    for _ in range(2):
        with pytest.raises(InvalidToken, match="not today"):
            await tokens.authenticate("secret")
    assert len(server.seen) == 2


@pytest.mark.parametrize(("code", "asked"), [pytest.param(500, 5, id="asked again"), pytest.param(403, 1, id="final")])
async def test_a_server_that_fails(server: Judge, code: int, asked: int) -> None:
    tokens = server.judge({}, code=code)
    with pytest.raises(InvalidToken, match=f"status code {code}"):
        await tokens.authenticate("secret")
    assert len(server.seen) == asked


async def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    server = Judge(tmp_path)
    server.url = "https://127.0.0.1:1"
    with pytest.raises(InvalidToken, match=r"127\.0\.0\.1:1"):
        await server.judge({}).authenticate("secret")
    await server.remotes[0].close()


@pytest.mark.parametrize(
    ("wanted", "answered", "matched"),
    [
        pytest.param(("vault",), ["vault", "x"], ("vault",), id="the server knows them"),
        pytest.param(("vault",), ["x"], None, id="for others"),
        pytest.param(("vault",), [], None, id="it does not know: for the API alone"),
        pytest.param(("https://api", "vault"), [], ("https://api",), id="the API is one of them"),
    ],
)
async def test_audiences(
    server: Judge, wanted: tuple[str, ...], answered: list[str], matched: tuple[str, ...] | None
) -> None:
    bearer = await server.judge({**ANN, "audiences": answered}).authenticate("secret", wanted)
    assert (bearer.audiences if bearer else None) == matched


async def test_a_server_with_the_flag(server: Judge, tmp_path: Path) -> None:
    known = {"username": "ann", "groups": ["system:masters"]}
    server.replies["/judge"] = lambda call: (
        200,
        {"status": {"authenticated": True, "user": known} if call.json()["spec"]["token"] == "good" else {}},
    )
    file = server.kubeconfig("/judge", token="our-secret")
    async with running(tmp_path, authentication_token_webhook_config_file=str(file)) as admin:
        assert (await admin.acting_as("good")("GET", "/api/v1/nodes")).status == 200
        assert (await admin.acting_as("bad")("GET", "/api/v1/nodes")).status == 401
    assert server.seen[0].json()["apiVersion"] == "authentication.k8s.io/v1beta1"
    assert server.seen[0].headers["authorization"] == "Bearer our-secret"
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", server.seen[0].headers["traceparent"])
