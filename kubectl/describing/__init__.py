"""The text of `describe`: one file a kind that has a form of its own (DESCRIBE), every other kind field by field."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from typing import Any

from kubectl.describing.writing import Page
from kubectl.resolve import Target
from kubectl.session import Session

Obj = dict[str, Any]
Describer = Callable[[Session, Obj, Page], Awaitable[None]]


def _modules() -> list[str]:
    return [m.name for m in pkgutil.iter_modules(__path__)]


def _own(kind: str) -> Describer | None:
    name = kind.lower()
    if name not in _modules():
        return None
    found: Describer = importlib.import_module(f"{__name__}.{name}").DESCRIBE
    return found


async def text(session: Session, target: Target, obj: Obj, events: list[Obj] | None) -> str:
    """The whole page for one object."""
    page = Page()
    page.meta(obj)
    own = _own(target.resource.kind)
    if own:
        await own(session, obj, page)
    else:
        page.line("API Version:", obj.get("apiVersion") or target.resource.api_version)
        page.line("Kind:", obj.get("kind") or target.resource.kind)
        page.fields({k: v for k, v in obj.items() if k not in ("apiVersion", "kind", "metadata")})
    if events is not None:
        page.events(events)
    return page.finish()
