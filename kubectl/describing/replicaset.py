"""A replica set: its numbers, how its pods are, and its template."""

from __future__ import annotations

from collections import Counter
from typing import Any

from kubectl.describing import podspec
from kubectl.describing.writing import Page
from kubectl.session import Session
from pocketkube.api.meta import objects as metas
from pocketkube.api.meta import selectors
from pocketkube.client.resources import PODS

Obj = dict[str, Any]


async def describe(session: Session, obj: Obj, page: Page) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    text = selectors.format_label_selector(spec.get("selector"))
    page.line("Selector:", text)
    owner = metas.controller_of(obj)
    if owner:
        page.line("Controlled By:", f"{owner['kind']}/{owner['name']}")
    page.line("Replicas:", f"{status.get('replicas', 0)} current / {spec.get('replicas', 1)} desired")
    pods = [
        p
        for p in await session.client.items(PODS, obj["metadata"]["namespace"], labelSelector=text)
        if metas.is_controlled_by(p, obj)
    ]
    phases = Counter((p.get("status") or {}).get("phase") for p in pods)
    words = {"Running": "Running", "Pending": "Waiting", "Succeeded": "Succeeded", "Failed": "Failed"}
    counts = [f"{phases.get(phase, 0)} {word}" for phase, word in words.items()]
    page.line("Pods Status:", " / ".join(counts))
    podspec.template(page, spec["template"])
    page.conditions(obj)


DESCRIBE = describe
