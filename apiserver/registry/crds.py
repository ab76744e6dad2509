"""Follows CustomResourceDefinitions: judges their names, serves what they define, and clears up after them.

    created ── NamesAccepted, Established ── served, in discovery, OpenAPI and the watch cache
    deleted ── Terminating ── its objects are deleted ── the finalizer goes ── served no more

Several servers do this side by side; who is second finds the work done.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import orjson

from apiserver.interfaces import Cluster
from apiserver.registry import custom, deletion
from apiserver.registry.registry import Registry
from apiserver.registry.resource import Resource
from apiserver.registry.writer import Writer
from apiserver.storage.interface import StoreUnavailable
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import errors, objects, times

log = logging.getLogger(__name__)

Obj = dict[str, Any]

GROUP, PLURAL = "apiextensions.k8s.io", "customresourcedefinitions"
FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
_RETRY_SECONDS = 0.5
_DELETING_POLL_SECONDS = 1.0


class Definitions:
    """What each CRD was last served as, by its name."""

    def __init__(self, registry: Registry, cluster: Cluster):
        self._registry = registry
        self._cluster = cluster
        self._served: dict[str, tuple[bytes, list[Resource]]] = {}  # name -> (what was served, as what)
        self._clearing: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until cancelled."""
        await self._registry.cache.wait_ready()
        resource = self._registry.by_plural(GROUP, PLURAL)
        try:
            while True:
                watcher = resource.cache.watch(initial=True)
                try:
                    while await self._settled() and await watcher.next():
                        pass
                finally:
                    watcher.close()
                if not resource.cache.ready:
                    await self._registry.cache.wait_ready()
        finally:
            for task in self._clearing.values():
                task.cancel()
            await asyncio.gather(*self._clearing.values(), return_exceptions=True)

    async def _settled(self) -> bool:
        """Bring everything in line with the CRDs as they are; False where it has to be tried again."""
        try:
            await self.reconcile()
        except (errors.StatusError, StoreUnavailable) as failure:
            log.info("custom resource definitions are looked at again: %s", failure)
            await asyncio.sleep(_RETRY_SECONDS)
            return False
        return True

    async def reconcile(self) -> None:
        """One pass over all CRDs. Raises what writing their status raises."""
        found = {crd["metadata"]["name"]: crd for crd in self._cluster.list(GROUP, PLURAL)}
        for name in self._served.keys() - found.keys():
            self._withdraw(name)
        for name, crd in found.items():
            await self._judge(crd, found)
            if objects.is_true(crd, "Established"):
                self._serve(name, crd)
            if objects.is_deleting(crd):
                self._clear(name, crd)

    async def _judge(self, crd: Obj, all_crds: dict[str, Obj]) -> None:
        """Write the conditions that follow from the names. The next event brings the CRD with them."""
        conflicts = name_conflicts(crd, all_crds)
        new: Obj = orjson.loads(orjson.dumps(crd))
        status = new.setdefault("status", {})
        conditions = status.setdefault("conditions", [])
        now = times.rfc3339(self._registry.clock.now())
        for condition in _verdict(conflicts, objects.is_true(crd, "Established")):
            objects.set_condition(conditions, condition, now)
        if not conflicts:
            status["acceptedNames"] = _accepted(crd["spec"]["names"])
        stored = next(v["name"] for v in crd["spec"]["versions"] if v.get("storage"))
        known = status.setdefault("storedVersions", [])
        if stored not in known:
            known.append(stored)
        if status != crd.get("status"):
            await self._cluster.update(GROUP, PLURAL, new, subresource="status")

    def _serve(self, name: str, crd: Obj) -> None:
        wanted = orjson.dumps((crd["spec"], (crd.get("status") or {}).get("acceptedNames")))
        before = self._served.get(name)
        if before is not None and before[0] == wanted:
            return
        kinds, shown = custom.kinds_of(crd), custom.served(crd)
        if before is not None:
            self._replace(before[1], kinds)
        added = self._registry.add(kinds)
        for resource in added:
            if resource.kind.version not in shown:
                self._registry.remove(resource)
        self._served[name] = (wanted, added)
        log.info("serving %s in %s", name, ", ".join(sorted(shown)))

    def _replace(self, resources: list[Resource], kinds: list[Kind]) -> None:
        """Watches go on where the objects are kept as before."""
        form = {(k.api_version, k.kind, tuple(k.selectable)) for k in kinds if k.storage_version == k.version}
        kept = {(r.stored.api_version, r.stored.kind, tuple(r.stored.selectable)) for r in resources}
        for resource in resources:
            self._registry.remove(resource, forget=form != kept)

    def _forget(self, resources: list[Resource]) -> None:
        for resource in resources:
            self._registry.remove(resource, forget=True)

    def _withdraw(self, name: str) -> None:
        self._forget(self._served.pop(name)[1])
        log.info("%s is served no more", name)

    def _clear(self, name: str, crd: Obj) -> None:
        """Delete the objects of a CRD that is going, beside everything else."""
        if FINALIZER not in crd["metadata"].get("finalizers", ()) or name in self._clearing:
            return
        task = asyncio.create_task(self._delete_all(name), name=f"clear {name}")
        self._clearing[name] = task
        task.add_done_callback(lambda _: self._clearing.pop(name, None))

    async def _delete_all(self, name: str) -> None:
        served = self._served.get(name)
        while served is not None:
            resource = served[1][0]
            await self._registry.cache.wait_loaded(resource.cache)
            await self._registry.cache.wait_fresh()
            left = resource.cache.entries()
            if not left:
                break
            for entry in left:
                await self._delete_one(resource, entry.namespace, entry.name)
            await asyncio.sleep(0 if not resource.cache.entries() else _DELETING_POLL_SECONDS)
        await self._release(name)

    async def _delete_one(self, resource: Resource, namespace: str, name: str) -> None:
        try:
            await deletion.delete(self._registry, resource, Writer(), {}, namespace=namespace, name=name)
        except (errors.StatusError, StoreUnavailable) as failure:
            if not isinstance(failure, errors.NotFound):
                log.warning("%s %s/%s is not deleted yet: %s", resource.plural, namespace, name, failure)

    async def _release(self, name: str) -> None:
        for _ in range(10):
            crd = await self._cluster.get_live(GROUP, PLURAL, "", name)
            if crd is None:
                return
            kept = [f for f in crd["metadata"].get("finalizers", ()) if f != FINALIZER]
            metadata = {k: v for k, v in crd["metadata"].items() if k != "finalizers"}
            if kept:
                metadata["finalizers"] = kept
            try:
                await self._cluster.update(GROUP, PLURAL, {**crd, "metadata": metadata})
                return
            except errors.NotFound:
                return
            except errors.Conflict:
                continue


