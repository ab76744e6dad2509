"""A node must have free what the pod requests; emptier (or by choice fuller) nodes score higher."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from scheduler.framework import (
    MAX_SCORE,
    NODE_ADDED,
    NODE_UPDATED,
    POD_DELETED,
    POD_UPDATED,
    SELF_UPDATED,
    Handle,
    NodeFilter,
    NodeScore,
    Refusal,
)
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo
from scheduler.requests import Resources

Obj = dict[str, Any]


class Fit:
    reads_pods = True

    def __init__(self, requests: Resources):
        self._requests = [(name, n) for name, n in requests.items() if n > 0]

    def filter(self, node: NodeInfo) -> Refusal | None:
        has, taken = node.allocatable, node.requested
        for name, n in self._requests:
            if n > has.get(name, 0) - taken.get(name, 0):
                return self._refusal(node)
        if len(node.pods) + 1 > has.get("pods", 0):
            return self._refusal(node)
        return None

    def _refusal(self, node: NodeInfo) -> Refusal:
        has, taken = node.allocatable, node.requested
        reasons, resolvable = [], True
        if len(node.pods) + 1 > has.get("pods", 0):
            reasons.append("Too many pods")
        for name, n in self._requests:
            if n > has.get(name, 0) - taken.get(name, 0):
                reasons.append(f"Insufficient {name}")
                resolvable = resolvable and n <= has.get(name, 0)
        return Refusal("NodeResourcesFit", tuple(reasons), resolvable)


class Allocation:
    """LeastAllocated or MostAllocated: the weighted mean over resources of the free (or taken) share after the pod came."""

    reads_pods = True

    def __init__(self, pod: PodInfo, weights: list[tuple[str, int]], *, most: bool):
        self._weights, self._most = weights, most
        self._cpu, self._memory = pod.scoring_requests
        self._requests = pod.requests

    def score(self, node: NodeInfo) -> int:
        total = weights = 0
        for name, weight in self._weights:
            has = node.allocatable.get(name, 0)
            if has <= 0:
                continue
            if name == "cpu":
                taken = node.scored_cpu + self._cpu
            elif name == "memory":
                taken = node.scored_memory + self._memory
            else:
                wanted = self._requests.get(name, 0)
                if not wanted:
                    continue  # a pod that does not ask for a special resource is not judged by it
                taken = node.requested.get(name, 0) + wanted
            share = min(taken, has) if self._most else max(0, has - taken)
            total += share * MAX_SCORE // has * weight
            weights += weight
        return total // weights if weights else 0


class RatioAllocation(Allocation):
    """RequestedToCapacityRatio: `shape` maps utilisation in percent to a score of 0 to 10, linear in between."""

    def __init__(self, pod: PodInfo, weights: list[tuple[str, int]], shape: list[tuple[int, int]]):
        super().__init__(pod, weights, most=True)
        self._shape: Callable[[int], int] = lambda used: _interpolate(shape, used)

    def score(self, node: NodeInfo) -> int:
        total = weights = 0
        for one in self._weights:
            if node.allocatable.get(one[0], 0) <= 0:
                continue
            used = Allocation.score(self._only(one), node)
            if score := self._shape(used) * (MAX_SCORE // 10):
                total += score * one[1]
                weights += one[1]
        return round(total / weights) if weights else 0

    def _only(self, weight: tuple[str, int]) -> Allocation:
        alone = Allocation.__new__(Allocation)
        alone._weights, alone._most = [weight], True
        alone._cpu, alone._memory, alone._requests = self._cpu, self._memory, self._requests
        return alone


def _interpolate(shape: list[tuple[int, int]], used: int) -> int:
    for i, (at, score) in enumerate(shape):
        if used <= at:
            if i == 0:
                return score
            before, low = shape[i - 1]
            return low + (score - low) * (used - before) // (at - before)
    return shape[-1][1]


class NodeResourcesFit:
    """args: ignoredResources, ignoredResourceGroups, scoringStrategy {type, resources, requestedToCapacityRatio}."""

    name = "NodeResourcesFit"
    wakes = frozenset({NODE_ADDED, NODE_UPDATED, POD_DELETED, POD_UPDATED, SELF_UPDATED})

    def __init__(self, handle: Handle, args: Obj):
        self._ignored = frozenset(args.get("ignoredResources") or ())
        self._ignored_groups = frozenset(args.get("ignoredResourceGroups") or ())
        strategy = args.get("scoringStrategy") or {}
        self._type = strategy.get("type") or "LeastAllocated"
        resources = strategy.get("resources") or [{"name": "cpu"}, {"name": "memory"}]
        self._weights = [(r["name"], int(r.get("weight") or 1)) for r in resources]
        ratio = strategy.get("requestedToCapacityRatio") or {}
        self._shape = [(p.get("utilization", 0), p.get("score", 0)) for p in ratio.get("shape") or ()]

    def signature(self, pod: PodInfo) -> Hashable:
        return (*pod.requests.items(), *pod.scoring_requests)

    def pre_filter(self, pod: PodInfo) -> NodeFilter:
        return Fit({name: n for name, n in pod.requests.items() if not self._is_ignored(name)})

    def pre_score(self, pod: PodInfo) -> NodeScore:
        if self._type == "RequestedToCapacityRatio" and self._shape:
            return RatioAllocation(pod, self._weights, self._shape)
        return Allocation(pod, self._weights, most=self._type == "MostAllocated")

    def _is_ignored(self, name: str) -> bool:
        return name in self._ignored or name.partition("/")[0] in self._ignored_groups


PLUGIN = NodeResourcesFit
