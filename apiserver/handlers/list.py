"""LIST: what the selectors select, at one revision, whole or in pages.

A first page comes from the cache, the pages behind it from the store at the revision that the token holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from apiserver.api import Api
from apiserver.freshness import ANY, check_options, revision_of, too_large, wait_for
from apiserver.handlers import continuation
from apiserver.registry.resource import Resource
from apiserver.representation import answer_list, respond_whole, shares
from apiserver.request import Request, Response
from apiserver.selecting import query_of
from apiserver.storage.cache import Entry, Query
from apiserver.storage.entries import Entries
from apiserver.storage.interface import Compacted, FutureRevision, Page
from pocketkube.api.meta import errors

Obj = dict[str, Any]

_CHUNK = 500  # objects that are read at once from the store


async def handle(api: Api, request: Request, resource: Resource) -> Response:
    info, params = request.info, request.query
    version = params.get("resourceVersion", "")
    limit = 0
    if params:
        check_options(params, watch=False)
        limit = max(0, request.integer("limit") or 0)
        request.integer("timeoutSeconds")  # nothing here takes long, yet it must be a number
    query = query_of(resource, info.namespace, labels=info.label_selector, fields=info.field_selector, name=info.name)
    if token := params.get("continue"):
        revision, start = continuation.decode(token)
        if version not in ("", ANY):
            raise errors.BadRequest("specifying resource version is not allowed when using continue")
        found, meta = await _from_store(api, resource, query, limit, revision, start)
    elif version not in ("", ANY) and _exact(params.get("resourceVersionMatch", ""), limit):
        found, meta = await _from_store(api, resource, query, limit, revision_of(version), "")
    else:
        await wait_for(api.registry, resource, version)
        if not limit and query.unselective and shares(request, resource):
            return await respond_whole(resource, query.namespace, {"resourceVersion": str(resource.cache.current)})
        found, meta = await _from_cache(resource, query, limit)
    await resource.load(found)
    return await answer_list(request, resource, found, meta, clock=api.registry.clock)


def _exact(match: str, limit: int) -> bool:
    return match == "Exact" or (not match and limit > 0)


async def _from_cache(resource: Resource, query: Query, limit: int) -> tuple[Sequence[Entry], Obj]:
    revision = resource.cache.current
    meta: Obj = {"resourceVersion": str(revision)}
    found: Sequence[Entry]
    if limit and query.unselective:
        found, left = resource.cache.page(query.namespace, limit)
    else:
        found, more = await resource.cache.select(query, limit=limit)
        left = int(more)
    if left:
        _more(meta, query, revision, found[-1].key, left)
    return found, meta


def _more(meta: Obj, query: Query, revision: int, last: str, left: int) -> None:
    meta["continue"] = continuation.encode(revision, last + "\0")
    if query.unselective:
        meta["remainingItemCount"] = left


async def _from_store(
    api: Api, resource: Resource, query: Query, limit: int, revision: int, start: str
) -> tuple[Sequence[Entry], Obj]:
    """At a revision of the past (-1: now), from the key `start` on. Raises Expired where it was compacted away."""
    prefix = resource.prefix + (f"{query.namespace}/" if query.namespace else "")
    begin = resource.prefix + start if start else ""
    selects = Entries(tuple(resource.stored.selectable), namespaced=resource.namespaced).test(query)
    found: list[Entry] = []
    at = max(revision, 0)
    while True:
        page = await _page(api, resource, prefix, begin, at, limit)
        at = at or page.revision
        for number, item in enumerate(page.items, 1):
            if number % _CHUNK == 0:
                await asyncio.sleep(0)
            entry = api.registry.entry(resource, item)
            if selects is None or selects(entry):
                found.append(entry)
            if limit and len(found) >= limit:
                break
        if not page.more or (limit and len(found) >= limit):
            break
        begin = page.items[-1].key + "\0"
    meta: Obj = {"resourceVersion": str(at)}
    behind = _behind(page, found, resource) if limit else 0
    if behind:
        _more(meta, query, at, found[-1].key, behind)
    return found, meta


async def _page(api: Api, resource: Resource, prefix: str, begin: str, revision: int, limit: int) -> Page:
    try:
        return await api.registry.store.list(prefix, limit=max(limit, _CHUNK), start=begin, revision=revision)
    except Compacted:
        start = begin[len(resource.prefix) :] if begin else ""
        raise continuation.expired(start) from None
    except FutureRevision:
        raise too_large(revision, resource.cache.current, retry_seconds=0) from None


def _behind(page: Page, found: list[Entry], resource: Resource) -> int:
    """How many objects lie behind the last one found."""
    if not found:
        return 0
    last = resource.prefix + found[-1].key
    return page.remaining + sum(item.key > last for item in page.items)