def _accepted(names: Obj) -> Obj:
    return {"singular": names["kind"].lower(), "listKind": f"{names['kind']}List", **names}


def name_conflicts(crd: Obj, all_crds: dict[str, Obj]) -> list[str]:
    """What of this CRD's names an older, accepted CRD of its group holds, in upstream's words."""
    group, mine = crd["spec"]["group"], _accepted(crd["spec"]["names"])
    taken: set[str] = set()
    kinds: set[str] = set()
    for other in all_crds.values():
        if other["metadata"]["name"] == crd["metadata"]["name"] or other["spec"]["group"] != group:
            continue
        names = (other.get("status") or {}).get("acceptedNames") or {}
        taken |= {names.get("plural", ""), names.get("singular", ""), *(names.get("shortNames") or ())}
        kinds |= {names.get("kind", ""), names.get("listKind", "")}
    wanted = [("PluralConflict", mine["plural"]), ("SingularConflict", mine["singular"])]
    wanted += [("ShortNamesConflict", short) for short in mine.get("shortNames") or ()]
    found = [f"{reason}:{name}" for reason, name in wanted if name in taken]
    return found + [
        f"{r}:{n}" for r, n in (("KindConflict", mine["kind"]), ("ListKindConflict", mine["listKind"])) if n in kinds
    ]


def _verdict(conflicts: list[str], established: bool) -> list[Obj]:
    if conflicts:
        reason, _, name = conflicts[0].partition(":")
        refused = {
            "type": "NamesAccepted",
            "status": "False",
            "reason": reason,
            "message": f'"{name}" is already in use',
        }
        if established:
            return [refused]
        why = {"reason": "NotAccepted", "message": "not all names are accepted"}
        return [refused, {"type": "Established", "status": "False", **why}]
    accepted = {
        "type": "NamesAccepted", "status": "True", "reason": "NoConflicts", "message": "no conflicts found",
    }  # fmt: skip
    done = {
        "type": "Established", "status": "True", "reason": "InitialNamesAccepted",
        "message": "the initial names have been accepted",
    }  # fmt: skip
    return [accepted, done]
