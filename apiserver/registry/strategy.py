"""Where a resource does more than store its objects: one strategy a resource, in a file of its own below `strategies`.

The default does nothing, so most resources have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from apiserver.registry import narrowing
from pocketkube.api.meta.field import FieldError

if TYPE_CHECKING:
    from apiserver.registry.registry import Registry
    from apiserver.registry.writer import Writer

Obj = dict[str, Any]


class Strategy:
    """Hooks of the write path. All get objects in the stored version and may change the new one in place.

    `group` and `plural` name the resource. `returns_deleted`: DELETE answers the object instead of a Status.
    """

    group = ""
    plural = ""
    returns_deleted = False
    marks_grace = True  # what is being deleted says how many seconds it has
    keeps_status = False  # set where the resource has a status subresource
    resets: Mapping[str, tuple[str, ...]] = {}  # as the kind has it

    def __init__(self, registry: Registry):
        self.registry = registry

    def narrow(self, subresource: str, new: Obj, old: Obj) -> None:
        """Set back, in place, what a write through `subresource` ("" is the main path) may not change."""
        if subresource == "status":
            narrowing.only_status(new, old)
        elif not subresource and self.keeps_status:
            narrowing.keep(new, old, "status")
        for path in self.resets.get(subresource, ()):
            narrowing.reset(new, old, path)

    def validate(self, subresource: str, new: Obj, old: Obj) -> list[FieldError]:
        """What is wrong with a write through a subresource that its kind says nothing about."""
        return []

    async def creating(self, writer: Writer, obj: Obj) -> None:
        """After admission, before validation."""

    async def updating(self, writer: Writer, obj: Obj, old: Obj) -> None:
        """After admission, before validation; not for subresources."""

    async def undo(self, writer: Writer, obj: Obj, old: Obj | None) -> None:
        """The write that `creating` or `updating` prepared was not made."""

    async def updated(self, obj: Obj, old: Obj) -> None:
        """The new object is stored."""

    async def deleted(self, obj: Obj) -> None:
        """The object is gone from the store."""

    def deleting(self, obj: Obj) -> bool:
        """Change `obj` for a deletion in place. True keeps it until something else lets it go."""
        return False
