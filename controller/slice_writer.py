"""Writes a plan of EndpointSlices, and knows when a cache is too old to plan from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from controller.context import Context, Obj
from controller.expectations import Expectations
from controller.pod_control import namespace_ending
from controller.slices import SERVICE_NAME, Plan
from pocketkube.api.meta import errors
from pocketkube.client.informer import Informer
from pocketkube.client.resources import ENDPOINTSLICES


class SliceWriter:
    """Acts for one controller, named by the slices' managed-by label."""

    def __init__(
        self, context: Context, slices: Informer, *, mine: Callable[[Obj], bool], enqueue: Callable[[str], None]
    ):
        self._context, self._slices = context, slices
        self._mine, self._enqueue = mine, enqueue
        self._expected = Expectations(context.clock)
        slices.add_handler(on_add=self._added, on_update=self._updated, on_delete=self._deleted)

    def fresh(self, key: str) -> bool:
        """The cache shows every slice that was created or deleted for this service."""
        return self._expected.satisfied(key)

    def owned(self, key: str) -> list[Obj]:
        """The service's slices that this controller manages."""
        namespace, name = key.split("/")
        found = self._slices.store.by_index("namespace", namespace)
        return [s for s in found if (s["metadata"].get("labels") or {}).get(SERVICE_NAME) == name and self._mine(s)]

    def forget(self, key: str) -> None:
        self._expected.forget(key)

    async def write(self, key: str, decided: Plan) -> None:
        namespace = key.split("/")[0]
        await asyncio.gather(*(self._context.client.update(ENDPOINTSLICES, s) for s in decided.update))
        self._expected.expect_creations(key, len(decided.create))
        await asyncio.gather(*(self._create(key, namespace, s) for s in decided.create))
        self._expected.expect_deletions(key, [s["metadata"]["uid"] for s in decided.delete])
        await asyncio.gather(*(self._delete(key, namespace, s) for s in decided.delete))

    async def _create(self, key: str, namespace: str, slice: Obj) -> None:
        try:
            await self._context.client.create(ENDPOINTSLICES, slice, namespace)
        except BaseException as error:
            self._expected.creation_observed(key)
            if not (isinstance(error, Exception) and namespace_ending(error)):
                raise

    async def _delete(self, key: str, namespace: str, slice: Obj) -> None:
        metadata = slice["metadata"]
        try:
            await self._context.client.delete(ENDPOINTSLICES, metadata["name"], namespace, uid=metadata["uid"])
        except BaseException as error:
            self._expected.deletion_observed(key, metadata["uid"])
            if not isinstance(error, errors.NotFound):
                raise

    def _key(self, slice: Obj) -> str:
        name = (slice["metadata"].get("labels") or {}).get(SERVICE_NAME)
        return f"{slice['metadata']['namespace']}/{name}" if name and self._mine(slice) else ""

    def _added(self, slice: Obj) -> None:
        if key := self._key(slice):
            self._expected.creation_observed(key)
            self._enqueue(key)

    def _updated(self, old: Obj, new: Obj) -> None:
        for key in {self._key(old), self._key(new)} - {""}:
            self._enqueue(key)

    def _deleted(self, slice: Obj) -> None:
        if key := self._key(slice):
            self._expected.deletion_observed(key, slice["metadata"]["uid"])
            self._enqueue(key)
