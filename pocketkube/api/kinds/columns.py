"""Cells and columns that many kinds' tables share. Cells are text, numbers and booleans, as the Table API carries them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pocketkube.api.kinds.kind import Column
from pocketkube.api.meta import selectors, times
from pocketkube.api.meta.errors import BadRequest

Obj = dict[str, Any]

NAME = Column("Name", format="name", description="The object's name, unique within its namespace and kind.")
AGE = Column("Age", description="How long ago the object was created.")
CONTAINERS = Column("Containers", priority=1, description="The names of the template's containers.")
IMAGES = Column("Images", priority=1, description="The images of the template's containers.")
SELECTOR = Column("Selector", priority=1, description="Which pods belong to it.")

NONE = "<none>"
UNKNOWN = "<unknown>"


def text(name: str, description: str = "", *, priority: int = 0) -> Column:
    return Column(name, "string", description, priority)


def number(name: str, description: str = "", *, priority: int = 0) -> Column:
    return Column(name, "integer", description, priority)


def date(name: str, description: str = "") -> Column:
    return Column(name, "date", description)


def boolean(name: str, description: str = "", *, priority: int = 0) -> Column:
    return Column(name, "boolean", description, priority)


def since(when: str | None, now: datetime) -> str:
    """`5m12s` ago; `<unknown>` for no time."""
    if not when:
        return UNKNOWN
    return times.age(now - datetime.fromisoformat(when))


def age(obj: Mapping[str, Any], now: datetime) -> str:
    return since(obj["metadata"].get("creationTimestamp"), now)


def labels(found: Mapping[str, str] | None) -> str:
    """`a=b,c=d`, sorted."""
    return ",".join(f"{key}={found[key]}" for key in sorted(found)) if found else NONE


def selector(found: Mapping[str, Any] | None) -> str:
    """A LabelSelector as `a=b,c in (d)`; `<error>` for one that cannot be read, as kubectl prints it."""
    try:
        return selectors.format_label_selector(found)
    except (BadRequest, ValueError):
        return "<error>"


def joined(found: Iterable[str], most: int = 0) -> str:
    """`a,b,c`, or the first `most` with how many more there are."""
    items = list(found)
    if most and len(items) > most:
        return f"{','.join(items[:most])} + {len(items) - most} more..."
    return ",".join(items)


def containers(spec: Mapping[str, Any] | None) -> list[str]:
    """Two cells of a pod spec: the names and the images of its containers."""
    found = (spec or {}).get("containers") or ()
    return [",".join(c.get("name", "") for c in found), ",".join(c.get("image", "") for c in found)]


def template(obj: Mapping[str, Any]) -> list[str]:
    """Containers and images of an object's pod template."""
    return containers((obj["spec"].get("template") or {}).get("spec"))
