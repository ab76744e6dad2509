"""A local copy of a collection that stays current, and callbacks for what changes in it.

    pods = informers.of(PODS, indexers={"node": store.by_node})
    pods.add_handler(on_add=..., on_update=..., on_delete=...)
    pods.store.get("default/web-0")

Handlers are plain functions, called in order on the loop: they should only put keys into a queue. The store is changed
before they are called. Objects are shared by everyone and never changed in place.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pocketkube.base.clock import Clock
from pocketkube.client.reflector import Reflector
from pocketkube.client.resources import Resource
from pocketkube.client.rest import Client
from pocketkube.client.store import Indexer, Store, key_of

log = logging.getLogger(__name__)

OPTIONAL_SECONDS = 5.0  # that an informer may take which is not needed

Obj = dict[str, Any]
Transform = Callable[[Obj], Obj]


def drop_managed_fields(obj: Obj) -> Obj:
    """The default transform: field ownership is a third of an object and no component reads it from a cache."""
    obj["metadata"].pop("managedFields", None)
    return obj


@dataclass(frozen=True, slots=True)
class Handler:
    on_add: Callable[[Obj], None] | None = None
    on_update: Callable[[Obj, Obj], None] | None = None  # (old, new)
    on_delete: Callable[[Obj], None] | None = None  # the last state known


class Informer:
    """One collection, perhaps one namespace or a selection of it. `transform` sees each new object, alone, before the store."""

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        indexers: Mapping[str, Indexer] | None = None,
        transform: Transform | None = drop_managed_fields,
        clock: Clock | None = None,
    ):
        self.resource = resource
        self.store = Store(indexers)
        self._transform = transform
        self._handlers: list[Handler] = []
        self._has_synced = asyncio.Event()
        self._reflector = Reflector(
            client,
            resource,
            self,
            namespace=namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            clock=clock,
        )

    @property
    def synced(self) -> bool:
        """The store has held the whole collection at least once."""
        return self._has_synced.is_set()

    async def wait_synced(self) -> None:
        await self._has_synced.wait()

    async def run(self) -> None:
        """Follows the collection until cancelled."""
        await self._reflector.run()

    def add_handler(
        self,
        *,
        on_add: Callable[[Obj], None] | None = None,
        on_update: Callable[[Obj, Obj], None] | None = None,
        on_delete: Callable[[Obj], None] | None = None,
    ) -> None:
        """Handlers see every object: those already in the store come to on_add at once."""
        handler = Handler(on_add, on_update, on_delete)
        self._handlers.append(handler)
        if on_add is not None:
            for obj in self.store.list():
                _call(on_add, obj)

    # --- what the reflector calls

    def replace(self, objects: list[Obj]) -> None:
        found = {key_of(obj): obj for obj in objects}
        gone = [key for key in self.store.keys() if key not in found]  # noqa: SIM118
        for key, obj in found.items():
            self._set(key, obj)
        for key in gone:
            self._remove(key, None)
        self._has_synced.set()

    def apply(self, kind: str, obj: Obj) -> None:
        if kind == "DELETED":
            self._remove(key_of(obj), obj)
        else:
            self._set(key_of(obj), obj)

    def _set(self, key: str, obj: Obj) -> None:
        known = self.store.get(key)
        if known is not None and _version(known) == _version(obj):
            return
        if self._transform is not None:
            obj = self._transform(obj)
        if known is not None and known["metadata"].get("uid") != obj["metadata"].get("uid"):
            self._remove(key, None)  # another object of that name: the end of the first was missed
        old = self.store.set(key, obj)
        for handler in self._handlers:
            if old is None:
                if handler.on_add is not None:
                    _call(handler.on_add, obj)
            elif handler.on_update is not None:
                _call(handler.on_update, old, obj)

    def _remove(self, key: str, last: Obj | None) -> None:
        known = self.store.remove(key)
        if last is not None and self._transform is not None:
            last = self._transform(last)
        if known is None:
            return
        for handler in self._handlers:
            if handler.on_delete is not None:
                _call(handler.on_delete, last or known)


def _version(obj: Obj) -> str:
    return obj["metadata"].get("resourceVersion", "")  # type: ignore[no-any-return]


def _call(function: Callable[..., None], *args: Obj) -> None:
    """A handler that fails is a bug of its owner; the others and the copy go on."""
    try:
        function(*args)
    except Exception:
        log.exception("a handler failed: object=%s", key_of(args[-1]))


class Informers:
    """One informer a collection for all parts of a process."""

    def __init__(self, client: Client, *, clock: Clock | None = None):
        self.client = client
        self._clock = clock
        self._shared: dict[tuple[Resource, str, str, str], Informer] = {}
        self._optional: set[Informer] = set()
        self._started: asyncio.TaskGroup | None = None

    def of(
        self,
        resource: Resource,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        indexers: Mapping[str, Indexer] | None = None,
        optional: bool = False,
    ) -> Informer:
        """The shared informer; indexes add up over its users. One asked for while run() goes is started at once.

        `optional`: wait_synced() goes on without it where the server will not list it, such as an earlier release's
        for want of a right."""
        identity = (resource, namespace, label_selector, field_selector)
        informer = self._shared.get(identity)
        if informer is None:
            informer = self._shared[identity] = Informer(
                self.client,
                resource,
                namespace=namespace,
                label_selector=label_selector,
                field_selector=field_selector,
                indexers=indexers,
                clock=self._clock,
            )
            if self._started is not None:
                self._started.create_task(informer.run(), name=f"informer {resource.qualified}")
        for name, indexer in (indexers or {}).items():
            informer.store.add_indexer(name, indexer)
        if optional:
            self._optional.add(informer)
        return informer

    async def run(self) -> None:
        """Runs them all until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._started = group
            try:
                for informer in self._shared.values():
                    group.create_task(informer.run(), name=f"informer {informer.resource.qualified}")
                await asyncio.Event().wait()
            finally:
                self._started = None

    @property
    def synced(self) -> bool:
        return all(informer.synced for informer in self._shared.values() if informer not in self._optional)

    async def wait_synced(self) -> None:
        for informer in [*self._shared.values()]:
            if informer not in self._optional:
                await informer.wait_synced()
        for informer in self._optional:
            with suppress(TimeoutError):
                await asyncio.wait_for(informer.wait_synced(), OPTIONAL_SECONDS)
