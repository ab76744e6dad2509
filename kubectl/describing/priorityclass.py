"""A priority class: its value."""

from __future__ import annotations

from typing import Any

from kubectl.describing.writing import Page, plain
from kubectl.session import Session

Obj = dict[str, Any]


async def describe(session: Session, obj: Obj, page: Page) -> None:
    page.name(obj)
    page.line("Value:", obj["value"])
    page.line("GlobalDefault:", plain(obj.get("globalDefault", False)))
    page.line("PreemptionPolicy:", obj.get("preemptionPolicy", "PreemptLowerPriority"))
    page.line("Description:", obj.get("description", ""))
    annotations = obj["metadata"].get("annotations") or {}
    page.line("Annotations:", ",".join(f"{k}={v}" for k, v in sorted(annotations.items())) or "<none>")


DESCRIBE = describe
