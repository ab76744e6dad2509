"""A disruption budget: what it allows, and how its pods are."""

from __future__ import annotations

from typing import Any

from kubectl.describing.writing import Page
from kubectl.session import Session
from pocketkube.api.meta import selectors

Obj = dict[str, Any]


async def describe(session: Session, obj: Obj, page: Page) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    page.name(obj)
    for title, member in (("Min available:", "minAvailable"), ("Max unavailable:", "maxUnavailable")):
        if spec.get(member) is not None:
            page.line(title, spec[member])
    text = selectors.format_label_selector(spec.get("selector")) if spec.get("selector") is not None else "<unset>"
    page.line("Selector:", text)
    page.line("Status:")
    for title, member in (
        ("Allowed disruptions:", "disruptionsAllowed"),
        ("Current:", "currentHealthy"),
        ("Desired:", "desiredHealthy"),
        ("Total:", "expectedPods"),
    ):
        page.line(title, status.get(member, 0), level=2)


DESCRIBE = describe
