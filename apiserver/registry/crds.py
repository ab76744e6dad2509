"""Follows CustomResourceDefinitions: judges their names, serves what they define, and clears up after them.

    created ── NamesAccepted, Established ── served, in discovery, OpenAPI and the watch cache
    deleted ── Terminating ── its objects are deleted ── the finalizer goes ── served no more

Several servers do this side by side; who is second finds the work done.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from typing import Any

import orjson

from apiserver.admission.webhooks.calling import WebhookCaller
from apiserver.interfaces import Cluster
from apiserver.registry import custom, deletion
from apiserver.registry.conversion import WebhookConversion
from apiserver.registry.names import Names
from apiserver.registry.registry import Registry
from apiserver.registry.resource import Resource
from apiserver.registry.writer import Writer
from apiserver.storage.cache import Entry, Json
from apiserver.storage.interface import StoreUnavailable
from pocketkube.api.kinds.apiextensions.customresourcedefinition.validation import APPROVED, PROTECTED, approval_needed
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import errors, objects, times

log = logging.getLogger(__name__)

Obj = dict[str, Any]

GROUP, PLURAL = "apiextensions.k8s.io", "customresourcedefinitions"
FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
_RETRY_SECONDS = 0.5
_DIGEST = 32  # bytes
_DELETING_POLL_SECONDS = 1.0


class Definitions:
    """What each CRD was last served as, by its name. An event about one costs the same however many there are."""

    def __init__(self, registry: Registry, cluster: Cluster):
        self._registry = registry
        self._cluster = cluster
        self._caller = WebhookCaller(cluster)
        self._names = Names()
        self._refused: dict[str, str] = {}  # name of a CRD whose names are held by another -> its group
        self._served: dict[str, tuple[bytes, list[Resource]]] = {}  # name -> (digest of what was served, as what)
        self._clearing: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until cancelled."""
        await self._registry.cache.wait_ready()
        resource = self._registry.by_plural(GROUP, PLURAL)
        try:
            while True:
                watcher = resource.cache.watch(initial=True, format=_NAMES)
                try:
                    await self._settle(set(self._served) | {entry.key for entry in resource.cache.entries()})
                    while frames := await watcher.next():
                        await self._settle({orjson.loads(frame)["object"] for frame in frames})
                finally:
                    watcher.close()
                if not resource.cache.ready:
                    await self._registry.cache.wait_ready()
        finally:
            for task in self._clearing.values():
                task.cancel()
            await asyncio.gather(*self._clearing.values(), return_exceptions=True)
            await self._caller.close()

    async def _settle(self, pending: set[str]) -> None:
        """Bring everything in line with these CRDs as they are; again where it did not go."""
        while pending:
            later: set[str] = set()
            # The oldest first: of two that want a name, it is theirs.
            for name in sorted(pending, key=self._age):
                try:
                    later |= await self.reconcile(name)
                except (errors.StatusError, StoreUnavailable) as failure:
                    log.info("%s is looked at again: %s", name, failure)
                    later.add(name)
                    await asyncio.sleep(_RETRY_SECONDS)
            pending = later

    def _age(self, name: str) -> tuple[str, str]:
        crd = self._cluster.get(GROUP, PLURAL, "", name)
        return (crd["metadata"].get("creationTimestamp", "") if crd else "", name)

    async def reconcile(self, name: str) -> set[str]:
        """Look at one CRD; the names of others that this concerns. Raises what writing its status raises."""
        crd = self._cluster.get(GROUP, PLURAL, "", name)
        if crd is None:
            return self._withdraw(name)
        group, status = crd["spec"]["group"], crd.get("status") or {}
        freed = self._names.hold(name, group, status.get("acceptedNames") or {})
        wanted = {**custom.accepted_names({"spec": crd["spec"]})}
        accepted, reason, message = self._names.settle(name, group, wanted, status.get("acceptedNames") or {})
        if reason:
            self._refused[name] = group
        else:
            self._refused.pop(name, None)
        freed = self._names.hold(name, group, accepted) or freed
        established = objects.is_true(crd, "Established")
        if established or not reason:
            self._serve(name, {**crd, "status": {**status, "acceptedNames": accepted}})
        await self._judge(crd, accepted, verdict(crd, reason, message, established=established))
        if objects.is_deleting(crd):
            self._clear(name, crd)
        return self._waiting(group) - {name} if freed else set()

    def _waiting(self, group: str) -> set[str]:
        return {name for name, other in self._refused.items() if other == group}

    async def _judge(self, crd: Obj, accepted: Obj, conditions: list[Obj]) -> None:
        """Write what follows from the names. The next event brings the CRD with it."""
        status: Obj = orjson.loads(orjson.dumps(crd.get("status") or {}))
        known, now = status.setdefault("conditions", []), times.rfc3339(self._registry.clock.now())
        for condition in conditions:
            objects.set_condition(known, condition, now)
        status["acceptedNames"] = {"plural": "", "kind": "", **accepted}
        stored = next(v["name"] for v in crd["spec"]["versions"] if v.get("storage"))
        if stored not in status.setdefault("storedVersions", []):
            status["storedVersions"].append(stored)
        if status != crd.get("status"):
            await self._cluster.update(GROUP, PLURAL, {**crd, "status": status}, subresource="status")

    def _serve(self, name: str, crd: Obj) -> None:
        terminating = "deletionTimestamp" in crd["metadata"]
        status = crd["status"]
        rest = (status["acceptedNames"], status.get("storedVersions"), terminating)
        wanted = _digest(crd["spec"]) + _digest(rest)
        before = self._served.get(name)
        if before is not None and before[0] == wanted:
            return
        if any(self._registry.is_own(crd["spec"]["group"], version["name"]) for version in crd["spec"]["versions"]):
            log.warning("%s is not served: its version of the group is the server's own", name)
            return
        kinds, shown = custom.kinds_of(crd, self._converter(crd)), custom.served(crd)
        if before is not None:
            self._replace(before[1], kinds, reshaped=before[0][:_DIGEST] != wanted[:_DIGEST])
        added = self._registry.add(kinds)
        for resource in added:
            if resource.kind.version not in shown:
                self._registry.remove(resource)
        self._served[name] = (wanted, added)
        log.info("serving %s in %s", name, ", ".join(sorted(shown)))

    def _replace(self, resources: list[Resource], kinds: list[Kind], *, reshaped: bool) -> None:
        """Objects stay in memory where they are kept as before; their watches end where they are shown otherwise."""
        form = {(k.api_version, k.kind, tuple(k.selectable)) for k in kinds if k.storage_version == k.version}
        kept = {(r.stored.api_version, r.stored.kind, tuple(r.stored.selectable)) for r in resources}
        for resource in resources:
            self._registry.remove(resource, forget=form != kept)
        if reshaped:
            resources[0].cache.end_watches()

    def _converter(self, crd: Obj) -> custom.Converter | None:
        conversion = crd["spec"].get("conversion") or {}
        if conversion.get("strategy") != "Webhook":
            return None
        return WebhookConversion(self._caller, conversion.get("webhook") or {}).convert

    def _withdraw(self, name: str) -> set[str]:
        """Serve a CRD no more; whom its names were in the way of."""
        self._refused.pop(name, None)
        if name not in self._served:
            return set()
        resources = self._served.pop(name)[1]
        for resource in resources:
            self._registry.remove(resource, forget=True)
        log.info("%s is served no more", name)
        self._names.release(name)
        return self._waiting(resources[0].group)

    def _clear(self, name: str, crd: Obj) -> None:
        """Delete the objects of a CRD that is going, beside everything else."""
        if FINALIZER not in crd["metadata"].get("finalizers", ()) or name in self._clearing:
            return
        task = asyncio.create_task(self._delete_all(name), name=f"clear {name}")
        self._clearing[name] = task
        task.add_done_callback(lambda _: self._clearing.pop(name, None))

    async def _delete_all(self, name: str) -> None:
        served = self._served.get(name)
        if served is not None:
            await self._terminate(name, True, "InstanceDeletionInProgress", "CustomResource deletion is in progress")
        while served is not None:
            resource = next((r for r in served[1] if r.kind is r.stored), served[1][0])
            await self._registry.cache.wait_loaded(resource.cache)
            await self._registry.cache.wait_fresh()
            left = resource.cache.entries()
            if not left:
                break
            for entry in left:
                await self._delete_one(resource, entry.namespace, entry.name)
            await asyncio.sleep(0 if not resource.cache.entries() else _DELETING_POLL_SECONDS)
        reason, message = _DONE if served is not None else _NEVER
        await self._terminate(name, False, reason, message)

    async def _delete_one(self, resource: Resource, namespace: str, name: str) -> None:
        try:
            await deletion.delete(self._registry, resource, Writer(), {}, namespace=namespace, name=name)
        except (errors.StatusError, StoreUnavailable) as failure:
            if not isinstance(failure, errors.NotFound):
                log.warning("%s %s/%s is not deleted yet: %s", resource.plural, namespace, name, failure)

    async def _terminate(self, name: str, status: bool, reason: str, message: str) -> None:
        """Say how far the deletion is; at its end the finalizer goes too."""
        for _ in range(10):
            crd = await self._cluster.get_live(GROUP, PLURAL, "", name)
            if crd is None or FINALIZER not in crd["metadata"].get("finalizers", ()):
                return
            new: Obj = orjson.loads(orjson.dumps(crd))
            conditions = new.setdefault("status", {}).get("conditions") or []
            now = times.rfc3339(self._registry.clock.now())
            objects.set_condition(conditions, _condition("Terminating", status, reason, message), now)
            new["status"]["conditions"] = conditions
            if not status:
                new["metadata"]["finalizers"].remove(FINALIZER)
            try:
                await self._cluster.update(GROUP, PLURAL, new, subresource="status")
                return
            except errors.NotFound:
                return
            except errors.Conflict:
                continue


