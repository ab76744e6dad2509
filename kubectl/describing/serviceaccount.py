"""A service account: the secrets that it may use."""

from __future__ import annotations

from typing import Any

from kubectl.describing.writing import Page
from kubectl.session import Session

Obj = dict[str, Any]


async def describe(session: Session, obj: Obj, page: Page) -> None:
    page.meta(obj)
    pulls = [s["name"] for s in obj.get("imagePullSecrets") or ()] or ["<none>"]
    page.line("Image pull secrets:", pulls[0])
    for name in pulls[1:]:
        page.line("", name)


DESCRIBE = describe
