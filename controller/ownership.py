"""Which objects a controller owns: adopts matching orphans, releases what no longer matches; ownership is by uid."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from controller.context import Context, orphans_in
from pocketkube.api.meta import errors
from pocketkube.api.meta.objects import controller_of, is_deleting
from pocketkube.api.meta.selectors import Selector
from pocketkube.client.informer import Informer
from pocketkube.client.resources import Resource

Obj = dict[str, Any]


def controller_reference(owner: Obj, resource: Resource) -> Obj:
    """The ownerReference that makes `owner` the managing controller."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def selects_own(selector: Selector, template: Obj | None) -> bool:
    """The selector matches what the template makes. The API server sees to it; where it does not, an owner would never
    recognize its own children and make more of them without end."""
    labels = ((template or {}).get("metadata") or {}).get("labels") or {}
    return not selector.empty and selector.matches(labels)


@dataclass(frozen=True, slots=True)
class Claims:
    """A candidate is in at most one of the three."""

    owned: tuple[Obj, ...] = ()
    adopt: tuple[Obj, ...] = ()
    release: tuple[Obj, ...] = ()


def plan_claims(owner: Obj, selector: Selector, candidates: Iterable[Obj]) -> Claims:
    """Sorts candidates of the owner's namespace. Objects of other controllers are never touched; neither is anything
    adopted by or released from an owner that is being deleted."""
    uid, deleting = owner["metadata"]["uid"], is_deleting(owner)
    owned: list[Obj] = []
    adopt: list[Obj] = []
    release: list[Obj] = []
    for candidate in candidates:
        matches = selector.matches(candidate["metadata"].get("labels") or {})
        reference = controller_of(candidate)
        if reference is not None:
            if reference["uid"] == uid:
                if matches:
                    owned.append(candidate)
                elif not deleting:
                    release.append(candidate)
        elif matches and not deleting and not is_deleting(candidate):
            adopt.append(candidate)
    return Claims(tuple(owned), tuple(adopt), tuple(release))


def candidates(informer: Informer, owner: Obj) -> list[Obj]:
    """What `owner` controls, and the orphans of its namespace."""
    metadata = owner["metadata"]
    found: list[Obj] = list(informer.store.by_index("controller", metadata["uid"]))
    found.extend(informer.store.by_index("controller", orphans_in(metadata.get("namespace", ""))))
    return found


async def claim(
    context: Context,
    informer: Informer,
    resource: Resource,
    *,
    owner: Obj,
    owner_resource: Resource,
    selector: Selector,
    finalizer: str = "",
    among: Sequence[Obj] | None = None,
) -> list[Obj]:
    """The objects of `resource` that `owner` owns now, after adoption and release. `finalizer` is added at adoption."""
    claims = plan_claims(owner, selector, candidates(informer, owner) if among is None else among)
    owned = list(claims.owned)
    if claims.adopt and await _may_adopt(context, owner, owner_resource):
        reference = controller_reference(owner, owner_resource)
        adopted = await asyncio.gather(*(_adopt(context, resource, o, reference, finalizer) for o in claims.adopt))
        owned.extend(o for o in adopted if o is not None)
    await asyncio.gather(*(_release(context, resource, o, owner, finalizer) for o in claims.release))
    return owned


async def _may_adopt(context: Context, owner: Obj, resource: Resource) -> bool:
    """Asks the server, not the cache: a deleted and recreated owner of the same name must not adopt by its old uid."""
    metadata = owner["metadata"]
    try:
        live = await context.client.get(resource, metadata["name"], metadata.get("namespace", ""))
    except errors.NotFound:
        return False
    return bool(live["metadata"]["uid"] == metadata["uid"]) and not is_deleting(live)


async def _adopt(context: Context, resource: Resource, obj: Obj, reference: Obj, finalizer: str) -> Obj | None:
    metadata: Obj = {"uid": obj["metadata"]["uid"], "ownerReferences": [reference]}
    if finalizer:
        metadata["finalizers"] = [finalizer]
    return await _patch(context, resource, obj, metadata)


async def _release(context: Context, resource: Resource, obj: Obj, owner: Obj, finalizer: str) -> None:
    metadata: Obj = {
        "uid": obj["metadata"]["uid"],
        "ownerReferences": [{"$patch": "delete", "uid": owner["metadata"]["uid"]}],
    }
    if finalizer:
        metadata["$deleteFromPrimitiveList/finalizers"] = [finalizer]
    await _patch(context, resource, obj, metadata)


async def _patch(context: Context, resource: Resource, obj: Obj, metadata: Obj) -> Obj | None:
    name, namespace = obj["metadata"]["name"], obj["metadata"].get("namespace", "")
    try:
        return await context.client.patch(resource, name, {"metadata": metadata}, namespace=namespace, type="strategic")
    except (errors.NotFound, errors.Invalid, errors.Conflict):  # gone, or replaced by another of the same name
        return None
