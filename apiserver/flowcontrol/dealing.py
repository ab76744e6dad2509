"""Shuffle sharding: each flow is dealt a small hand of queues, so that a flow that fills its own seldom fills another's.

With 128 queues and hands of 6, one heavy flow holds all six queues of another about once in five billion pairs.
"""

from __future__ import annotations

from hashlib import blake2b


def deal(schema: str, flow: str, *, queues: int, hand: int) -> tuple[int, ...]:
    """`hand` different queues out of `queues` (at least `hand`), by nothing but the flow's name."""
    seed = int.from_bytes(blake2b(f"{schema}\0{flow}".encode(), digest_size=32).digest())
    dealt: list[int] = []
    for left in range(queues, queues - hand, -1):
        seed, card = divmod(seed, left)
        # `card` counts among the queues that are left: step over those dealt before
        for taken in sorted(dealt):
            if card >= taken:
                card += 1
        dealt.append(card)
    return tuple(dealt)
