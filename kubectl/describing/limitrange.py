"""A limit range: what each type of object gets and may have."""

from __future__ import annotations

from typing import Any

from kubectl.describing.writing import Page
from kubectl.session import Session

Obj = dict[str, Any]


HEAD = ("Type", "Resource", "Min", "Max", "Default Request", "Default Limit", "Max Limit/Request Ratio")
MEMBERS = ("min", "max", "defaultRequest", "default", "maxLimitRequestRatio")


async def describe(session: Session, obj: Obj, page: Page) -> None:
    page.name(obj)
    page.line(*HEAD)
    page.line(*("-" * len(h) for h in HEAD))
    for row in rows(obj):
        page.line(*row)


def rows(obj: Obj) -> list[tuple[str, ...]]:
    found = []
    for item in obj["spec"].get("limits") or ():
        names = sorted({name for member in MEMBERS for name in item.get(member) or ()})
        for name in names:
            found.append((item["type"], name, *(str((item.get(m) or {}).get(name, "-")) for m in MEMBERS)))
    return found


EVENTS = False  # none are looked for
DESCRIBE = describe
