"""A binding: the role, and to whom it is given."""

from __future__ import annotations

from typing import Any

from kubectl.describing.writing import Page
from kubectl.session import Session

Obj = dict[str, Any]


async def describe(session: Session, obj: Obj, page: Page) -> None:
    page.line("Name:", obj["metadata"]["name"])
    page.labels(obj)
    page.line("Role:")
    page.line("Kind:", obj["roleRef"]["kind"], level=1)
    page.line("Name:", obj["roleRef"]["name"], level=1)
    page.line("Subjects:")
    subjects = [(s["kind"], s["name"], s.get("namespace", "")) for s in obj.get("subjects") or ()]
    page.table(("Kind", "Name", "Namespace"), subjects)


EVENTS = False  # none are looked for
DESCRIBE = describe
