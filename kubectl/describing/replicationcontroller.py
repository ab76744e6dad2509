"""A replication controller: its numbers, how its pods are, and its template."""

from __future__ import annotations

from typing import Any

from kubectl.describing import owning, podspec
from kubectl.describing.writing import Page
from kubectl.session import Session

Obj = dict[str, Any]


async def describe(session: Session, obj: Obj, page: Page) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    text = ",".join(f"{k}={v}" for k, v in sorted((spec.get("selector") or {}).items()))
    page.name(obj)
    page.line("Selector:", text)
    page.labels(obj)
    page.line("Replicas:", f"{status.get('replicas', 0)} current / {spec.get('replicas', 1)} desired")
    await owning.pods_status(session, obj, page, selector=text)
    podspec.template(page, spec["template"])
    page.conditions(obj)


DESCRIBE = describe
