"""The autoscaler's hands: every 15 s, each autoscaler reads its target's scale and pod metrics, and sets the scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from controller.conditions import with_condition
from controller.context import Context, Run
from controller.discovery import discover
from controller.loops.horizontalpodautoscaler.behavior import Memory, decide
from controller.loops.horizontalpodautoscaler.usage import NoMetrics, Proposal, Settings, propose, usage_of
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors, quantity
from pocketkube.api.meta.selectors import parse_label_selector
from pocketkube.api.meta.times import rfc3339
from pocketkube.client.resources import HORIZONTALPODAUTOSCALERS, PODS, Resource
from pocketkube.client.store import key_of

Obj = dict[str, Any]

POD_METRICS = Resource("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", True)


def start(context: Context) -> Run:
    return Autoscaler(context).run()


class Autoscaler:
    def __init__(self, context: Context):
        self._context = context
        self._autoscalers, self._pods = context.informer(HORIZONTALPODAUTOSCALERS), context.informer(PODS)
        self._memories: dict[str, Memory] = {}
        options = context.options
        self._settings = Settings(
            options.horizontal_pod_autoscaler_tolerance,
            options.horizontal_pod_autoscaler_cpu_initialization_period,
            options.horizontal_pod_autoscaler_initial_readiness_delay,
        )
        workers = options.concurrent_horizontal_pod_autoscaler_syncs
        self._work = Reconciler("horizontal-pod-autoscaler", self._reconcile, clock=context.clock, workers=workers)
        self._autoscalers.add_handler(
            on_add=lambda new: self._work.add(key_of(new)),
            on_update=self._updated,
            on_delete=self._deleted,
        )

    def run(self) -> Run:
        return self._work.run((self._autoscalers, self._pods))

    def _deleted(self, autoscaler: Obj) -> None:
        self._memories.pop(key_of(autoscaler), None)

    def _updated(self, old: Obj, new: Obj) -> None:
        if old["spec"] != new["spec"]:
            self._work.add(key_of(new))

    async def _reconcile(self, key: str) -> float | None:
        autoscaler = self._autoscalers.store.get(key)
        if autoscaler is None:
            return None
        period = self._context.options.horizontal_pod_autoscaler_sync_period
        try:
            resource, scale = await self._scale(autoscaler)
        except (errors.StatusError, NoMetrics) as error:
            text = f"the HPA controller was unable to get the target's current scale: {error}"
            await self._fail(autoscaler, "AbleToScale", "FailedGetScale", text)
            return period
        await self._sync(key, autoscaler, resource, scale)
        return period

    async def _scale(self, autoscaler: Obj) -> tuple[Resource, Obj]:
        target = autoscaler["spec"]["scaleTargetRef"]
        kinds = (await discover(self._context.manager_client)).by_kind()
        resource = kinds.get(((target.get("apiVersion") or "").rpartition("/")[0], target["kind"]))
        if resource is None:
            raise NoMetrics(f"no matches for kind {target['kind']!r}")
        namespace = autoscaler["metadata"]["namespace"]
        return resource, await self._context.client.get(resource, target["name"], namespace, subresource="scale")

    async def _sync(self, key: str, autoscaler: Obj, resource: Resource, scale: Obj) -> None:
        current = int((scale.get("spec") or {}).get("replicas", 0))
        conditions: list[tuple[str, str, str, str]] = []
        if not current:
            text = "scaling is disabled since the replica count of the target is zero"
            conditions.append(("ScalingActive", "False", "ScalingDisabled", text))
            await self._write(autoscaler, scale, current, [], conditions)
            return
        proposals, metrics, failure = await self._propose(autoscaler, scale, current)
        if not proposals:
            reason, text = failure or ("FailedGetResourceMetric", "no metrics are specified")
            await self._fail(autoscaler, "ScalingActive", reason, text)
            return
        highest = max(proposals)
        if failure is not None and highest < current:
            highest = current  # a metric that cannot be read must not let others scale down
        text = "the HPA was able to successfully calculate a replica count from resource metrics"
        conditions.append(("ScalingActive", "True", "ValidMetricFound", text))
        now = self._context.clock.monotonic()
        memory = self._memories.setdefault(key, Memory())
        stabilization = self._context.options.horizontal_pod_autoscaler_downscale_stabilization
        decided = decide(autoscaler, memory, current=current, proposal=highest, stabilization=stabilization, now=now)
        conditions += decided.conditions
        if decided.replicas != current:
            if not await self._rescale(autoscaler, resource, scale, decided.replicas):
                return
            memory.changes.append((now, decided.replicas - current))
            text = f"the HPA controller was able to update the target scale to {decided.replicas}"
            conditions = [c for c in conditions if c[0] != "AbleToScale"]
            conditions.append(("AbleToScale", "True", "SucceededRescale", text))
        await self._write(autoscaler, scale, decided.replicas, metrics, conditions, scaled=decided.replicas != current)

    async def _propose(
        self, autoscaler: Obj, scale: Obj, current: int
    ) -> tuple[list[int], list[Obj], tuple[str, str] | None]:
        """(proposals, currentMetrics, the first failure as reason and message)."""
        namespace = autoscaler["metadata"]["namespace"]
        selector = parse_label_selector((scale.get("status") or {}).get("selector") or "")
        pods = [
            p for p in self._pods.store.by_index("namespace", namespace)
            if not selector.empty and selector.matches(p["metadata"].get("labels") or {})
        ]  # fmt: skip
        proposals: list[int] = []
        metrics: list[Obj] = []
        failure: tuple[str, str] | None = None
        for metric in autoscaler["spec"].get("metrics") or ():
            try:
                found, shown = await self._evaluate(metric, namespace, pods, str(selector), current)
            except (NoMetrics, errors.StatusError) as error:
                kind = metric["type"]
                text = f"the HPA was unable to compute the replica count: failed to get {kind} metric: {error}"
                failure = failure or (f"FailedGet{kind}Metric", text)
                continue
            proposals.append(found.replicas)
            metrics.append(shown)
        return proposals, metrics, failure

    async def _evaluate(
        self, metric: Obj, namespace: str, pods: Sequence[Obj], selector: str, current: int
    ) -> tuple[Proposal, Obj]:
        kind = metric["type"]
        if kind not in ("Resource", "ContainerResource"):
            raise NoMetrics(f"no custom metrics API serves {kind} metrics")
        source = metric["resource" if kind == "Resource" else "containerResource"]
        resource, container = source["name"], source.get("container", "")
        listed = await self._context.client.list(POD_METRICS, namespace, labelSelector=selector)
        usage = {
            m["metadata"]["name"]: used
            for m in listed.get("items") or ()
            if (used := usage_of(m, resource, container)) is not None
        }
        target = source["target"]
        found = propose(
            pods,
            usage,
            current=current,
            resource=resource,
            container=container,
            percent=target.get("averageUtilization"),
            average=quantity.milli(str(target["averageValue"])) if target.get("averageValue") else None,
            settings=self._settings,
            now=self._context.clock.now(),
        )
        value: Obj = {"averageValue": _shown(resource, found.average)}
        if found.utilization is not None:
            value["averageUtilization"] = found.utilization
        name = {"name": resource, **({"container": container} if container else {}), "current": value}
        return found, {"type": kind, "resource" if kind == "Resource" else "containerResource": name}

    async def _rescale(self, autoscaler: Obj, resource: Resource, scale: Obj, replicas: int) -> bool:
        wanted = {**scale, "spec": {**(scale.get("spec") or {}), "replicas": replicas}}
        try:
            await self._context.client.update(resource, wanted, subresource="scale")
        except errors.StatusError as error:
            text = f"New size: {replicas}; reason: metrics; error: {error}"
            self._event(autoscaler, "Warning", "FailedRescale", text)
            await self._fail(autoscaler, "AbleToScale", "FailedUpdateScale", str(error))
            return False
        current = int((scale.get("spec") or {}).get("replicas", 0))
        why = "All metrics below target" if replicas < current else "resource utilization above target"
        self._event(autoscaler, "Normal", "SuccessfulRescale", f"New size: {replicas}; reason: {why}")
        return True

    async def _fail(self, autoscaler: Obj, type: str, reason: str, text: str) -> None:
        self._event(autoscaler, "Warning", reason, text)
        old = autoscaler.get("status") or {}
        status = {**old, "conditions": self._conditions(old, [(type, "False", reason, text)])}
        status.setdefault("currentMetrics", None)
        status.setdefault("desiredReplicas", 0)
        await self._put(autoscaler, status)

    def _conditions(self, old: Obj, found: Sequence[tuple[str, str, str, str]]) -> list[Obj]:
        conditions = old.get("conditions")
        now = rfc3339(self._context.clock.now())
        for type, status, reason, message in found:
            new = {"type": type, "status": status, "reason": reason, "message": message}
            conditions = with_condition(conditions, new, now=now)
        return conditions or []

    async def _write(
        self,
        autoscaler: Obj,
        scale: Obj,
        desired: int,
        metrics: list[Obj],
        conditions: Sequence[tuple[str, str, str, str]],
        *,
        scaled: bool = False,
    ) -> None:
        old = autoscaler.get("status") or {}
        status: Obj = {
            "observedGeneration": autoscaler["metadata"].get("generation"),
            "lastScaleTime": rfc3339(self._context.clock.now()) if scaled else old.get("lastScaleTime"),
            "currentReplicas": int((scale.get("status") or {}).get("replicas", 0)),
            "desiredReplicas": desired,
            "currentMetrics": metrics,
            "conditions": self._conditions(old, conditions),
        }
        await self._put(autoscaler, {k: v for k, v in status.items() if v is not None})

    async def _put(self, autoscaler: Obj, status: Obj) -> None:
        if status == (autoscaler.get("status") or {}):
            return
        try:
            await self._context.client.update_status(HORIZONTALPODAUTOSCALERS, {**autoscaler, "status": status})
        except (errors.NotFound, errors.Conflict):
            return

    def _event(self, autoscaler: Obj, type: str, reason: str, message: str) -> None:
        self._context.event(HORIZONTALPODAUTOSCALERS, autoscaler, type, reason, message)


def _shown(resource: str, milli: int) -> str:
    return f"{milli}m" if resource == "cpu" else str(-(-milli // 1000))
