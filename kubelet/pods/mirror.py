"""Mirror pods: what the API shows of static pods. Made anew when deleted or outdated; removed with their static pod."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx

from kubelet.pods import spec
from kubelet.pods.manager import PodManager
from kubelet.statuses import Statuses
from pocketkube.api.meta import errors
from pocketkube.client.resources import PODS
from pocketkube.client.rest import Client

log = logging.getLogger(__name__)

Obj = dict[str, Any]
SECONDS = 5.0


def mirror_of(pod: Obj, node: Obj | None) -> Obj:
    """The object to create for a static pod; owned by the node, so that it goes with it. Pure."""
    meta = pod["metadata"]
    annotations = {**meta["annotations"], spec.MIRROR: meta["annotations"][spec.HASH]}
    kept = {k: v for k, v in meta.items() if k in ("name", "namespace", "labels")}
    made: Obj = {**kept, "annotations": annotations}
    if node is not None:
        made["ownerReferences"] = [
            {
                "apiVersion": "v1",
                "kind": "Node",
                "name": node["metadata"]["name"],
                "uid": node["metadata"]["uid"],
                "controller": True,
            }
        ]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": pod["spec"]}


class Mirrors:
    def __init__(self, client: Client, manager: PodManager, statuses: Statuses, node: Any) -> None:
        self._client, self._manager, self._statuses, self._node = client, manager, statuses, node

    async def run(self) -> None:
        while True:
            static = {spec.uid(pod): pod for pod in self._manager.static_pods()}
            for pod in static.values():
                await self._ensure(pod)
            for uid, mirror in self._manager.mirrors().items():
                if uid not in static:
                    await self._delete(mirror)
            await asyncio.sleep(SECONDS)

    async def _ensure(self, pod: Obj) -> None:
        uid = spec.uid(pod)
        known = self._manager.mirror(uid)
        try:
            if known is None:
                made = await self._client.create(PODS, mirror_of(pod, self._node()))
                self._manager.on_api_pod(made)
                self._statuses.refresh(uid)
        except errors.AlreadyExists:
            await self._replace(pod)
        except (errors.StatusError, httpx.HTTPError, OSError) as e:
            log.warning("mirror of static pod %s not made: %s", spec.full_name(pod), e)

    async def _replace(self, pod: Obj) -> None:
        """A mirror of an earlier version stands in the way."""
        meta = pod["metadata"]
        try:
            old = await self._client.get(PODS, meta["name"], meta["namespace"])
            if spec.is_mirror(old) and old["metadata"]["annotations"][spec.MIRROR] != meta["annotations"][spec.HASH]:
                await self._client.delete(PODS, meta["name"], meta["namespace"], grace=0, uid=old["metadata"]["uid"])
        except (errors.StatusError, httpx.HTTPError, OSError) as e:
            log.warning("old mirror of static pod %s not removed: %s", spec.full_name(pod), e)

    async def _delete(self, mirror: Obj) -> None:
        """Of a static pod that is no more."""
        meta = mirror["metadata"]
        try:
            await self._client.delete(PODS, meta["name"], meta["namespace"], grace=0, uid=meta["uid"])
        except errors.NotFound:
            pass
        except (errors.StatusError, httpx.HTTPError, OSError) as e:
            log.warning("mirror pod %s not removed: %s", spec.full_name(mirror), e)

    async def remove(self, pod: Obj) -> None:
        """Of a static pod whose manifest has gone."""
        known = self._manager.mirror(spec.uid(pod))
        if known is not None:
            await self._delete(known)
