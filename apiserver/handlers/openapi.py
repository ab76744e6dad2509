"""OpenAPI v2 in one document, v3 in one a group and version. Made from the schemas when asked for, kept as bytes."""

from __future__ import annotations

import asyncio
import hashlib

import orjson

from apiserver.aggregation.documents import merged_v2
from apiserver.aggregation.service import Unreachable
from apiserver.api import Api
from apiserver.backends import BackendError
from apiserver.interfaces import NoSuchPath
from apiserver.openapi import documents
from apiserver.openapi.documents import Document
from apiserver.request import Request, Response
from pocketkube.api.meta import errors

_PROTOBUF = b"application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
_SERVED = b"application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

_merged: dict[tuple[int, bool], tuple[tuple[int, int], Document]] = {}


async def v2(api: Api, request: Request) -> Response:
    accept = request.header(b"accept")
    if accept and not any(
        name in accept for name in (b"*/*", b"application/*", b"application/json", _PROTOBUF, _SERVED)
    ):
        return Response(b"", status=406, headers=[(b"vary", b"Accept")])
    protobuf = accept.startswith((_PROTOBUF, _SERVED))
    data, etag = await asyncio.to_thread(_v2, api, protobuf)
    return _document(request, data, etag, _SERVED if protobuf else b"application/json")


def _v2(api: Api, protobuf: bool) -> Document:
    """Ours alone, or with what extension servers have said of theirs."""
    ours = documents.current(api.registry)
    services = [s for s in list(api.aggregation.services.values()) if s.openapi_v2]
    if not services:
        return ours.v2_protobuf() if protobuf else ours.v2()
    key, revision = (id(api.registry), protobuf), (api.registry.generation, api.aggregation.generation)
    made = _merged.get(key)
    if made is None or made[0] != revision:
        value = merged_v2(orjson.loads(ours.v2()[0]), services)
        if protobuf:
            from apiserver.openapi import gnostic

            data = gnostic.encode(value)
        else:
            data = orjson.dumps(value)
        made = _merged[key] = revision, (data, _etag(data))
    return made[1]


def _etag(data: bytes) -> bytes:
    return b'"%b"' % hashlib.sha512(data).hexdigest().upper().encode()


async def v3_index(api: Api, request: Request) -> Response:
    data, etag = documents.current(api.registry).v3_index()
    theirs = {
        key: {"serverRelativeURL": url}
        for service in api.aggregation.services.values()
        for key, url in service.openapi_v3.items()
    }
    if theirs:
        data = orjson.dumps({"paths": orjson.loads(data)["paths"] | theirs})
        etag = _etag(data)
    return _document(request, data, etag, b"application/json")


async def v3(api: Api, request: Request, path: str) -> Response:
    """/openapi/v3/api/v1, /openapi/v3/apis/apps/v1"""
    key = path.strip("/")
    found = await _theirs(api, key) or await asyncio.to_thread(documents.current(api.registry).v3, key)
    if found is None:
        raise NoSuchPath
    data, etag = found
    if "hash" in request.query:
        headers = [(b"cache-control", b"public, immutable"), (b"etag", etag), (b"vary", b"Accept")]
        return Response(data, headers=headers)
    return _document(request, data, etag, b"application/json")


async def _theirs(api: Api, key: str) -> Document | None:
    """The document of a group that another server answers. Raises ServiceUnavailable where it does not."""
    service = next((s for s in api.aggregation.services.values() if key in s.openapi_v3), None)
    if service is None:
        return None
    try:
        data = await api.aggregation.checker.openapi_v3(service, key)
    except (BackendError, TimeoutError, Unreachable) as failure:
        raise errors.ServiceUnavailable(f"error trying to reach service: {failure}") from None
    return data, _etag(data)


def _document(request: Request, data: bytes, etag: bytes, content_type: bytes) -> Response:
    headers = [(b"etag", etag), (b"vary", b"Accept")]
    if request.header(b"if-none-match") == etag:
        return Response(b"", status=304, content_type=content_type, headers=headers)
    return Response(data, content_type=content_type, headers=headers)
