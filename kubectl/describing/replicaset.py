"""A replica set: its numbers, how its pods are, and its template."""

from __future__ import annotations

from typing import Any

from kubectl.describing import owning, podspec
from kubectl.describing.writing import Page
from kubectl.session import Session
from pocketkube.api.meta import objects as metas
from pocketkube.api.meta import selectors

Obj = dict[str, Any]


async def describe(session: Session, obj: Obj, page: Page) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    text = selectors.format_label_selector(spec.get("selector"))
    page.name(obj)
    page.line("Selector:", text)
    page.labels(obj)
    owner = metas.controller_of(obj)
    if owner:
        page.line("Controlled By:", f"{owner['kind']}/{owner['name']}")
    page.line("Replicas:", f"{status.get('replicas', 0)} current / {spec.get('replicas', 1)} desired")
    await owning.pods_status(session, obj, page, selector=text)
    podspec.template(page, spec["template"])
    page.conditions(obj)


DESCRIBE = describe
