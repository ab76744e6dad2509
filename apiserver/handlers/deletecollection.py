"""DELETE of a collection: everything that the selectors select, each as one deletion; several at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from apiserver.api import Api
from apiserver.decoding import writer_of
from apiserver.freshness import check_options, wait_for
from apiserver.handlers.delete import delete_options
from apiserver.registry import deletion
from apiserver.registry.resource import Resource
from apiserver.registry.writer import Writer
from apiserver.representation import respond_status
from apiserver.request import Request, Response
from apiserver.selecting import query_of
from apiserver.storage.cache import Entry
from pocketkube.api.meta import errors

_AT_ONCE = 8


async def handle(api: Api, request: Request, resource: Resource) -> Response:
    info = request.info
    check_options(request.query, watch=False)
    writer = writer_of(request, "DeleteOptions")
    options = await delete_options(request, writer)
    query = query_of(resource, info.namespace, labels=info.label_selector, fields=info.field_selector, name=info.name)
    await wait_for(api.registry, resource, "")
    limit = request.integer("limit") or 0
    found, _ = await resource.cache.select(query, limit=max(0, limit))
    await resource.load(found)
    pending = iter(found)
    await asyncio.gather(*(_delete_all(api, resource, writer, options, pending) for _ in range(_AT_ONCE)))
    details = {"kind": resource.plural} | ({"group": resource.group} if resource.group else {})
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
    return respond_status(request, status)


async def _delete_all(
    api: Api, resource: Resource, writer: Writer, options: dict[str, object], pending: Iterator[Entry]
) -> None:
    for entry in pending:
        await asyncio.sleep(0)  # one that needs no store would never wait
        try:
            await deletion.delete(
                api.registry,
                resource,
                writer,
                dict(options),
                namespace=entry.namespace,
                name=entry.name,
                of_collection=True,
            )
        except errors.NotFound:
            continue  # somebody else was faster
