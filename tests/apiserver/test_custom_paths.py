"""Paths and methods of custom resources that are a little off: what answers, and in which form."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver.server import Client
from tests.apiserver.test_custom import MERGE, WIDGETS, crd, define, widget

ALL = WIDGETS.replace("/namespaces/default", "")
NOWHERE = "404 page not found"
JSON = "application/json"


@pytest.mark.parametrize(
    ("method", "path", "media", "code", "words"),
    [
        pytest.param("PUT", ALL, JSON, 404, NOWHERE, id="put of all namespaces"),
        pytest.param("PATCH", f"{ALL}/w", MERGE, 404, NOWHERE, id="one of no namespace"),
        pytest.param("DELETE", ALL, JSON, 404, NOWHERE, id="deletion of all namespaces"),
        pytest.param("PUT", WIDGETS, JSON, 400, "name must be provided", id="put of a collection"),
        pytest.param("PATCH", WIDGETS, MERGE, 400, "name must be provided", id="patch of a collection"),
        pytest.param("PATCH", WIDGETS, JSON, 415, "unknown format", id="no patch of a collection"),
        pytest.param("GET", f"{WIDGETS}/w/zork", JSON, 404, 'widgets.example.com "w" not found', id="no such part"),
        pytest.param("PROPFIND", WIDGETS, JSON, 405, 'on resources of kind "widgets.example.com"', id="no such method"),
    ],
)
async def test_a_path_that_is_off(client: Client, method: str, path: str, media: str, code: int, words: str) -> None:
    await define(client, crd())
    body = widget() if method in ("PUT", "PATCH") else None
    answer = await client(method, path, body, media=media)
    assert (answer.status, words in answer.body.decode().replace("\\", "")) == (code, True), answer
    plain = answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert plain == (words == NOWHERE)


async def test_what_has_no_namespace_is_in_none(client: Client) -> None:
    sent: Any = crd()
    sent["spec"]["scope"] = "Cluster"
    await define(client, sent)
    assert (await client("GET", WIDGETS)).body.decode().strip() == NOWHERE


async def test_a_creation_may_name_its_object_in_the_path(client: Client) -> None:
    await define(client, crd())
    assert (await client("POST", f"{WIDGETS}/w", widget("w"))).status == 201
    assert (await client("GET", f"{WIDGETS}/w")).status == 200
