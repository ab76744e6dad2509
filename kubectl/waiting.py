"""Waiting for objects to change, by watch: an update is seen when it happens."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

from kubectl.errors import CommandError
from kubectl.resolve import Target
from kubectl.session import Session
from pocketkube.api.meta.errors import Gone, NotFound
from pocketkube.base import durations
from pocketkube.client.rest import typed

Obj = dict[str, Any]

_NUMBER = re.compile(r"-?\d+(\.\d+)?").fullmatch


def duration(text: str) -> float:
    """`1m30s` in seconds; a bare number is seconds. Raises CommandError."""
    try:
        return float(text) if _NUMBER(text) else durations.parse(text)
    except ValueError as e:
        raise CommandError(f'invalid duration "{text}"') from e


async def states(session: Session, target: Target) -> AsyncIterator[Obj | None]:
    """The object now and after each change; None once it is gone. Goes on over ended watches, for ever."""
    client, r = session.client, target.resource
    params = {"fieldSelector": f"metadata.name={target.name}"}
    while True:
        listed = await client.list(r, target.namespace, **params)
        found = typed(r, listed.get("items") or [])
        yield found[0] if found else None
        try:
            async for kind, obj in client.watch(
                r, target.namespace, resourceVersion=listed["metadata"]["resourceVersion"], **params
            ):
                if kind != "BOOKMARK":
                    yield None if kind == "DELETED" else obj
        except Gone:
            continue


async def until_gone(session: Session, target: Target, uid: str = "") -> None:
    """Until no object of that name, or another one, is there."""
    try:
        async for obj in states(session, target):
            if obj is None or (uid and obj["metadata"]["uid"] != uid):
                return
    except NotFound:
        return


async def bounded(work: Any, seconds: float, what: str) -> Any:
    """Await `work` for at most so long (0: at once; negative: a week). Raises CommandError when time is up."""
    limit = 7 * 86400 if seconds < 0 else seconds
    try:
        return await asyncio.wait_for(work, limit)
    except TimeoutError:
        raise CommandError(f"timed out waiting for the condition on {what}") from None
