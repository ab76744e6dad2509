"""What a loop has done and not yet seen: while a key has unmet expectations, its cache is stale and nothing is created or deleted.

Example: a replica set of 3 creates 3 pods: `expect_creations("ns/web", 3)`. Until three add events came (or a create
failed), `satisfied("ns/web")` is false, so a sync triggered by the first pod does not create two more. Whatever is
never seen is forgiven after five minutes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pocketkube.base.clock import Clock

TIMEOUT_SECONDS = 300.0


@dataclass(slots=True)
class _Expected:
    since: float
    creations: int = 0
    deletions: set[str] = field(default_factory=set)

    @property
    def met(self) -> bool:
        return self.creations <= 0 and not self.deletions


class Expectations:
    """Counts creations and remembers the uids of deletions, a key at a time."""

    def __init__(self, clock: Clock):
        self._clock = clock
        self._expected: dict[str, _Expected] = {}

    def satisfied(self, key: str) -> bool:
        expected = self._expected.get(key)
        if expected is None or expected.met:
            return True
        return self._clock.monotonic() - expected.since > TIMEOUT_SECONDS

    def expect_creations(self, key: str, count: int) -> None:
        self._fresh(key).creations += count

    def expect_deletions(self, key: str, uids: Iterable[str]) -> None:
        self._fresh(key).deletions.update(uids)

    def creation_observed(self, key: str, count: int = 1) -> None:
        expected = self._expected.get(key)
        if expected is not None:
            expected.creations -= count

    def deletion_observed(self, key: str, uid: str) -> None:
        expected = self._expected.get(key)
        if expected is not None:
            expected.deletions.discard(uid)

    def forget(self, key: str) -> None:
        self._expected.pop(key, None)

    def _fresh(self, key: str) -> _Expected:
        expected = self._expected.get(key)
        if expected is None or expected.met or self.satisfied(key):
            expected = self._expected[key] = _Expected(self._clock.monotonic())
        return expected
