"""Work on many entries, a slice at a time: between two of them others have their turn. A slice takes a few milliseconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence

from apiserver.storage.entry import Entry

MOST = 1000  # entries
BYTES = 1 << 20

Test = Callable[[Entry], bool]


def slices(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """All entries, in order, in slices of at most MOST entries; one is full, too, when it holds BYTES."""
    start = size = 0
    for at, entry in enumerate(entries, 1):
        size += len(entry.data)
        if size >= BYTES or at - start == MOST:
            yield entries[start:at]
            start, size = at, 0
    if start < len(entries):
        yield entries[start:]


def few(entries: Sequence[Entry]) -> bool:
    """Whether one turn is enough for them."""
    return len(entries) <= MOST and sum([len(entry.data) for entry in entries]) <= BYTES


async def select(candidates: Sequence[Entry], test: Test | None, *, limit: int = 0) -> tuple[Sequence[Entry], bool]:
    """Those that pass, up to `limit` (0: all), and whether there are more. `candidates` must not change meanwhile."""
    if test is None:
        return (candidates[:limit], len(candidates) > limit) if limit else (candidates, False)
    found: list[Entry] = []
    for start in range(0, len(candidates), MOST):
        if start:
            await asyncio.sleep(0)
        found += [entry for entry in candidates[start : start + MOST] if test(entry)]
        if limit and len(found) > limit:
            return found[:limit], True
    return found, False


def batches(frames: Iterable[bytes | None], *, most: int) -> Iterator[list[bytes]]:
    """Frames as they are made, in batches that a turn may make: of `most` frames, of BYTES, or of what MOST looks give; None
    stands for a look that gave nothing. Batches may be empty."""
    batch: list[bytes] = []
    looks = size = 0
    for frame in frames:
        looks += 1
        if frame is not None:
            batch.append(frame)
            size += len(frame)
        if looks == MOST or len(batch) == most or size >= BYTES:
            yield batch
            batch, looks, size = [], 0, 0
    if batch:
        yield batch
