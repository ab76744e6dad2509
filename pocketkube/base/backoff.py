"""How long to wait before the next try."""

from __future__ import annotations

import random


class Backoff:
    """Seconds that grow by `factor` from `initial` to `maximum`; `jitter` 0.2 adds up to 20 % at random to each."""

    def __init__(self, initial: float, maximum: float, factor: float = 2.0, jitter: float = 0.0) -> None:
        self.initial = initial
        self.maximum = maximum
        self.factor = factor
        self.jitter = jitter
        self._current = initial

    def next(self) -> float:
        """The wait before the next try; the following one is longer. Jitter may go past `maximum`."""
        seconds = min(self._current, self.maximum)
        self._current = min(self._current * self.factor, self.maximum)
        return seconds * (1 + self.jitter * random.random()) if self.jitter else seconds

    def reset(self) -> None:
        """After a success: start at `initial` again."""
        self._current = self.initial
