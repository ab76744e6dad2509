"""Writes ControllerRevisions on behalf of an owner."""

from __future__ import annotations

from typing import Any

from controller.context import Context
from controller.ownership import claim
from controller.revisions import Revisions
from pocketkube.api.meta import errors
from pocketkube.api.meta.objects import controller_of
from pocketkube.api.meta.selectors import Selector
from pocketkube.client.informer import Informer
from pocketkube.client.resources import CONTROLLERREVISIONS, Resource

Obj = dict[str, Any]


class RevisionControl:
    def __init__(self, context: Context, informer: Informer, resource: Resource):
        self._context, self._informer, self._resource = context, informer, resource

    async def owned(self, owner: Obj, selector: Selector) -> list[Obj]:
        return await claim(
            self._context,
            self._informer,
            CONTROLLERREVISIONS,
            owner=owner,
            owner_resource=self._resource,
            selector=selector,
        )

    async def save(self, owner: Obj, found: Revisions) -> None:
        """Writes the new or renumbered revision. Raises errors.Conflict when another revision has its name: the owner's
        collisionCount was raised, so the next try has another name."""
        if found.renumber is not None:
            await self._context.client.update(CONTROLLERREVISIONS, found.renumber)
        if found.create is None:
            return
        metadata = found.create["metadata"]
        try:
            await self._context.client.create(CONTROLLERREVISIONS, found.create, metadata["namespace"])
        except errors.AlreadyExists:
            live = await self._context.client.get(CONTROLLERREVISIONS, metadata["name"], metadata["namespace"])
            holder = controller_of(live)
            if (
                holder is not None
                and holder["uid"] == owner["metadata"]["uid"]
                and live["data"] == found.create["data"]
            ):
                return
            count = ((owner.get("status") or {}).get("collisionCount") or 0) + 1
            status = {**(owner.get("status") or {}), "collisionCount": count}
            await self._context.client.update_status(self._resource, {**owner, "status": status})
            why = "another template has this name"
            raise errors.conflict("apps", "controllerrevisions", metadata["name"], why) from None

    async def delete(self, revision: Obj) -> None:
        metadata = revision["metadata"]
        try:
            await self._context.client.delete(
                CONTROLLERREVISIONS, metadata["name"], metadata["namespace"], uid=metadata["uid"]
            )
        except errors.NotFound:
            return
