"""Which webhooks and policies want to be asked once more, as the object changed after they saw it; never a third time."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import orjson

from apiserver.interfaces import AdmissionRequest

Obj = dict[str, Any]


class Invoked:
    """Of one plugin and one request: who was asked since the object last changed, and who is to be asked again."""

    def __init__(self) -> None:
        self._asked: set[Hashable] = set()
        self._due: set[Hashable] = set()
        self._left = b""

    def asked(self, who: Hashable) -> None:
        """Of those that want to know of later changes."""
        self._asked.add(who)

    def changed(self) -> None:
        """The object; called before the one that changed it counts as asked."""
        self._due |= self._asked
        self._asked.clear()

    def is_due(self, who: Hashable) -> bool:
        return who in self._due

    def leave(self, obj: Obj | None) -> None:
        """The plugin is done for now: what others change from here on is told by comparison."""
        if self._asked:
            self._left = _written(obj)

    def come_back(self, obj: Obj | None) -> bool:
        """Whether anybody is due in the second look."""
        if self._asked and _written(obj) != self._left:
            self.changed()
        return bool(self._due)


def invoked(request: AdmissionRequest, plugin: str) -> Invoked:
    """Made where there is none."""
    if request.invoked is None:
        request.invoked = {}
    return request.invoked.setdefault(plugin, Invoked())


def anybody_due(request: AdmissionRequest, plugin: str) -> bool:
    """In the second look; at first everybody is."""
    found = (request.invoked or {}).get(plugin)
    return found is not None and found.come_back(request.obj)


def _written(obj: Obj | None) -> bytes:
    return orjson.dumps(obj, option=orjson.OPT_SORT_KEYS)
