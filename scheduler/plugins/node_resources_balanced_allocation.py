"""Prefers nodes whose resources would be used evenly, so that none is left over for lack of another."""

from __future__ import annotations

from collections.abc import Hashable
from math import sqrt
from typing import Any

from scheduler.framework import MAX_SCORE, SELF_UPDATED, Handle, NodeScore
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo
from scheduler.requests import Resources

Obj = dict[str, Any]


class Balance:
    """100 less the standard deviation of the used shares (0 to 1) in percent."""

    reads_pods = True

    def __init__(self, requests: Resources, names: list[str]):
        self._wanted = [(name, requests.get(name, 0)) for name in names]

    def score(self, node: NodeInfo) -> int:
        has, taken = node.allocatable, node.requested
        shares = []
        for name, n in self._wanted:
            if most := has.get(name, 0):
                share = (taken.get(name, 0) + n) / most
                shares.append(share if share < 1.0 else 1.0)
        if len(shares) == 2:
            deviation = abs(shares[0] - shares[1]) / 2
        elif len(shares) > 2:
            mean = sum(shares) / len(shares)
            deviation = sqrt(sum((s - mean) ** 2 for s in shares) / len(shares))
        else:
            deviation = 0.0
        return int((1 - deviation) * MAX_SCORE)


class NodeResourcesBalancedAllocation:
    """`args.resources` are the resources to even out; cpu and memory by default."""

    name = "NodeResourcesBalancedAllocation"
    wakes = frozenset({SELF_UPDATED})

    def __init__(self, handle: Handle, args: Obj):
        self._names = [r["name"] for r in args.get("resources") or ({"name": "cpu"}, {"name": "memory"})]

    def signature(self, pod: PodInfo) -> Hashable:
        return tuple(pod.requests.get(name, 0) for name in self._names)

    def pre_score(self, pod: PodInfo) -> NodeScore | None:
        """A pod that requests none of them changes no balance."""
        wanted = any(pod.requests.get(name) for name in self._names)
        return Balance(pod.requests, self._names) if wanted else None


PLUGIN = NodeResourcesBalancedAllocation
