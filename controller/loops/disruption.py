"""Disruption: keeps the status of PodDisruptionBudgets, by which evictions are allowed or refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from controller.conditions import with_condition
from controller.context import Context, Controller, Run
from controller.discovery import discover
from controller.pods import is_ready, is_terminal
from controller.reconciler import Reconciler
from controller.shares import share
from pocketkube.api.meta import errors, times
from pocketkube.api.meta.objects import controller_of
from pocketkube.api.meta.selectors import Selector, from_label_selector
from pocketkube.api.meta.times import rfc3339
from pocketkube.client.resources import (
    DEPLOYMENTS,
    PODDISRUPTIONBUDGETS,
    PODS,
    REPLICASETS,
    REPLICATIONCONTROLLERS,
    STATEFULSETS,
    Resource,
)
from pocketkube.client.store import key_of

Obj = dict[str, Any]

DELETION_SECONDS = 120.0  # how long an evicted pod counts as disrupted while its deletion is not seen


class NoScale(Exception):
    """A percentage needs to know how many pods there should be, and the pods' controller does not say."""


def desired_healthy(budget: Obj, expected: int) -> int:
    """How many pods must stay healthy."""
    spec = budget["spec"]
    if spec.get("maxUnavailable") is not None:
        return max(0, expected - share(spec["maxUnavailable"], expected, up=True))
    return share(spec.get("minAvailable", 0), expected, up=True)


def needs_scale(budget: Obj) -> bool:
    """Whether the expected number comes from the pods' controllers, not from counting pods."""
    spec = budget["spec"]
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


def still_disrupted(budget: Obj, pods: Iterable[Obj], now: datetime) -> tuple[dict[str, str], float | None]:
    """(disruptedPods that still count, seconds until the first of them no longer does)."""
    present = {p["metadata"]["name"]: p for p in pods}
    kept: dict[str, str] = {}
    waits: list[float] = []
    for name, since in ((budget.get("status") or {}).get("disruptedPods") or {}).items():
        pod = present.get(name)
        left = DELETION_SECONDS - (now - times.parse(since)).total_seconds()
        if pod is None or pod["metadata"].get("deletionTimestamp") or left <= 0:
            continue
        kept[name] = since
        waits.append(left)
    return kept, min(waits, default=None)


def plan(budget: Obj, pods: Sequence[Obj], expected: int, now: datetime) -> tuple[Obj, float | None]:
    """(the status, seconds until to look again). `pods` are those that the budget selects."""
    disrupted, again = still_disrupted(budget, pods, now)
    healthy = sum(
        is_ready(p) and not p["metadata"].get("deletionTimestamp") and p["metadata"]["name"] not in disrupted
        for p in pods
    )
    wanted = desired_healthy(budget, expected)
    allowed = max(0, healthy - wanted) if expected > 0 else 0
    old = budget.get("status") or {}
    generation = budget["metadata"].get("generation", 0)
    enough = (
        {"status": "True", "reason": "SufficientPods"} if allowed else {"status": "False", "reason": "InsufficientPods"}
    )
    condition = {"type": "DisruptionAllowed", **enough, "message": "", "observedGeneration": generation}
    status: Obj = {
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": wanted,
        "expectedPods": expected,
        "observedGeneration": generation,
        "conditions": with_condition(old.get("conditions"), condition, now=rfc3339(now)),
    }
    return {**status, **({"disruptedPods": disrupted} if disrupted else {})}, again


def failed(budget: Obj, why: str, now: datetime) -> Obj:
    """The status of a budget that cannot be computed: nothing may be disrupted."""
    old = budget.get("status") or {}
    condition = {
        "type": "DisruptionAllowed",
        "status": "False",
        "reason": "SyncFailed",
        "message": why,
        "observedGeneration": budget["metadata"].get("generation", 0),
    }
    conditions = with_condition(old.get("conditions"), condition, now=rfc3339(now))
    numbers = {k: old.get(k, 0) for k in ("currentHealthy", "desiredHealthy", "expectedPods", "observedGeneration")}
    return {**old, **numbers, "disruptionsAllowed": 0, "conditions": conditions}


def start(context: Context) -> Run:
    return DisruptionLoop(context).run()


def _selector(budget: Obj) -> Selector:
    return from_label_selector(budget["spec"].get("selector"))


