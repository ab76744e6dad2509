"""Making room: which pods of lower priority would have to go from which node. Pure: nothing is deleted here.

On a node all pods of lower priority are taken away first; if the pod then fits, they are put back one by one, the most
important first, and those that no longer fit stay victims. Among the nodes the least harm wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from pocketkube.api.meta.selectors import Selector
from scheduler.framework import Check
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo, compiled

Obj = dict[str, Any]


class Budget:
    """A PodDisruptionBudget while victims are chosen: `left` disruptions, used up by those that it counts for."""

    def __init__(self, budget: Obj):
        spec, status = budget.get("spec") or {}, budget.get("status") or {}
        self.namespace: str = budget["metadata"].get("namespace", "")
        self.selector: Selector = compiled(spec.get("selector"))
        self.left: int = status.get("disruptionsAllowed") or 0
        self.already: dict[str, Any] = status.get("disruptedPods") or {}

    def covers(self, pod: PodInfo) -> bool:
        """A selector without terms covers nothing here: such a budget would make every pod precious."""
        if pod.namespace != self.namespace or not pod.labels or self.selector.empty:
            return False
        return pod.name not in self.already and self.selector.matches(pod.labels)


class Victims(NamedTuple):
    node: str
    pods: list[PodInfo]  # the most important first
    violations: int  # of disruption budgets


def victims_on(node: NodeInfo, preemptor: PodInfo, check: Check, budgets: Sequence[Obj]) -> Victims | None:
    """Who would have to leave `node`; None if all lower pods leaving does not help, or there are none."""
    trial = node.copy()
    lower = [pod for pod in node.pods.values() if pod.priority < preemptor.priority]
    if not lower:
        return None
    for pod in lower:
        trial.remove(pod.uid)
    if check(trial) is not None:
        return None
    violating, others = _by_budget(sorted(lower, key=_importance), [Budget(b) for b in budgets])
    victims: list[PodInfo] = []
    violations = 0
    for pods, violates in ((violating, True), (others, False)):
        for pod in pods:
            trial.add(pod)
            if check(trial) is not None:
                trial.remove(pod.uid)
                victims.append(pod)
                violations += violates
    return Victims(node.name, sorted(victims, key=_importance), violations)


def _importance(pod: PodInfo) -> tuple[int, str]:
    """Higher priority first, then who runs longer."""
    return -pod.priority, started(pod)


def started(pod: PodInfo) -> str:
    """When the pod started, as text that sorts by time; one that did not start yet is the youngest."""
    return (pod.pod.get("status") or {}).get("startTime") or "9999"


def _by_budget(pods: Iterable[PodInfo], budgets: list[Budget]) -> tuple[list[PodInfo], list[PodInfo]]:
    """(pods whose going violates a budget, the others), each in the given order."""
    violating: list[PodInfo] = []
    others: list[PodInfo] = []
    for pod in pods:
        violates = False
        for budget in budgets:
            if budget.covers(pod):
                budget.left -= 1
                violates = violates or budget.left < 0
        (violating if violates else others).append(pod)
    return violating, others


_HARMS: tuple[Callable[[Victims], int], ...] = (
    lambda c: c.violations,
    lambda c: c.pods[0].priority if c.pods else 0,
    lambda c: sum(p.priority + (1 << 31) for p in c.pods),
    lambda c: len(c.pods),
)


def least_harm(candidates: Sequence[Victims]) -> Victims:
    """Fewest budget violations; then the lowest of the highest priorities hit; the lowest sum; the fewest pods; then the
    node whose most important victims started last."""
    left = [c for c in candidates if not c.pods] or [*candidates]
    for harm in _HARMS:
        least = min(map(harm, left))
        left = [c for c in left if harm(c) == least]
        if len(left) == 1:
            return left[0]
    return max(left, key=_earliest_start)


def _earliest_start(candidate: Victims) -> str:
    top = [p for p in candidate.pods if p.priority == candidate.pods[0].priority]
    return min((started(p) for p in top), default="")