_DONE = ("InstanceDeletionCompleted", "removed all instances")
_NEVER = ("NeverEstablished", "resource was never established")


class _Name(Json):
    """Events that say no more than the name."""

    def encode(self, entry: Entry) -> bytes:
        return orjson.dumps(entry.key)


_NAMES = _Name("", "")


def _digest(value: Any) -> bytes:
    return hashlib.sha256(orjson.dumps(value)).digest()


def verdict(crd: Obj, reason: str, message: str, *, established: bool) -> list[Obj]:
    """The conditions that follow from the names (`reason` "" where they are free) and from the group."""
    accepted = not reason
    found = [_condition("NamesAccepted", accepted, reason or "NoConflicts", message or "no conflicts found")]
    if accepted and not established:
        found.append(_condition("Established", True, "InitialNamesAccepted", "the initial names have been accepted"))
    elif not established:
        found.append(_condition("Established", False, "NotAccepted", "not all names are accepted"))
    return [*found, *_approval(crd)]


def _approval(crd: Obj) -> list[Obj]:
    """Groups of the community say who approved them."""
    group = crd["spec"]["group"]
    if not any(group == domain or group.endswith(f".{domain}") for domain in PROTECTED):
        return []
    value = (crd["metadata"].get("annotations") or {}).get(APPROVED, "")
    kind = "KubernetesAPIApprovalPolicyConformant"
    if value.startswith(("https://", "http://")):
        return [_condition(kind, True, "ApprovedAnnotation", f"approved in {value}")]
    if value.startswith("unapproved"):
        return [_condition(kind, False, "UnapprovedAnnotation", f'not approved: "{value}"')]
    if not value:
        return [_condition(kind, False, "MissingAnnotation", approval_needed(value))]
    return [_condition(kind, False, "InvalidAnnotation", approval_needed(value))]


def _condition(kind: str, status: bool, reason: str, message: str) -> Obj:
    return {"type": kind, "status": str(status), "reason": reason, "message": message}
