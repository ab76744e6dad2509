"""Writers of one object who got in each other's way: from then on one after the other, in the order of their coming.

Of many who try at once only one can win; all others would have worked for nothing, again and again.
"""

from __future__ import annotations

import asyncio

PATIENCE_SECONDS = 5.0  # then a writer goes on without its turn: who has it may be waiting for this very one


class Contention:
    """The objects of this process with more than one writer, by key in the store."""

    def __init__(self, *, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self._queues: dict[str, _Queue] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._queues

    async def turn(self, key: str) -> Turn:
        """Wait for one's turn, and `end` it. Nothing is held where waiting took too long."""
        queue = self._queues.setdefault(key, _Queue())
        queue.writers += 1
        turn = Turn(self._queues, key, queue)
        try:
            async with asyncio.timeout(self._patience):
                await queue.lock.acquire()
                turn.held = True
        except TimeoutError:
            pass
        except BaseException:
            turn.end()
            raise
        return turn


class _Queue:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.writers = 0  # those that wait too


class Turn:
    """One writer's."""

    def __init__(self, queues: dict[str, _Queue], key: str, queue: _Queue):
        self._queues, self._key, self._queue = queues, key, queue
        self.held = False

    def end(self) -> None:
        if self.held:
            self._queue.lock.release()
        self._queue.writers -= 1
        if not self._queue.writers:
            del self._queues[self._key]
