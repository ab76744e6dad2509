"""Keeps a number of pods for an owner: what ReplicaSet and ReplicationController share.

`plan` is pure: the owner, its pods and the time in; how many to create, which to delete and the status out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controller import conditions
from controller.context import Context, Run
from controller.expectations import Expectations
from controller.ownership import claim, controller_of, is_deleting
from controller.pod_control import PodControl, pod_from_template
from controller.pods import (
    crowd_by_node,
    deletion_order,
    first_available_in,
    is_active,
    is_available,
    is_ready,
    is_terminating,
)
from controller.reconciler import Reconciler
from controller.timestamps import rfc3339
from pocketkube.api.meta import errors
from pocketkube.api.meta.selectors import Selector
from pocketkube.client.resources import PODS, Resource

Obj = dict[str, Any]

BURST = 500  # pods created or deleted in one go


@dataclass(frozen=True, slots=True)
class Plan:
    """At most one of `create` and `delete` is not empty."""

    create: int = 0
    delete: tuple[Obj, ...] = ()


def plan(owner: Obj, pods: Sequence[Obj], related: Iterable[Obj], now: datetime) -> Plan:
    """`pods` are the owner's, `related` those of all owners of the same group (the Deployment's other replica sets)."""
    active = [p for p in pods if is_active(p)]
    wanted = owner["spec"].get("replicas", 1)
    missing = wanted - len(active)
    if missing > 0:
        return Plan(create=min(missing, BURST))
    if missing == 0:
        return Plan()
    surplus = min(-missing, BURST)
    ordered = deletion_order(active, crowd_by_node(related), now) if surplus < len(active) else active
    return Plan(delete=tuple(ordered[:surplus]))


def status_of(owner: Obj, pods: Sequence[Obj], failure: Exception | None, missing: int, now: datetime) -> Obj:
    """The status to store. `failure` of the last writes becomes ReplicaFailure; `missing` > 0 says it failed to create."""
    spec, old = owner["spec"], owner.get("status") or {}
    template = (spec["template"].get("metadata") or {}).get("labels") or {}
    min_ready = spec.get("minReadySeconds") or 0
    active = [p for p in pods if is_active(p)]
    status = {k: v for k, v in old.items() if k == "conditions"}
    status |= {
        "replicas": len(active),
        "fullyLabeledReplicas": sum(template.items() <= (p["metadata"].get("labels") or {}).items() for p in active),
        "readyReplicas": sum(map(is_ready, active)),
        "availableReplicas": sum(is_available(p, min_ready, now) for p in active),
        "observedGeneration": owner["metadata"].get("generation", 0),
    }
    found = conditions.find(status.get("conditions"), "ReplicaFailure")
    if failure is not None and found is None:
        reason = "FailedCreate" if missing > 0 else "FailedDelete"
        new = {"type": "ReplicaFailure", "status": "True", "reason": reason, "message": str(failure)}
        status["conditions"] = conditions.with_condition(status.get("conditions"), new, now=rfc3339(now))
    elif failure is None and found is not None:
        status["conditions"] = conditions.without(status["conditions"], "ReplicaFailure")
    return {k: v for k, v in status.items() if v or k in ("replicas", "terminatingReplicas")}


@dataclass(frozen=True)
class Flavour:
    """What differs between the two kinds that keep replicas."""

    resource: Resource
    selector: Callable[[Obj], Selector]
    workers: int
    counts_terminating: bool = False


class ReplicaLoop:
    """Watches owners and pods, acts on `plan`, writes the status."""

    def __init__(self, context: Context, flavour: Flavour):
        self._context = context
        self._flavour = flavour
        self._resource = flavour.resource
        self._owners = context.informer(self._resource)
        self._pods = context.informer(PODS)
        self._expectations = Expectations(context.clock)
        self._control = PodControl(context, self._resource)
        name = self._resource.kind.lower()
        self._work = Reconciler(name, self._reconcile, clock=context.clock, workers=flavour.workers)
        self._owners.add_handler(on_add=self._changed, on_update=self._updated, on_delete=self._deleted)
        self._pods.add_handler(on_add=self._pod_added, on_update=self._pod_updated, on_delete=self._pod_deleted)

    def run(self) -> Run:
        return self._work.run((self._owners, self._pods))

    def _changed(self, owner: Obj) -> None:
        self._work.add(_key(owner))

    def _updated(self, old: Obj, new: Obj) -> None:
        if old["metadata"]["uid"] != new["metadata"]["uid"]:
            self._expectations.forget(_key(old))
        self._work.add(_key(new))

    def _deleted(self, owner: Obj) -> None:
        self._expectations.forget(_key(owner))
        self._work.add(_key(owner))

    def _pod_added(self, pod: Obj) -> None:
        if is_deleting(pod):  # seen first after a restart: its deletion is what counts
            self._pod_deleted(pod)
            return
        owner = self._owner_of(pod)
        if owner is not None:
            self._expectations.creation_observed(_key(owner))
            self._work.add(_key(owner))
        elif controller_of(pod) is None:
            self._wake_matching(pod)

    def _pod_updated(self, old: Obj, new: Obj) -> None:
        if is_deleting(new):
            self._pod_deleted(new)
            return
        before, owner = self._owner_of(old), self._owner_of(new)
        if before is not None and before is not owner:
            self._work.add(_key(before))
        if owner is not None:
            self._work.add(_key(owner))
        elif controller_of(new) is None:
            labels = (old["metadata"].get("labels") or {}) != (new["metadata"].get("labels") or {})
            if labels or controller_of(old) is not None:
                self._wake_matching(new)

    def _pod_deleted(self, pod: Obj) -> None:
        owner = self._owner_of(pod)
        if owner is not None:
            self._expectations.deletion_observed(_key(owner), pod["metadata"]["uid"])
            self._work.add(_key(owner))

    def _owner_of(self, pod: Obj) -> Obj | None:
        """The owner by reference, only if the cache holds that very uid."""
        reference = controller_of(pod)
        if reference is None or reference["kind"] != self._resource.kind:
            return None
        owner: Obj | None = self._owners.store.get(f"{pod['metadata']['namespace']}/{reference['name']}")
        return owner if owner is not None and owner["metadata"]["uid"] == reference["uid"] else None

    def _wake_matching(self, pod: Obj) -> None:
        labels = pod["metadata"].get("labels") or {}
        for owner in self._owners.store.by_index("namespace", pod["metadata"]["namespace"]) if labels else ():
            if self._flavour.selector(owner).matches(labels):
                self._work.add(_key(owner))

    async def _reconcile(self, key: str) -> float | None:
        owner = self._owners.store.get(key)
        if owner is None:
            self._expectations.forget(key)
            return None
        pods = await claim(
            self._context,
            self._pods,
            PODS,
            owner=owner,
            owner_resource=self._resource,
            selector=self._flavour.selector(owner),
        )
        now = self._context.clock.now()
        failure: Exception | None = None
        decided = Plan()
        if self._expectations.satisfied(key) and not is_deleting(owner):
            decided = plan(owner, pods, self._related(owner, pods), now)
            failure = await self._act(key, owner, decided)
        status = status_of(owner, pods, failure, decided.create, now)
        if self._flavour.counts_terminating:
            status["terminatingReplicas"] = sum(map(is_terminating, pods))
        await self._write(owner, status)
        if failure is not None:
            raise failure
        return first_available_in(pods, owner["spec"].get("minReadySeconds") or 0, now)

    def _related(self, owner: Obj, pods: Sequence[Obj]) -> Sequence[Obj]:
        parent = controller_of(owner)
        if parent is None:
            return pods
        siblings = self._owners.store.by_index("controller", parent["uid"])
        return [p for s in siblings for p in self._pods.store.by_index("controller", s["metadata"]["uid"])]

    async def _act(self, key: str, owner: Obj, decided: Plan) -> Exception | None:
        if decided.create:
            template = owner["spec"]["template"]
            new = [pod_from_template(owner, self._resource, template) for _ in range(decided.create)]
            self._expectations.expect_creations(key, len(new))
            _, failure = await self._control.create_many(
                owner, new, on_failure=lambda n: self._expectations.creation_observed(key, n)
            )
            return failure
        if decided.delete:
            self._expectations.expect_deletions(key, [p["metadata"]["uid"] for p in decided.delete])
            return await self._control.delete_many(
                owner,
                decided.delete,
                on_failure=lambda p: self._expectations.deletion_observed(key, p["metadata"]["uid"]),
            )
        return None

    async def _write(self, owner: Obj, status: Obj) -> None:
        if status == (owner.get("status") or {}):
            return
        try:
            await self._context.client.update_status(self._resource, {**owner, "status": status})
        except errors.NotFound:
            return


def _key(obj: Obj) -> str:
    return f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"
