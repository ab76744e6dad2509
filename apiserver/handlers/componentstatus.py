"""ComponentStatus: scheduler, controller manager and every etcd member, asked how they are when someone reads them."""

from __future__ import annotations

import asyncio
import ssl
from functools import cache
from typing import Any

import orjson

from apiserver.api import Api
from apiserver.freshness import check_options
from apiserver.registry.resource import Resource
from apiserver.representation import respond_list, respond_object
from apiserver.request import Request, Response
from apiserver.storage.cache import Entry
from apiserver.storage.entry import NO_LABELS
from apiserver.storage.interface import StoreError
from pocketkube.api.meta import errors
from pocketkube.api.meta.selectors import parse_field_selector, parse_label_selector

Obj = dict[str, Any]

SECONDS = 2.0  # for an answer
COMPONENTS = {"scheduler": 10259, "controller-manager": 10257}  # and their ports on this machine


async def get(api: Api, request: Request, resource: Resource) -> Response:
    name = request.info.name
    if name not in _names(api):
        raise errors.not_found("", resource.plural, name)
    obj = await _status(api, name)
    return respond_object(request, resource, orjson.dumps(obj), obj=obj, clock=api.registry.clock)


async def list_(api: Api, request: Request, resource: Resource) -> Response:
    check_options(request.query, watch=False)
    labels = request.info.label_selector
    if labels and not parse_label_selector(labels).matches({}):  # none of them has labels
        return respond_list(request, resource, [], {}, clock=api.registry.clock)
    terms = parse_field_selector(request.info.field_selector) if request.info.field_selector else ()
    names = [name for name in _names(api) if all(_selects(name, *term) for term in terms)]
    found = await asyncio.gather(*(_status(api, name) for name in names))
    entries = [
        Entry(obj["metadata"]["name"], orjson.dumps(obj), revision=0, labels=NO_LABELS, fields=()) for obj in found
    ]
    return respond_list(request, resource, entries, {}, clock=api.registry.clock)


def _selects(name: str, key: str, operator: str, value: str) -> bool:
    if key != "metadata.name":
        raise errors.BadRequest(f'"{key}" is not a known field selector: only "metadata.name", "metadata.namespace"')
    return (name == value) != (operator == "!=")


def _names(api: Api) -> list[str]:
    return [*COMPONENTS, *(f"etcd-{number}" for number in range(len(api.options.etcd_servers)))]


async def _status(api: Api, name: str) -> Obj:
    port = COMPONENTS.get(name)
    wrong = await (_etcd(api) if port is None else _component(port))
    condition = {"type": "Healthy", "status": "False" if wrong else "True", "message": wrong or "ok"}
    return {"kind": "ComponentStatus", "apiVersion": "v1", "metadata": {"name": name}, "conditions": [condition]}


async def _etcd(api: Api) -> str:
    """What is wrong with the store: one read tells."""
    try:
        async with asyncio.timeout(SECONDS):
            await api.registry.store.get("/registry/health")
    except (StoreError, TimeoutError) as failure:
        return str(failure) or "the store does not answer"
    return ""


@cache
def _any_certificate() -> ssl.SSLContext:
    """Trusts whoever answers, so that no authorities need to be read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def _component(port: int) -> str:
    """What is wrong with what serves /healthz on a port of this machine. Its certificate is its own."""
    shown = f'Get "https://127.0.0.1:{port}/healthz": '
    try:
        async with asyncio.timeout(SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=_any_certificate())
            try:
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                first = await reader.readline()
            finally:
                writer.close()
    except ConnectionRefusedError:
        return f"{shown}dial tcp 127.0.0.1:{port}: connect: connection refused"
    except (OSError, TimeoutError) as failure:
        return shown + (str(failure) or "timed out")
    answer = first.decode("latin-1").strip().partition(" ")[2]
    return "" if answer.startswith("200") else f"{shown}{answer or 'no answer'}"
