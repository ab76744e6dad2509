"""A remote call as its caller sees it: one answer, or a stream of messages; and how it fails."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from pocketkube.base.grpc import frames

# gRPC status codes
CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE = 1, 2, 4, 8, 14


class Method(NamedTuple):
    """A remote procedure; `headers` go with each call."""

    path: str
    response: Any = None  # the class of its answers, for those who have one
    headers: tuple[tuple[str, str], ...] = ()


class Failure(Exception):
    """A call's status other than OK. `unsent`: the request certainly had no effect, since it was not sent whole, or the
    server says that it has not looked at it."""

    def __init__(self, code: int, details: str, *, unsent: bool = False) -> None:
        super().__init__(f"{details} (code {code})")
        self.code = code
        self.details = details
        self.unsent = unsent


class Call:
    """One request on a channel, which tells it each whole message and how it ended."""

    __slots__ = ("deadline", "failure", "id", "partial", "uncredited", "window")

    full = False  # True where the server should send no more for now

    def __init__(self) -> None:
        self.id = 0
        self.window = 0  # bytes that may still be sent
        self.deadline = 0  # in ticks of the channel; 0: none
        self.partial: bytearray | None = None  # of a message that comes in several frames
        self.uncredited = 0  # bytes received whose window has not been given back
        self.failure: Failure | None = None  # what its first headers said

    def message(self, data: bytes) -> None:
        raise AssertionError("told by its channel")

    def end(self, failure: Failure | None) -> None:
        raise AssertionError("told by its channel")


class Question(Call):
    """`answer` is the one message that comes back. Who awaits it may leave: nobody hears of the answer then."""

    __slots__ = ("_data", "answer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.answer: asyncio.Future[bytes] = loop.create_future()
        self._data: bytes | None = None

    def message(self, data: bytes) -> None:
        self._data = data

    def end(self, failure: Failure | None) -> None:
        if self.answer.done():
            return
        if failure is not None:
            self.answer.set_exception(failure)
        elif self._data is None:
            self.answer.set_exception(Failure(UNKNOWN, "an answer without a message"))
        else:
            self.answer.set_result(self._data)


class Stream(Call):
    """Messages in order, read by one task. `taken` is called when some were read, `cancel` ends it."""

    __slots__ = ("_changed", "_ended", "_messages", "_unread", "cancel", "taken")

    def __init__(self, *, taken: Callable[[Call], None], cancel: Callable[[Call], None]) -> None:
        super().__init__()
        self._messages: deque[bytes] = deque()
        self._unread = 0
        self._ended = False
        self._changed = asyncio.Event()
        self.taken = taken
        self.cancel = cancel

    @property
    def full(self) -> bool:  # type: ignore[override]
        return self._unread > frames.OUR_WINDOW

    def message(self, data: bytes) -> None:
        self._messages.append(data)
        self._unread += len(data)
        self._changed.set()

    def end(self, failure: Failure | None) -> None:
        self._ended = True
        self.failure = failure
        self._changed.set()

    async def read(self) -> bytes | None:
        """The next message; None when the server has ended the stream. Raises Failure."""
        while not self._messages:
            if self._ended:
                if self.failure is not None:
                    raise self.failure
                return None
            self._changed.clear()
            await self._changed.wait()
        data = self._messages.popleft()
        self._unread -= len(data)
        self.taken(self)
        return data