class DisruptionLoop:
    def __init__(self, context: Context):
        self._context = context
        self._budgets, self._pods = context.informer(PODDISRUPTIONBUDGETS), context.informer(PODS)
        self._sets = context.informer(REPLICASETS)
        kinds = (REPLICATIONCONTROLLERS, REPLICASETS, STATEFULSETS, DEPLOYMENTS)
        self._owners: Mapping[str, tuple[Resource, Any]] = {r.kind: (r, context.informer(r)) for r in kinds}
        self._work = Reconciler("disruption", self._reconcile, clock=context.clock, workers=2)
        self._budgets.add_handler(
            on_add=lambda new: self._work.add(key_of(new)), on_update=lambda old, new: self._work.add(key_of(new))
        )
        self._pods.add_handler(on_add=self._wake, on_update=self._pod_updated, on_delete=self._wake)

    def run(self) -> Run:
        return self._work.run((self._budgets, self._pods, *(i for _, i in self._owners.values())))

    def _wake(self, pod: Obj) -> None:
        for budget in self._budgets.store.by_index("namespace", pod["metadata"]["namespace"]):
            if _selector(budget).matches(pod["metadata"].get("labels") or {}):
                self._work.add(key_of(budget))

    def _pod_updated(self, old: Obj, new: Obj) -> None:
        self._wake(new)
        if old["metadata"].get("labels") != new["metadata"].get("labels"):
            self._wake(old)

    async def _reconcile(self, key: str) -> float | None:
        budget = self._budgets.store.get(key)
        if budget is None:
            return None
        selector, now = _selector(budget), self._context.clock.now()
        pods = [
            p for p in self._pods.store.by_index("namespace", budget["metadata"]["namespace"])
            if selector.matches(p["metadata"].get("labels") or {}) and not is_terminal(p)
        ]  # fmt: skip
        again: float | None = None
        try:
            expected = await self._expected(pods) if needs_scale(budget) else len(pods)
            status, again = plan(budget, pods, expected, now)
        except NoScale as why:
            text = f"Failed to calculate the number of expected pods: {why}"
            self._context.event(PODDISRUPTIONBUDGETS, budget, "Warning", "CalculateExpectedPodCountFailed", text)
            status = failed(budget, str(why), now)
        if not pods:
            self._context.event(PODDISRUPTIONBUDGETS, budget, "Normal", "NoPods", "No matching pods found")
        if status != (budget.get("status") or {}):
            try:
                await self._context.client.update_status(PODDISRUPTIONBUDGETS, {**budget, "status": status})
            except errors.NotFound:
                return None
        return again

    async def _expected(self, pods: Sequence[Obj]) -> int:
        """The scales of the pods' controllers, each counted once."""
        scales: dict[str, int] = {}
        for pod in pods:
            reference = controller_of(pod)
            if reference is None:
                raise NoScale(f"found no controller ref for pod {pod['metadata']['name']!r}")
            if reference["uid"] not in scales:
                uid, scale = await self._scale(reference, pod["metadata"]["namespace"])
                scales[uid] = scale
        return sum(scales.values())

    async def _scale(self, reference: Obj, namespace: str) -> tuple[str, int]:
        resource, informer = self._owners.get(reference["kind"], (None, None))
        if resource is not None and informer is not None:
            owner = informer.store.get(f"{namespace}/{reference['name']}")
            if owner is not None and owner["metadata"]["uid"] == reference["uid"]:
                above = controller_of(owner)
                if above is not None and above["kind"] in self._owners:
                    return await self._scale(above, namespace)
                return reference["uid"], int(owner["spec"].get("replicas", 1))
            raise NoScale(f"the {reference['kind']} {reference['name']!r} is gone")
        return reference["uid"], await self._scale_of_custom(reference, namespace)

    async def _scale_of_custom(self, reference: Obj, namespace: str) -> int:
        kinds = (await discover(self._context.manager_client)).by_kind()
        resource = kinds.get((reference["apiVersion"].rpartition("/")[0], reference["kind"]))
        if resource is None:
            raise NoScale(f"no matches for kind {reference['kind']!r}")
        try:
            scale = await self._context.client.get(resource, reference["name"], namespace, subresource="scale")
        except errors.StatusError as error:
            raise NoScale(f"{resource.qualified} does not implement the scale subresource: {error}") from error
        return int((scale.get("spec") or {}).get("replicas", 0))


CONTROLLER = Controller(
    "disruption-controller", "disruption-controller", start, aliases=("disruption",), events="controllermanager"
)
