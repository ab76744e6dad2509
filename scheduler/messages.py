"""What users read about a pod that does not fit, in upstream's words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from scheduler.framework import Refusal


def summary(total: int, refusals: Iterable[Refusal]) -> str:
    """`0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.`"""
    counts: Counter[str] = Counter()
    for refusal in refusals:
        counts.update(refusal.reasons)
    reasons = sorted(f"{n} {reason}" for reason, n in counts.items())
    text = f"0/{total} nodes are available:"
    return f"{text} {', '.join(reasons)}." if reasons else text


def refused(total: int, refusal: Refusal) -> str:
    """A refusal of the whole cluster, before any node was asked."""
    return f"0/{total} nodes are available: {', '.join(refusal.reasons)}."


NO_NODES = "no nodes available to schedule pods"
