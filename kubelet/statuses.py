"""Writes pods' statuses to the API at once, one request a pod at a time; while it is under way newer ones replace each other.

The API server may be away for as long as it likes: the newest status is written when it is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import Any

import httpx

from kubelet.pods.status import OWNED
from pocketkube.api.meta import errors
from pocketkube.base import tasks
from pocketkube.base.backoff import Backoff
from pocketkube.client.resources import PODS
from pocketkube.client.rest import Client

log = logging.getLogger(__name__)

Obj = dict[str, Any]

TRANSIENT = (errors.StatusError, httpx.HTTPError, OSError, TimeoutError)
DROPPABLE = (
    "reason",
    "message",
    "nominatedNodeName",
    "initContainerStatuses",
    "ephemeralContainerStatuses",
    "podIP",
    "podIPs",
)


@dataclass(slots=True)
class _Pod:
    wanted: Obj
    base: Obj  # the status that the API has, as far as we know
    written: bool = False
    version: int = 0  # of the pod after our last write, 0 where versions are no numbers
    busy: asyncio.Task[None] | None = None
    idle: asyncio.Event = field(default_factory=asyncio.Event)


class Statuses:
    """`api_pod(uid)` is the object that shows a pod's status: itself, or the mirror of a static pod; None if there is none."""

    def __init__(self, client: Client, api_pod: Callable[[str], Obj | None]) -> None:
        self._client = client
        self._api_pod = api_pod
        self._pods: dict[str, _Pod] = {}

    def set(self, uid: str, status: Obj) -> None:
        """Returns at once."""
        pod = self._api_pod(uid)
        known = self._pods.get(uid)
        if known is None:
            known = self._pods[uid] = _Pod(status, (pod or {}).get("status") or {})
        known.wanted, known.written = status, False
        if known.busy is None:
            known.idle.clear()
            known.busy = tasks.spawn(f"status of pod {uid}", self._write(uid, known))

    def seen(self, pod: Obj) -> None:
        """The API has this now. Somebody else's word about what only we know is put right: a node that was thought lost
        has its pods marked as not ready."""
        known = self._pods.get(pod["metadata"]["uid"])
        if known is None or known.busy is not None or _version(pod) <= known.version:
            return
        status = pod.get("status") or {}
        if contradicts(status, known.wanted):
            known.base = status
            self.set(pod["metadata"]["uid"], known.wanted)

    async def flush(self, uid: str) -> None:
        """Wait until the newest status is written, or the pod has gone from the API."""
        known = self._pods.get(uid)
        if known is not None and known.busy is not None:
            await known.idle.wait()

    def get(self, uid: str) -> Obj | None:
        known = self._pods.get(uid)
        return known.wanted if known else None

    def refresh(self, uid: str) -> None:
        """The API's object is another than it was (a mirror pod was made anew): write everything again."""
        known = self._pods.pop(uid, None)
        if known is not None:
            self.set(uid, known.wanted)

    def forget(self, uid: str) -> None:
        known = self._pods.pop(uid, None)
        if known is not None and known.busy is not None:
            known.busy.cancel()

    async def _write(self, uid: str, known: _Pod) -> None:
        backoff = Backoff(0.2, 10.0)
        try:
            while not known.written:
                pod = self._api_pod(uid)
                if pod is None:
                    return
                wanted = known.wanted
                known.written = True
                try:
                    await self._patch(pod, known, wanted)
                except errors.NotFound:
                    return
                except errors.Conflict as e:
                    log.debug("status of pod %s not written: %s", uid, e)
                    return  # another pod of this name by now
                except errors.Invalid as e:
                    log.error("status of pod %s refused: %s", uid, e)
                    return
                except TRANSIENT as e:
                    log.warning("status of pod %s not written yet: %s", uid, e)
                    known.written = False
                    await asyncio.sleep(backoff.next())
        finally:
            known.busy = None
            known.idle.set()

    async def _patch(self, pod: Obj, known: _Pod, wanted: Obj) -> None:
        changes = difference(known.base, wanted)
        if not changes:
            return
        meta = pod["metadata"]
        body = {"metadata": {"uid": meta["uid"]}, "status": changes}
        answer = await self._client.patch(
            PODS, meta["name"], body, namespace=meta["namespace"], type="strategic", subresource="status"
        )
        known.base, known.version = wanted, _version(answer)
        sent = {c["type"] for c in changes.get("conditions") or ()}
        if contradicts(answer.get("status") or {}, wanted, but=sent):  # another spoke while we wrote of other things
            known.base, known.written = answer["status"], False

    async def delete(self, pod: Obj) -> None:
        """Take the finished pod out of the API: the last word of its deletion. Tries until it is gone."""
        meta = pod["metadata"]
        backoff = Backoff(0.2, 10.0)
        while True:
            try:
                await self._client.delete(PODS, meta["name"], meta["namespace"], grace=0, uid=meta["uid"])
                return
            except (errors.NotFound, errors.Conflict):
                return
            except TRANSIENT as e:
                log.warning("pod %s/%s not removed from the API yet: %s", meta["namespace"], meta["name"], e)
                await asyncio.sleep(backoff.next())


def _version(pod: Obj) -> int:
    text = str(pod["metadata"].get("resourceVersion", ""))
    return int(text) if text.isdigit() else 0


def contradicts(found: Obj, wanted: Obj, *, but: Container[str] = ()) -> bool:
    """Whether a status says otherwise than ours in what nobody but a kubelet can know: in conditions `but` these. What others
    called finished stays so. Pure."""
    if found.get("phase") in ("Succeeded", "Failed"):
        return False
    there = {c["type"]: c.get("status") for c in found.get("conditions") or ()}
    own = [c for c in wanted.get("conditions") or () if c["type"] in OWNED and c["type"] not in but]
    return any(there.get(c["type"]) != c.get("status") for c in own)


def difference(base: Obj, wanted: Obj) -> Obj:
    """A strategic merge patch of the status: what changed, and only the conditions that a kubelet owns. Pure."""
    patch: Obj = {k: v for k, v in wanted.items() if k != "conditions" and base.get(k) != v}
    patch |= {k: None for k in DROPPABLE if k in base and k not in wanted}
    for name in ("podIPs", "hostIPs"):
        if patch.get(name) and base.get(name):
            patch[name] = [{"$patch": "replace"}, *patch[name]]
    before = {c["type"]: c for c in base.get("conditions") or ()}
    conditions = [c for c in wanted.get("conditions") or () if c["type"] in OWNED and _differ(before.get(c["type"]), c)]
    if conditions:
        patch["conditions"] = [_cleared(before.get(c["type"]), c) for c in conditions]
    return patch


def _differ(before: Obj | None, now: Obj) -> bool:
    names = ("status", "reason", "message", "observedGeneration", "lastTransitionTime")
    return before is None or any(before.get(n) != now.get(n) for n in names)


def _cleared(before: Obj | None, now: Obj) -> Obj:
    """The condition, with a null for each text that it no longer has: conditions are merged by type."""
    gone = {name: None for name in ("reason", "message") if before and before.get(name) and name not in now}
    return {**now, **gone}
