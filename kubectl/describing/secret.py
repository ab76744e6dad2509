"""A secret: how much it holds under which key, never what."""

from __future__ import annotations

import base64
from typing import Any

from kubectl.describing.writing import Page
from kubectl.session import Session

Obj = dict[str, Any]


async def describe(session: Session, obj: Obj, page: Page) -> None:
    page.meta(obj)
    page.line("")
    page.line("Type:", obj.get("type", ""))
    page.line("")
    page.line("Data")
    page.line("====")
    for key, value in sorted((obj.get("data") or {}).items()):
        page.line(f"{key}:", f"{len(base64.b64decode(value))} bytes")


EVENTS = False  # none are looked for
DESCRIBE = describe
