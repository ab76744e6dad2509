"""ResourceQuota: recounts what each quota's namespace uses and writes it as status; admission refuses, this repairs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from controller.context import Context, Controller, Run
from controller.discovery import discover
from controller.reconciler import Reconciler
from pocketkube.api.kinds import quota as costs
from pocketkube.api.meta import errors, quantity
from pocketkube.client.resources import (
    CONFIGMAPS,
    PERSISTENTVOLUMECLAIMS,
    PODS,
    REPLICATIONCONTROLLERS,
    RESOURCEQUOTAS,
    SECRETS,
    SERVICES,
    Resource,
)
from pocketkube.client.store import key_of

Obj = dict[str, Any]

RESYNC_SECONDS = 300.0
SYNC_SECONDS = 10.0  # for the first list of a resource that nobody watched before
_CORE = (PODS, SERVICES, PERSISTENTVOLUMECLAIMS, CONFIGMAPS, SECRETS, REPLICATIONCONTROLLERS, RESOURCEQUOTAS)
_PODS_FIRST = ("cpu", "memory", "ephemeral-storage", "requests.", "limits.", "hugepages-", "pods", "count/pods")


def counted(name: str) -> str:
    """The resource that a quota name counts, as `plural` or `plural.group`: `pods` for `requests.cpu`."""
    if name.startswith("count/"):
        return name.removeprefix("count/")
    if name.startswith("services"):
        return "services"
    if name == "requests.storage" or ".storageclass.storage.k8s.io/" in name or name == "persistentvolumeclaims":
        return "persistentvolumeclaims"
    if ".deviceclass.resource.k8s.io/" in name:
        return "resourceclaims.resource.k8s.io"
    return "pods" if name.startswith(_PODS_FIRST) else name


def used(quota: Obj, objects: Mapping[str, Iterable[Obj]]) -> dict[str, str]:
    """Amounts by hard name. `objects` maps `plural.group` to what the namespace holds of it."""
    hard = (quota["spec"].get("hard") or {}).keys()
    total: dict[str, Decimal] = dict.fromkeys(hard, Decimal(0))
    for qualified, found in objects.items():
        plural, _, group = qualified.partition(".")
        for obj in found:
            if not costs.in_scope(quota, plural, group, obj):
                continue
            for name, amount in costs.constrained(hard, costs.usage(plural, group, obj)).items():
                total[name] += amount
    return {n: quantity.render(a, form="binary" if costs.is_binary(n) else "decimal") for n, a in total.items()}


def plan(quota: Obj, objects: Mapping[str, Iterable[Obj]]) -> Obj | None:
    """The status to write, None if it is right. `hard` in the status is what the spec says."""
    wanted = {"hard": dict(quota["spec"].get("hard") or {}), "used": used(quota, objects)}
    old = quota.get("status") or {}
    same = (old.get("hard") or {}) == wanted["hard"] and _equal(old.get("used") or {}, wanted["used"])
    return None if same else wanted


def _equal(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return one.keys() == other.keys() and all(quantity.parse(one[n]) == quantity.parse(other[n]) for n in one)


def start(context: Context) -> Run:
    return QuotaLoop(context).run()


class QuotaLoop:
    def __init__(self, context: Context):
        self._context = context
        self._quotas = context.informer(RESOURCEQUOTAS)
        self._pods = context.informer(PODS)
        workers = context.options.concurrent_resource_quota_syncs
        self._work = Reconciler("resourcequota", self._reconcile, clock=context.clock, workers=workers)
        self._quotas.add_handler(on_add=self._changed, on_update=self._updated)
        self._pods.add_handler(on_update=self._pod_updated, on_delete=self._wake("pods"))
        self._informed: dict[str, Resource] = {"pods": PODS}

    def run(self) -> Run:
        return self._work.run((self._quotas, self._pods))

    def _changed(self, quota: Obj) -> None:
        self._work.add(key_of(quota))

    def _updated(self, old: Obj, new: Obj) -> None:
        if old["spec"] != new["spec"]:
            self._changed(new)

    def _pod_updated(self, old: Obj, new: Obj) -> None:
        if costs.counts(old) != costs.counts(new):
            self._wake("pods")(new)

    def _wake(self, qualified: str) -> Callable[[Obj], None]:
        """Something of that resource was freed: quotas that count it look again."""

        def wake(obj: Obj) -> None:
            for quota in self._quotas.store.by_index("namespace", obj["metadata"].get("namespace", "")):
                if any(counted(n) == qualified for n in quota["spec"].get("hard") or ()):
                    self._work.add(key_of(quota))

        return wake

    async def _reconcile(self, key: str) -> float | None:
        quota = self._quotas.store.get(key)
        if quota is None:
            return None
        names = {counted(n) for n in quota["spec"].get("hard") or ()}
        namespace = quota["metadata"]["namespace"]
        objects = {n: await self._objects(n, namespace) for n in names}
        status = plan(quota, objects)
        if status is not None:
            try:
                await self._context.client.update_status(RESOURCEQUOTAS, {**quota, "status": status})
            except errors.NotFound:
                return None
        return RESYNC_SECONDS

    async def _objects(self, qualified: str, namespace: str) -> Sequence[Obj]:
        """From the cache of a resource, which is opened when a quota first counts it."""
        resource = self._informed.get(qualified) or await self._find(qualified)
        if resource is None:
            return ()
        informer = self._context.informer(resource)
        if qualified not in self._informed:
            self._informed[qualified] = resource
            informer.add_handler(on_delete=self._wake(qualified))
        async with asyncio.timeout(SYNC_SECONDS):
            await informer.wait_synced()
        return informer.store.by_index("namespace", namespace)

    async def _find(self, qualified: str) -> Resource | None:
        for known in _CORE:
            if known.plural == qualified:
                return known
        discovery = await discover(self._context.manager_client)
        return next((s.resource for s in discovery.served if s.resource.qualified == qualified), None)


CONTROLLER = Controller("resourcequota-controller", "resourcequota-controller", start, aliases=("resourcequota",))
