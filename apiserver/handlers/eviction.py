"""Eviction: a deletion that first asks the pod's disruption budget. 429 where the budget has nothing left."""

from __future__ import annotations

from typing import Any

from apiserver.api import Api
from apiserver.decoding import read_object, writer_of
from apiserver.handlers.binding import CREATED
from apiserver.handlers.pods import pod_of
from apiserver.interfaces import AdmissionRequest
from apiserver.registry import deletion, replacement
from apiserver.registry.resource import Resource
from apiserver.registry.writer import SYSTEM, Writer
from apiserver.representation import respond_status
from apiserver.request import Request, Response
from apiserver.storage.cache import Entry
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import errors, objects, times
from pocketkube.api.meta.selectors import from_label_selector
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

EVICTION = Kind(
    group="policy",
    version="v1",
    kind="Eviction",
    plural="",
    namespaced=True,
    schema=Schema.of("io.k8s.api.policy.v1.Eviction"),
)
_MOST_DISRUPTED = 2000


async def handle(api: Api, request: Request, resource: Resource) -> Response:
    writer = writer_of(request, "CreateOptions")
    eviction = await read_object(request, resource, writer, kind=EVICTION, also="policy/v1beta1")
    info = request.info
    if eviction["metadata"].get("name", info.name) != info.name:
        raise errors.BadRequest("name in URL does not match name in Eviction object")
    pod = await pod_of(api, request, resource)
    asked = AdmissionRequest(
        "CREATE", resource.kind, info.namespace, info.name, "eviction", eviction, None, request.user, writer.dry_run,
        writer.options, writer.warnings, writer.annotations,
    )  # fmt: skip
    await api.registry.admission.mutate(asked)
    await api.registry.admission.validate(asked)
    options: Obj = eviction.get("deleteOptions") or {}
    writer.dry_run = writer.dry_run or bool(options.get("dryRun"))
    if not _free(pod):
        await _ask_budget(api, pod, writer)
        await _mark(api, resource, pod, writer)
    await deletion.delete(api.registry, resource, writer, options, namespace=info.namespace, name=info.name)
    return respond_status(request, CREATED, code=201)


def _free(pod: Obj) -> bool:
    """Pods that do no work, or end anyway, cost no budget."""
    phase = (pod.get("status") or {}).get("phase")
    return phase in ("Succeeded", "Failed", "Pending") or bool(pod["metadata"].get("deletionTimestamp"))


async def _ask_budget(api: Api, pod: Obj, writer: Writer) -> None:
    """Take one disruption from the pod's budget, if it has one. Raises TooManyRequests, InternalError for two budgets."""
    budgets = api.registry.by_plural("policy", "poddisruptionbudgets")
    meta = pod["metadata"]
    await api.registry.cache.wait_fresh()
    found = [b.obj for b in budgets.cache.entries() if b.namespace == meta["namespace"] and _selects(b.obj, pod)]
    if len(found) > 1:
        raise errors.InternalError(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )
    if not found or _unhealthy_may_go(found[0], pod):
        return
    internal = Writer(SYSTEM, "kube-apiserver", dry_run=writer.dry_run)
    now = times.rfc3339(api.registry.clock.now())
    await replacement.replace(
        api.registry,
        budgets,
        internal,
        lambda entry: _taken(budgets, entry, meta["name"], now),
        namespace=meta["namespace"],
        name=found[0]["metadata"]["name"],
        subresource="status",
    )


def _selects(budget: Obj, pod: Obj) -> bool:
    return from_label_selector(budget["spec"].get("selector")).matches(pod["metadata"].get("labels") or {})


def _unhealthy_may_go(budget: Obj, pod: Obj) -> bool:
    if objects.is_true(pod, "Ready"):
        return False
    if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status") or {}
    desired: int = status.get("desiredHealthy", 0)
    return desired > 0 and status.get("currentHealthy", 0) >= desired


def _taken(budgets: Resource, entry: Entry, pod: str, now: str) -> Obj:
    """The budget with one disruption less. Raises TooManyRequests."""
    budget = budgets.copy(entry)
    status = budget.setdefault("status", {})
    name = budget["metadata"]["name"]
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        raise _too_many(f"The disruption budget {name} is still being processed by the server.", seconds=10)
    if status.get("disruptionsAllowed", 0) < 0:
        raise errors.forbidden("policy", "poddisruptionbudgets", name, "pdb disruptions allowed is negative")
    disrupted = status.setdefault("disruptedPods", {})
    if len(disrupted) > _MOST_DISRUPTED:
        raise errors.forbidden(
            "policy",
            "poddisruptionbudgets",
            name,
            "DisruptedPods map too big - too many evictions not confirmed by PDB controller",
        )
    if status.get("disruptionsAllowed", 0) == 0:
        needs, has = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
        raise _too_many(f"The disruption budget {name} needs {needs} healthy pods and has {has} currently")
    status["disruptionsAllowed"] -= 1
    disrupted[pod] = now
    return budget


def _too_many(cause: str, *, seconds: int = 0) -> errors.TooManyRequests:
    details: Obj = {"causes": [{"reason": "DisruptionBudget", "message": cause}]}
    if seconds:
        details["retryAfterSeconds"] = seconds
    return errors.TooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", details=details)


async def _mark(api: Api, resource: Resource, pod: Obj, writer: Writer) -> None:
    """Say in the pod's status why it goes."""
    now = times.rfc3339(api.registry.clock.now())
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    }

    def change(entry: Entry) -> Obj:
        new = resource.copy(entry)
        objects.set_condition(new.setdefault("status", {}).setdefault("conditions", []), condition, now)
        return new

    meta = pod["metadata"]
    internal = Writer(SYSTEM, "kube-apiserver", dry_run=writer.dry_run)
    await replacement.replace(
        api.registry, resource, internal, change, namespace=meta["namespace"], name=meta["name"], subresource="status"
    )
