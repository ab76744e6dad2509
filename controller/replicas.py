"""Keeps a number of pods for an owner: what ReplicaSet and ReplicationController share.

`plan` is pure: the owner, its pods and the time in; how many to create, which to delete and the status out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controller import conditions
from controller.children import ChildWatch
from controller.context import Context, Run
from controller.expectations import Expectations
from controller.ownership import claim, selects_own
from controller.pod_control import PodControl, namespace_ending, pod_from_template
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
from pocketkube.api.meta import errors
from pocketkube.api.meta.objects import controller_of, is_deleting
from pocketkube.api.meta.selectors import Selector
from pocketkube.api.meta.times import rfc3339
from pocketkube.client.resources import PODS, Resource
from pocketkube.client.store import key_of

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
        ChildWatch(
            self._owners,
            self._resource,
            self._pods,
            enqueue=self._work.add,
            selector=flavour.selector,
            created=self._expectations.creation_observed,
            deleted=lambda key, pod: self._expectations.deletion_observed(key, pod["metadata"]["uid"]),
        )

    def run(self) -> Run:
        return self._work.run((self._owners, self._pods))

    def _changed(self, owner: Obj) -> None:
        self._work.add(key_of(owner))

    def _updated(self, old: Obj, new: Obj) -> None:
        if old["metadata"]["uid"] != new["metadata"]["uid"]:
            self._expectations.forget(key_of(old))
        self._work.add(key_of(new))

    def _deleted(self, owner: Obj) -> None:
        self._expectations.forget(key_of(owner))
        self._work.add(key_of(owner))

    async def _reconcile(self, key: str) -> float | None:
        owner = self._owners.store.get(key)
        if owner is None:
            self._expectations.forget(key)
            return None
        selector = self._flavour.selector(owner)
        if not selects_own(selector, owner["spec"].get("template")):
            return None
        pods = await claim(
            self._context,
            self._pods,
            PODS,
            owner=owner,
            owner_resource=self._resource,
            selector=selector,
        )
        now = self._context.clock.now()
        failure: Exception | None = None
        decided = Plan()
        if self._expectations.satisfied(key) and not is_deleting(owner):
            decided = plan(owner, pods, self._related(owner, pods), now)
            failure = await self._act(key, owner, decided)
        if failure is not None and namespace_ending(failure):
            return None
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
