"""A config map: its data, each entry below its key."""

from __future__ import annotations

import base64
from typing import Any

from kubectl.describing.writing import Page
from kubectl.session import Session

Obj = dict[str, Any]


async def describe(session: Session, obj: Obj, page: Page) -> None:
    page.meta(obj)
    page.line("")
    page.line("Data")
    page.line("====")
    for key, value in sorted((obj.get("data") or {}).items()):
        page.line(f"{key}:")
        page.line("----")
        for row in value.split("\n"):
            page.line(row)
        page.line("")
    page.line("")
    page.line("BinaryData")
    page.line("====")
    for key, value in sorted((obj.get("binaryData") or {}).items()):
        page.line(f"{key}: {len(base64.b64decode(value))} bytes")
    page.line("")


DESCRIBE = describe
