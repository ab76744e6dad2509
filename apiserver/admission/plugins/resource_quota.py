"""ResourceQuota: what a write adds is taken from every quota that looks at it, or the write is refused.

Usage is compared and raised in one write of the quota's status, under its resourceVersion: of two servers that want the
last piece, one gets it. Within a server the writes of a namespace wait for each other, so that conflicts are rare.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal

from apiserver.admission.plugin import Obj, Outcome, Plugin, Setup, forbidden
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.kinds import quota
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import errors, quantity

_ATTEMPTS = 10
# Kinds that nobody counts: they are records of what happens, or written too often.
_IGNORED = frozenset({"events", "events.events.k8s.io", "leases.coordination.k8s.io", "bindings"})
_SUBRESOURCES = {"pods": ("", "resize"), "persistentvolumeclaims": ("",), "services": ("",)}


class ResourceQuota(Plugin):
    name = "ResourceQuota"

    def __init__(self, setup: Setup):
        super().__init__(setup)
        self._locks: dict[str, asyncio.Lock] = {}

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        if not kind.namespaced or kind.resource in _IGNORED or "create" not in kind.verbs:
            return False
        if operation == "CREATE":
            return not subresource
        return operation == "UPDATE" and subresource in _SUBRESOURCES.get(kind.resource, ())

    def validate(self, request: AdmissionRequest) -> Outcome:
        if not self.cluster.revision("", "resourcequotas"):
            return None  # no server of this cluster has ever seen one
        quotas = self.cluster.list("", "resourcequotas", request.namespace)
        if not quotas or request.obj is None or not _adds(request, list(quotas)):
            return None
        return self._charge(request)

    async def _charge(self, request: AdmissionRequest) -> None:
        lock = self._locks.setdefault(request.namespace, asyncio.Lock())
        async with lock:
            names = sorted(q["metadata"]["name"] for q in self.cluster.list("", "resourcequotas", request.namespace))
            # All are asked before any is raised: a refusal by the second must not cost the first.
            charged = [(name, await self._look(request, name)) for name in names]
            for name, first in charged:
                if first is not None and not request.dry_run:
                    await self._raise(request, name, first)

    async def _look(self, request: AdmissionRequest, name: str) -> Obj | None:
        live = await self.cluster.get_live("", "resourcequotas", request.namespace, name)
        if live is None or "deletionTimestamp" in live["metadata"]:
            return None
        return charge(request, live)

    async def _raise(self, request: AdmissionRequest, name: str, charged: Obj | None) -> None:
        for _ in range(_ATTEMPTS):
            if charged is None:
                return
            try:
                await self.cluster.update("", "resourcequotas", charged, subresource="status")
                return
            except errors.Conflict:
                charged = await self._look(request, name)
        raise errors.conflict("", "resourcequotas", name, errors.MODIFIED)


def charge(request: AdmissionRequest, found: Obj) -> Obj | None:
    """The quota with its usage raised by the request; None where it is not concerned. Raises errors.Forbidden."""
    kind, obj = request.kind, request.obj
    name = found["metadata"]["name"]
    hard = (found.get("spec") or {}).get("hard") or {}
    if obj is None or not quota.in_scope(found, kind.plural, kind.group, obj):
        return None
    if kind.resource == "pods" and request.operation == "CREATE":
        _require_stated(request, name, hard)
    delta = _delta(request, found, hard)
    if not delta:
        return None
    status = found.get("status") or {}
    limits, used = status.get("hard") or {}, status.get("used") or {}
    unknown = sorted(r for r in delta if r not in used or r not in limits)
    if unknown:
        raise forbidden(request, f"status unknown for quota: {name}, resources: {','.join(unknown)}")
    after = {r: quantity.parse(str(used[r])) + amount for r, amount in delta.items()}
    if over := sorted(r for r in delta if delta[r] > 0 and after[r] > quantity.parse(str(limits[r]))):
        requested = _shown({r: _text(r, delta[r]) for r in over})
        raise forbidden(
            request,
            f"exceeded quota: {name}, requested: {requested}, used: {_shown({r: _clean(used[r]) for r in over})}, "
            f"limited: {_shown({r: _clean(limits[r]) for r in over})}",
        )
    raised = {**used, **{r: _text(r, amount) for r, amount in after.items()}}
    return {**found, "status": {**status, "used": raised}}


def _adds(request: AdmissionRequest, quotas: list[Obj]) -> bool:
    """A cheap look at the cache: is there anything for `charge` to do? Wrong only towards doing it."""
    return any(
        quota.in_scope(q, request.kind.plural, request.kind.group, request.obj or {})
        and (_delta(request, q, hard) or request.kind.resource == "pods")
        for q in quotas
        if (hard := (q.get("spec") or {}).get("hard"))
    )


def _delta(request: AdmissionRequest, found: Obj, hard: Obj) -> dict[str, Decimal]:
    """What the write changes of the quota's resources; for an update only what it raises."""
    kind, obj, old = request.kind, request.obj, request.old
    assert obj is not None
    after = quota.constrained(hard, quota.usage(kind.plural, kind.group, obj))
    if request.operation == "CREATE" or old is None:
        return {r: amount for r, amount in after.items() if amount}
    in_before = quota.in_scope(found, kind.plural, kind.group, old)
    before = quota.constrained(hard, quota.usage(kind.plural, kind.group, old)) if in_before else {}
    changed = {r: amount - before.get(r, Decimal(0)) for r, amount in after.items()}
    # What a write gives back is counted by the controller, once it is certain that the write happened.
    return {r: amount for r, amount in changed.items() if amount > 0}


def _require_stated(request: AdmissionRequest, name: str, hard: Obj) -> None:
    assert request.obj is not None
    missing = quota.missing_resources(hard, request.obj)
    if missing:
        listed = "; ".join(
            f"{resource} for: {','.join(sorted(containers))}" for resource, containers in missing.items()
        )
        raise forbidden(request, f"failed quota: {name}: must specify {listed}")


def _shown(amounts: dict[str, str]) -> str:
    return ",".join(f"{resource}={amount}" for resource, amount in sorted(amounts.items()))


def _clean(amount: object) -> str:
    return quantity.canonical(str(amount))


def _text(resource: str, amount: Decimal) -> str:
    return quantity.render(amount, form="binary" if quota.is_binary(resource) else "decimal")


ADMISSION = ResourceQuota
