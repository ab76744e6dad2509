"""Keeps the default levels and schemas as they should be, and says of each schema whether its level is there."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from apiserver.flowcontrol import defaults
from apiserver.flowcontrol.turns import GROUP
from apiserver.interfaces import Cluster
from apiserver.registry.registry import Registry
from apiserver.storage.cache import Watcher
from apiserver.storage.interface import StoreError
from pocketkube.api.kinds.flowcontrol import _fixed
from pocketkube.api.meta import errors, objects, times

log = logging.getLogger(__name__)

Obj = dict[str, Any]

LEVELS, SCHEMAS = "prioritylevelconfigurations", "flowschemas"
SETTLE_SECONDS = 0.2  # changes come in groups
RETRY_SECONDS = 1.0


async def run(registry: Registry, cluster: Cluster) -> None:
    """Look after them whenever one of them changes, until cancelled."""
    while True:
        await registry.cache.wait_ready()
        watchers = [registry.by_plural(GROUP, plural).cache.watch() for plural in (LEVELS, SCHEMAS)]
        try:
            await _follow(registry, cluster, watchers)
        finally:
            for watcher in watchers:
                watcher.close()


async def _follow(registry: Registry, cluster: Cluster, watchers: list[Watcher]) -> None:
    """Until a watch ends, which it does where the stream has a gap."""
    while True:
        try:
            await ensure(cluster)
            await registry.cache.wait_fresh()
            await tell(registry, cluster)
        except (StoreError, errors.StatusError) as failure:
            log.warning("cannot look after priority and fairness yet: %s", failure)
            await registry.clock.sleep(RETRY_SECONDS)
            continue
        if not await _changed(watchers):
            return
        await registry.clock.sleep(SETTLE_SECONDS)


async def _changed(watchers: list[Watcher]) -> bool:
    """Wait until one of them has something; False where one has ended."""
    waits = [asyncio.ensure_future(watcher.next()) for watcher in watchers]
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        return all(task.result() for task in done)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def ensure(cluster: Cluster) -> None:
    """Create what is missing; bring back the specs that are fixed or that say they follow the server."""
    wanted = [(LEVELS, obj) for obj in defaults.levels()] + [(SCHEMAS, obj) for obj in defaults.schemas()]
    await asyncio.gather(*(_ensure(cluster, plural, obj) for plural, obj in wanted))


async def _ensure(cluster: Cluster, plural: str, wanted: Obj) -> None:
    name = wanted["metadata"]["name"]
    current = cluster.get(GROUP, plural, "", name)
    try:
        if current is None:
            await cluster.create(GROUP, plural, "", wanted)
        elif (renewed := _renewed(current, wanted)) is not None:
            await cluster.update(GROUP, plural, renewed)
    except (errors.AlreadyExists, errors.Conflict, errors.NotFound):
        return  # another server was first: the change comes back as an event


def _renewed(current: Obj, wanted: Obj) -> Obj | None:
    """The object as it should be, None where it is so."""
    name = wanted["metadata"]["name"]
    annotations = current["metadata"].get("annotations") or {}
    follows = annotations.get(defaults.AUTOUPDATE)
    fixed = defaults.mandatory(name)
    if not fixed and follows != "true" and not (follows is None and current["metadata"].get("generation") == 1):
        return None
    spec = wanted["spec"]
    if fixed and spec.get("type") == "Exempt" and follows == "false":
        spec = {**spec, "exempt": current["spec"].get("exempt") or spec["exempt"]}
    follows = follows if fixed and follows else "true"
    if current["spec"] == spec and annotations.get(defaults.AUTOUPDATE) == follows:
        return None
    metadata = {**current["metadata"], "annotations": {**annotations, defaults.AUTOUPDATE: follows}}
    return {**current, "metadata": metadata, "spec": spec}


async def tell(registry: Registry, cluster: Cluster) -> None:
    """The Dangling condition of every schema."""
    levels = {obj["metadata"]["name"] for obj in cluster.list(GROUP, LEVELS)} | _fixed.PRIORITY_LEVELS.keys()
    now = times.rfc3339(registry.clock.now())
    for schema in cluster.list(GROUP, SCHEMAS):
        level = schema["spec"]["priorityLevelConfiguration"]["name"]
        status = schema.get("status") or {}
        conditions = list(status.get("conditions") or ())
        if objects.set_condition(conditions, dangling(level, there=level in levels), now):
            try:
                await cluster.update(
                    GROUP, SCHEMAS, {**schema, "status": {**status, "conditions": conditions}}, subresource="status"
                )
            except (errors.Conflict, errors.NotFound):
                continue


def dangling(level: str, *, there: bool) -> Obj:
    words = f'This FlowSchema references the PriorityLevelConfiguration object named "{level}"'
    if there:
        return {"type": "Dangling", "status": "False", "reason": "Found", "message": f"{words} and it exists"}
    return {
        "type": "Dangling",
        "status": "True",
        "reason": "NotFound",
        "message": f"{words} but there is no such object",
    }
