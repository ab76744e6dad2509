"""The text of `describe`: one file a kind that has a form of its own (DESCRIBE), every other kind field by field."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

from kubectl.describing.writing import Page
from kubectl.resolve import Target
from kubectl.session import Session

Obj = dict[str, Any]
Describer = Callable[[Session, Obj, Page], Awaitable[None]]


def _modules() -> list[str]:
    return [m.name for m in pkgutil.iter_modules(__path__)]


def _own(kind: str) -> ModuleType | None:
    name = kind.lower()
    return importlib.import_module(f"{__name__}.{name}") if name in _modules() else None


def shows_events(target: Target) -> bool:
    """Whether the page of a kind ends with what happened to the object."""
    return getattr(_own(target.resource.kind), "EVENTS", True)


async def text(session: Session, target: Target, obj: Obj, events: list[Obj] | None) -> str:
    """The whole page for one object; `events` None leaves them out."""
    page = Page()
    own = _own(target.resource.kind)
    if own:
        describe: Describer = own.DESCRIBE
        await describe(session, obj, page)
    else:
        _anything(page, target, obj)
    if events is not None:
        page.events(events)
    return page.finish()


def _anything(page: Page, target: Target, obj: Obj) -> None:
    meta = obj["metadata"]
    page.line("Name:", meta["name"])
    page.line("Namespace:", meta.get("namespace", ""))
    page.labels(obj)
    shown = {"apiVersion": target.resource.api_version, "kind": target.resource.kind, **obj}
    shown["metadata"] = {k: v for k, v in meta.items() if k not in WRITTEN}
    page.fields(shown)


WRITTEN = ("name", "namespace", "labels", "annotations", "managedFields", "selfLink")
