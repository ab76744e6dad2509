"""Creates and deletes pods for a workload: slowly at first, so that a failing template costs one call and not five hundred."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from controller.context import Context
from controller.ownership import controller_reference
from pocketkube.api.meta import errors
from pocketkube.client.resources import PODS, Resource

Obj = dict[str, Any]
FIRST_BATCH = 1


def pod_from_template(owner: Obj, resource: Resource, template: Obj) -> Obj:
    """A pod named after its owner, with the template's metadata and the owner as controller. Shares the template's spec."""
    wanted = template.get("metadata") or {}
    metadata: Obj = {
        "generateName": owner["metadata"]["name"] + "-",
        "namespace": owner["metadata"]["namespace"],
        "labels": dict(wanted.get("labels") or {}),
        "ownerReferences": [controller_reference(owner, resource)],
    }
    if wanted.get("annotations"):
        metadata["annotations"] = dict(wanted["annotations"])
    if wanted.get("finalizers"):
        metadata["finalizers"] = list(wanted["finalizers"])
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


class PodControl:
    """Pod writes on behalf of owners of one kind, each recorded as an event of the owner."""

    def __init__(self, context: Context, resource: Resource):
        self._context = context
        self._resource = resource

    async def create(self, owner: Obj, pod: Obj) -> Obj:
        try:
            created: Obj = await self._context.client.create(PODS, pod, pod["metadata"]["namespace"])
        except errors.StatusError as error:
            if not namespace_ending(error):
                self._event(owner, "Warning", "FailedCreate", f"Error creating: {error}")
            raise
        self._event(owner, "Normal", "SuccessfulCreate", f"Created pod: {created['metadata']['name']}")
        return created

    async def delete(self, owner: Obj, pod: Obj) -> None:
        metadata = pod["metadata"]
        try:
            await self._context.client.delete(PODS, metadata["name"], metadata["namespace"], uid=metadata["uid"])
        except errors.NotFound:
            raise
        except errors.StatusError as error:
            self._event(owner, "Warning", "FailedDelete", f"Error deleting: {error}")
            raise
        self._event(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {metadata['name']}")

    async def create_many(
        self, owner: Obj, pods: Sequence[Obj], *, on_failure: Callable[[int], None]
    ) -> tuple[int, Exception | None]:
        """Creates in batches of 1, 2, 4...; stops after a batch with a failure. Calls `on_failure(n)` for the n pods not
        created. Returns how many were, and the first error."""
        done, batch = 0, FIRST_BATCH
        while done < len(pods):
            group = pods[done : done + batch]
            results = await asyncio.gather(*(self.create(owner, p) for p in group), return_exceptions=True)
            failures = [r for r in results if isinstance(r, Exception)]
            if failures:
                created = done + len(group) - len(failures)
                on_failure(len(pods) - created)
                return created, failures[0]
            done += len(group)
            batch *= 2
        return done, None

    async def delete_many(
        self, owner: Obj, pods: Sequence[Obj], *, on_failure: Callable[[Obj], None]
    ) -> Exception | None:
        """Deletes side by side; `on_failure(pod)` for each that was not there or could not be. Returns the first error."""
        results = await asyncio.gather(*(self.delete(owner, p) for p in pods), return_exceptions=True)
        first: Exception | None = None
        for pod, result in zip(pods, results, strict=True):
            if isinstance(result, Exception):
                on_failure(pod)
                if not isinstance(result, errors.NotFound):
                    first = first or result
        return first

    def _event(self, owner: Obj, type: str, reason: str, message: str) -> None:
        self._context.event(self._resource, owner, type, reason, message)


def namespace_ending(error: Exception) -> bool:
    """A create was refused only because its namespace is being deleted: no reason to complain."""
    if not isinstance(error, errors.StatusError):
        return False
    return any(c.get("reason") == "NamespaceTerminating" for c in error.details.get("causes") or ())
