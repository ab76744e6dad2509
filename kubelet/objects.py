"""ConfigMaps and Secrets that pods of this node use: each is watched by name while someone uses it, as the node authorizer allows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from kubelet.pods.environment import Reference
from pocketkube.api.meta import errors
from pocketkube.base import tasks
from pocketkube.client.informer import Informer
from pocketkube.client.resources import CONFIGMAPS, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, SECRETS, Resource
from pocketkube.client.rest import Client

log = logging.getLogger(__name__)

Obj = dict[str, Any]

RESOURCES: dict[str, Resource] = {"configmap": CONFIGMAPS, "secret": SECRETS}
OTHERS: dict[str, Resource] = {"persistentvolumeclaim": PERSISTENTVOLUMECLAIMS, "persistentvolume": PERSISTENTVOLUMES}

Key = tuple[str, str, str]  # kind, namespace, name


@dataclass(slots=True)
class _Watched:
    informer: Informer
    task: asyncio.Task[None]
    users: set[str] = field(default_factory=set)  # pod uids


class Objects:
    """`changed(uid)` is called for each pod that uses an object when that changes, appears or goes."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._watched: dict[Key, _Watched] = {}
        self._gets: dict[Key, asyncio.Task[Obj | None]] = {}
        self.changed: Callable[[str], None] = lambda uid: None

    async def fetch(self, uid: str, namespace: str, wanted: Iterable[Reference]) -> dict[Reference, Obj]:
        """Those that exist, as they are now; from here on they are watched for the pod. Raises what a request raises."""
        references = sorted(wanted)
        found = await asyncio.gather(*(self._one(uid, (kind, namespace, name)) for kind, name in references))
        return {reference: obj for reference, obj in zip(references, found, strict=True) if obj is not None}

    async def _one(self, uid: str, key: Key) -> Obj | None:
        watched = self._watched.get(key) or self._watch(key)
        watched.users.add(uid)
        if watched.informer.synced:
            return watched.informer.store.get(f"{key[1]}/{key[2]}")
        task = self._gets.get(key)
        if task is None:
            task = self._gets[key] = asyncio.create_task(self._get(RESOURCES[key[0]], key))
            task.add_done_callback(lambda done: self._got(key, done))
        return await asyncio.shield(task)

    def _got(self, key: Key, task: asyncio.Task[Obj | None]) -> None:
        del self._gets[key]
        if not task.cancelled():
            task.exception()  # seen, also where each pod that waited for it has gone meanwhile

    async def lookup(self, kind: str, namespace: str, name: str) -> Obj | None:
        """Any object once, unwatched."""
        return await self._get({**RESOURCES, **OTHERS}[kind], (kind, namespace, name))

    async def _get(self, resource: Resource, key: Key) -> Obj | None:
        try:
            return await self._client.get(resource, key[2], key[1])
        except errors.NotFound:
            return None

    def _watch(self, key: Key) -> _Watched:
        kind, namespace, name = key
        informer = Informer(self._client, RESOURCES[kind], namespace=namespace, field_selector=f"metadata.name={name}")
        task = tasks.spawn(f"watch of {kind} {namespace}/{name}", informer.run())
        watched = self._watched[key] = _Watched(informer, task)

        def tell(obj: Obj) -> None:
            for uid in list(watched.users):
                self.changed(uid)

        informer.add_handler(on_add=tell, on_update=lambda old, new: tell(new), on_delete=tell)
        return watched

    def release(self, uid: str) -> None:
        """The pod has gone: what nobody uses any more is not watched any more."""
        for key, watched in list(self._watched.items()):
            watched.users.discard(uid)
            if not watched.users:
                watched.task.cancel()
                del self._watched[key]
