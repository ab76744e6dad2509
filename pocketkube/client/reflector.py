"""Follows one collection of an API server: list once, watch from there on, for ever, through every failure.

    list (rv 0: any recent state)  -> sink.replace(objects)
    watch from the list's version  -> sink.apply(type, object), bookmarks move the version on
    watch ended or cut             -> watch again from the last version seen
    410 Gone, or any other refusal -> list again, then watch
    404, the server has no such collection -> its older version, or none: sink.replace([])

Nothing is missed: what happened between two watches comes by version, or by the list's difference.
"""

from __future__ import annotations

import logging
import random
from typing import Any, Protocol

import httpx

from pocketkube.api.meta import errors
from pocketkube.base.backoff import Backoff
from pocketkube.base.clock import Clock, SystemClock
from pocketkube.client.config import ConfigError
from pocketkube.client.resources import Resource
from pocketkube.client.rest import Client, typed

log = logging.getLogger(__name__)

Obj = dict[str, Any]


class Sink(Protocol):
    def replace(self, objects: list[Obj]) -> None:
        """All objects there are."""

    def apply(self, kind: str, obj: Obj) -> None:
        """One change: ADDED, MODIFIED or DELETED. ADDED may name a known object and MODIFIED an unknown one."""


class Reflector:
    """Feeds `sink`; run() never returns and never raises but when cancelled."""

    def __init__(
        self,
        client: Client,
        resource: Resource,
        sink: Sink,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        clock: Clock | None = None,
    ):
        self._client, self._resource, self._sink = client, resource, sink
        self._namespace = namespace
        self._selectors = {"labelSelector": label_selector, "fieldSelector": field_selector}
        self._clock = clock or SystemClock()
        self._backoff = Backoff(0.1, 10.0, 2.0, 0.5)
        self._failing = False
        self.version = ""  # the last resourceVersion seen; "" means list first
        self._listed_at = "0"
        self._listed = False

    async def run(self) -> None:
        while True:
            try:
                if not self.version:
                    await self._list()
                await self._watch()
            except errors.Gone:
                log.debug("%s: version %s is too old, listing again", self._resource.qualified, self.version)
                await self._again(list_at="" if not self.version else "0")
            except errors.NotFound as e:
                await self._not_served(e)
            except errors.StatusError as e:
                self._warn(e)
                await self._again(list_at="")
            except (httpx.HTTPError, OSError, ConfigError, ValueError, KeyError) as e:
                self._warn(e)
                await self._clock.sleep(self._backoff.next())

    async def _again(self, *, list_at: str) -> None:
        """Back to the list. A first refusal is retried at once, the next ones later and later."""
        self.version, self._listed_at = "", list_at
        await self._clock.sleep(self._backoff.next())

    async def _not_served(self, e: errors.NotFound) -> None:
        """A server without this collection has no objects of it: what waits for them may go on."""
        if not self._listed and self._client.earlier.fall_back(self._resource):
            log.info("%s is not served, trying an older version", self._resource.api_version)
            return
        self._warn(e)
        if not self._listed:
            self._sink.replace([])
        await self._again(list_at="")

    async def _list(self) -> None:
        found = await self._client.list(
            self._resource, self._namespace, resourceVersion=self._listed_at, **self._selectors
        )
        items = found.get("items") or []
        meta = found["metadata"]
        while token := meta.get("continue"):
            page = await self._client.list(self._resource, self._namespace, **{"continue": token}, **self._selectors)
            items += page.get("items") or []
            meta = page["metadata"]
        self._sink.replace(typed(self._resource, items))
        self._listed = True
        self.version, self._listed_at = found["metadata"]["resourceVersion"], "0"
        self._recovered()

    async def _watch(self) -> None:
        started, seen = self._clock.monotonic(), 0
        events = self._client.watch(
            self._resource,
            self._namespace,
            resourceVersion=self.version,
            allowWatchBookmarks=True,
            timeoutSeconds=random.randint(300, 600),
            **self._selectors,
        )
        async for kind, obj in events:
            if not seen:
                self._recovered()
            seen += 1
            if kind != "BOOKMARK":
                self._sink.apply(kind, obj)
            self.version = obj["metadata"]["resourceVersion"]
        if not seen and self._clock.monotonic() - started < 1:
            await self._clock.sleep(self._backoff.next())

    def _warn(self, e: Exception) -> None:
        """Once an outage."""
        log.log(
            logging.DEBUG if self._failing else logging.WARNING,
            "cannot follow %s, trying again: %s",
            self._resource.qualified,
            str(e) or repr(e),
        )
        self._failing = True

    def _recovered(self) -> None:
        if self._failing:
            log.info("following %s again", self._resource.qualified)
        self._failing = False
        self._backoff.reset()
