"""OpenAPI v2 in one document, v3 in one a group and version. Made from the schemas when asked for, kept as bytes."""

from __future__ import annotations

import asyncio

from apiserver.api import Api
from apiserver.openapi import documents
from apiserver.request import Request, Response
from pocketkube.api.meta import errors

_PROTOBUF = b"application/com.github.proto-openapi.spec.v2@v1.0+protobuf"


async def v2(api: Api, request: Request) -> Response:
    made = documents.current(api.registry)
    accept = request.header(b"accept")
    if accept.startswith((_PROTOBUF, b"application/com.github.proto-openapi.spec.v2.v1.0+protobuf")):
        data, etag = await asyncio.to_thread(made.v2_protobuf)
        return _document(request, data, etag, b"application/com.github.proto-openapi.spec.v2.v1.0+protobuf")
    data, etag = await asyncio.to_thread(made.v2)
    return _document(request, data, etag, b"application/json")


async def v3_index(api: Api, request: Request) -> Response:
    data, etag = documents.current(api.registry).v3_index()
    return _document(request, data, etag, b"application/json")


async def v3(api: Api, request: Request, path: str) -> Response:
    """/openapi/v3/api/v1, /openapi/v3/apis/apps/v1"""
    found = await asyncio.to_thread(documents.current(api.registry).v3, path.strip("/"))
    if found is None:
        raise errors.NotFound("the server could not find the requested resource")
    data, etag = found
    if "hash" in request.query:
        headers = [(b"cache-control", b"public, immutable"), (b"etag", etag), (b"vary", b"Accept")]
        return Response(data, headers=headers)
    return _document(request, data, etag, b"application/json")


def _document(request: Request, data: bytes, etag: bytes, content_type: bytes) -> Response:
    headers = [(b"etag", etag), (b"vary", b"Accept")]
    if request.header(b"if-none-match") == etag:
        return Response(b"", status=304, content_type=content_type, headers=headers)
    return Response(data, content_type=content_type, headers=headers)
