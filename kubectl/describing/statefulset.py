"""A stateful set: its numbers, how it is updated, its template and the claims of its pods."""

from __future__ import annotations

from typing import Any

from kubectl.describing import owning, podspec
from kubectl.describing.writing import Page
from kubectl.session import Session
from pocketkube.api.meta import selectors

Obj = dict[str, Any]


async def describe(session: Session, obj: Obj, page: Page) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    text = selectors.format_label_selector(spec.get("selector"))
    page.name(obj)
    page.created(obj)
    page.line("Selector:", text)
    page.labels(obj)
    page.line("Service Name:", spec.get("serviceName", ""))
    page.line("Pod Management Policy:", spec.get("podManagementPolicy", ""))
    page.line("Replicas:", f"{spec.get('replicas', 1)} desired | {status.get('replicas', 0)} total")
    strategy = spec.get("updateStrategy") or {}
    page.line("Update Strategy:", strategy.get("type", ""))
    rolling = strategy.get("rollingUpdate")
    if rolling:
        page.line("Partition:", rolling.get("partition", 0), level=1)
        if rolling.get("maxUnavailable") is not None:
            page.line("MaxUnavailable:", rolling["maxUnavailable"], level=1)
    retention = spec.get("persistentVolumeClaimRetentionPolicy")
    if retention:
        page.line("Persistent Volume Claim Retention Policy:")
        page.line("WhenDeleted:", retention.get("whenDeleted", ""), level=1)
        page.line("WhenScaled:", retention.get("whenScaled", ""), level=1)
    await owning.pods_status(session, obj, page, selector=text)
    podspec.template(page, spec["template"])
    _claims(page, spec.get("volumeClaimTemplates") or [])


def _claims(page: Page, templates: list[Obj]) -> None:
    page.line("Volume Claims:", *([] if templates else ["<none>"]))
    for claim in templates:
        spec, meta = claim.get("spec") or {}, claim["metadata"]
        page.line("Name:", meta["name"], level=1)
        page.line("StorageClass:", spec.get("storageClassName") or "", level=1)
        page.pairs("Labels:", meta.get("labels"), level=1)
        page.pairs("Annotations:", meta.get("annotations"), separator=": ", level=1)
        size = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
        page.line("Capacity:", size or "<default>", level=1)
        page.line("Access Modes:", f"[{' '.join(spec.get('accessModes') or ())}]", level=1)


DESCRIBE = describe
