"""How the bodies of several answers end that are asked for at once: made once, and gone with the last of them or a moment later."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar
from weakref import WeakValueDictionary

HELD_SECONDS = 1.0
HELD_BYTES = 32 << 20  # of what no answer under way needs: a list of any size is shared, only not all are held


class Tail:
    """Ready bytes. `content` tells what they were made of; `packing` compresses a whole body: what stood before them, and
    the work."""

    __slots__ = ("__weakref__", "content", "data", "packing")

    def __init__(self, data: bytes | bytearray, *, content: int) -> None:
        self.data = data
        self.content = content
        self.packing: tuple[bytes, asyncio.Task[bytes]] | None = None


class Tails:
    """Those of one resource, by name. Answers keep them alive; short of HELD_BYTES all in all, each is held a moment for who
    asks right after: a client that reads fast, or whose kernel does, has its answer before the next one is looked at."""

    held: ClassVar[int] = 0  # bytes in the process

    def __init__(self) -> None:
        self._known: WeakValueDictionary[str, Tail] = WeakValueDictionary()
        self._joining: dict[str, tuple[int, asyncio.Task[Tail]]] = {}
        self._held: dict[str, tuple[Tail, asyncio.TimerHandle]] = {}

    def get(self, name: str, content: int) -> Tail | None:
        """The tail of that name, if it was made of that content."""
        tail = self._known.get(name)
        return tail if tail is not None and tail.content == content else None

    def add(self, name: str, tail: Tail) -> None:
        """In the place of the one of that name that was there."""
        if name in self._held:
            self._release(name)
        self._known[name] = tail
        if Tails.held + len(tail.data) <= HELD_BYTES:
            Tails.held += len(tail.data)
            self._held[name] = tail, asyncio.get_running_loop().call_later(HELD_SECONDS, self._release, name)

    async def join(self, name: str, content: int, join: Callable[[], Awaitable[bytearray]]) -> Tail:
        """One that takes several turns to make; who asks for the same meanwhile waits for it."""
        under_way = self._joining.get(name)
        if under_way is None or under_way[0] != content:
            task = asyncio.create_task(self._join(name, content, join), name="joining a list")
            under_way = self._joining[name] = content, task
        return await asyncio.shield(under_way[1])  # who leaves does not take it away from the others

    async def _join(self, name: str, content: int, join: Callable[[], Awaitable[bytearray]]) -> Tail:
        try:
            tail = Tail(await join(), content=content)
        finally:
            if name in self._joining and self._joining[name][0] == content:
                del self._joining[name]
        self.add(name, tail)
        return tail

    def _release(self, name: str) -> None:
        tail, timer = self._held.pop(name)
        timer.cancel()
        Tails.held -= len(tail.data)
