"""Documentation of fields from servers that have no OpenAPI v3."""

from __future__ import annotations

import argparse
import io
from typing import Any

import httpx

from kubectl.commands.explain import COMMAND
from kubectl.session import Session
from pocketkube.client.config import ClientConfig
from pocketkube.client.rest import Client

Obj = dict[str, Any]

WIDGET: Obj = {
    "description": "A thing.",
    "type": "object",
    "properties": {"size": {"type": "integer", "description": "How big."}},
    "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "Widget"}],
}
RESOURCE = {"name": "widgets", "singularName": "widget", "kind": "Widget", "namespaced": True, "verbs": ["get"]}
ANSWERS: dict[str, Obj] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "resources": [RESOURCE]},
    "/openapi/v2": {"definitions": {"v1.Widget": WIDGET}},
}


def answer(request: httpx.Request) -> httpx.Response:
    """An old server: what it does not know is a page of text."""
    found = ANSWERS.get(request.extensions["target"].decode())
    return httpx.Response(404, text="404 page not found") if found is None else httpx.Response(200, json=found)


async def test_the_older_document_serves() -> None:
    out = io.StringIO()
    session = Session(argparse.Namespace(), out=out)
    session.__dict__["client"] = Client(ClientConfig(server="http://old"), transport=httpx.MockTransport(answer))
    assert COMMAND.run is not None
    assert await COMMAND.run(session, argparse.Namespace(path="widget.size", recursive=False, api_version="")) == 0
    await session.close()
    assert "FIELD: size <integer>" in out.getvalue()
    assert "How big." in out.getvalue()
