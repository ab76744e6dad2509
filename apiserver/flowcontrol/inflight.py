"""Plain limits of requests in flight, for servers that run without priority and fairness."""

from __future__ import annotations

from apiserver.flowcontrol.turns import LONG_RUNNING
from apiserver.interfaces import RequestInfo, User

_READING = frozenset(("GET", "HEAD", "OPTIONS"))
_MASTERS = "system:masters"


class Counter:
    __slots__ = ("limit", "rejected", "used")

    def __init__(self, limit: int):
        self.limit = limit  # 0: none
        self.used = 0
        self.rejected = 0

    def take(self) -> bool:
        if self.limit and self.used >= self.limit:
            self.rejected += 1
            return False
        self.used += 1
        return True


class InFlight:
    """Reads and writes are counted apart; masters and requests that run long are not counted."""

    def __init__(self, *, reading: int, mutating: int):
        self.reading = Counter(reading)
        self.mutating = Counter(mutating)

    def counter(self, user: User, method: str, info: RequestInfo) -> Counter | None:
        if info.verb == "watch" or info.subresource in LONG_RUNNING or _MASTERS in user.groups:
            return None
        return self.reading if method in _READING else self.mutating
