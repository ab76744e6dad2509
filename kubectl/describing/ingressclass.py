"""An ingress class: its controller."""

from __future__ import annotations

from typing import Any

from kubectl.describing.writing import Page
from kubectl.session import Session

Obj = dict[str, Any]


async def describe(session: Session, obj: Obj, page: Page) -> None:
    page.meta(obj)
    page.line("Controller:", obj["spec"].get("controller", ""))
    about = obj["spec"].get("parameters")
    if about:
        page.line("Parameters:")
        if about.get("apiGroup"):
            page.line("APIGroup:", about["apiGroup"], level=1)
        page.line("Kind:", about["kind"], level=1)
        page.line("Name:", about["name"], level=1)


DESCRIBE = describe
