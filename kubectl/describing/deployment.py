"""A deployment: its numbers, strategy, template and replica sets."""

from __future__ import annotations

from typing import Any

from kubectl.describing import podspec
from kubectl.describing.writing import Page
from kubectl.session import Session
from pocketkube.api.meta import objects as metas
from pocketkube.api.meta import selectors
from pocketkube.client.resources import REPLICASETS

Obj = dict[str, Any]

REVISION = "deployment.kubernetes.io/revision"


async def describe(session: Session, obj: Obj, page: Page) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    page.name(obj)
    page.created(obj)
    page.labels(obj)
    page.line("Selector:", selectors.format_label_selector(spec.get("selector")) or "<none>")
    numbers = [
        f"{spec.get('replicas', 1)} desired", f"{status.get('updatedReplicas', 0)} updated", f"{status.get('replicas', 0)} total",
        f"{status.get('availableReplicas', 0)} available", f"{status.get('unavailableReplicas', 0)} unavailable",
    ]  # fmt: skip
    page.line("Replicas:", " | ".join(numbers))
    strategy = spec.get("strategy") or {}
    page.line("StrategyType:", strategy.get("type", ""))
    page.line("MinReadySeconds:", spec.get("minReadySeconds", 0))
    rolling = strategy.get("rollingUpdate")
    if rolling:
        page.line(
            "RollingUpdateStrategy:",
            f"{rolling.get('maxUnavailable')} max unavailable, {rolling.get('maxSurge')} max surge",
        )
    podspec.template(page, spec["template"])
    page.conditions(obj)
    await _replica_sets(session, obj, page)


async def _replica_sets(session: Session, obj: Obj, page: Page) -> None:
    namespace, text = obj["metadata"]["namespace"], selectors.format_label_selector(obj["spec"].get("selector"))
    found = [
        o
        for o in await session.client.items(REPLICASETS, namespace, labelSelector=text)
        if metas.is_controlled_by(o, obj)
    ]
    newest = (obj["metadata"].get("annotations") or {}).get(REVISION)
    new = [o for o in found if (o["metadata"].get("annotations") or {}).get(REVISION) == newest]
    old = [o for o in found if o not in new]
    for title, group in (("OldReplicaSets:", old), ("NewReplicaSet:", new)):
        shown = [
            f"{o['metadata']['name']} ({(o.get('status') or {}).get('replicas', 0)}/{o['spec'].get('replicas', 0)} replicas created)"
            for o in group
        ]
        page.line(title, ", ".join(shown) or "<none>")


DESCRIBE = describe
