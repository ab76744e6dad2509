"""Makes room for a pod that fits nowhere: chooses pods of lower priority, has them deleted, and nominates their node."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import httpx

from pocketkube.api.meta import errors, times
from pocketkube.client.events import NORMAL
from pocketkube.client.resources import PODDISRUPTIONBUDGETS, PODS
from scheduler import messages
from scheduler.framework import POD_DELETED, SELF_UPDATED, Check, Handle, Refusal
from scheduler.pod_info import PodInfo
from scheduler.preemption import Victims, least_harm, victims_on

Obj = dict[str, Any]

LEAST_CANDIDATES, CANDIDATES_PERCENT = 100, 10

NO_VICTIMS = Refusal("DefaultPreemption", ("No preemption victims found for incoming pod",))
NOT_HELPFUL = Refusal("DefaultPreemption", ("Preemption is not helpful for scheduling",))


class DefaultPreemption:
    """args: minCandidateNodesPercentage (10), minCandidateNodesAbsolute (100)."""

    name = "DefaultPreemption"
    wakes = frozenset({POD_DELETED, SELF_UPDATED})

    def __init__(self, handle: Handle, args: Obj):
        self._handle, self._snapshot = handle, handle.snapshot
        self._budgets = handle.store(PODDISRUPTIONBUDGETS)
        self._percent = args.get("minCandidateNodesPercentage", CANDIDATES_PERCENT)
        self._least = args.get("minCandidateNodesAbsolute", LEAST_CANDIDATES)

    async def post_filter(self, pod: PodInfo, refusals: dict[str, Refusal], check: Check) -> tuple[str, str]:
        if why := self._not_eligible(pod, refusals):
            return pod.nominated_node if "terminating" in why else "", f"preemption: {why}"
        candidates, statuses = self._candidates(pod, refusals, check)
        if not candidates:
            return "", f"preemption: {messages.summary(len(self._snapshot.nodes), statuses)}"
        chosen = least_harm(candidates)
        self._snapshot.nominate(pod, chosen.node)
        failures = await asyncio.gather(*[self._evict(victim, pod, chosen.node) for victim in chosen.pods])
        if failed := [f for f in failures if f]:
            self._snapshot.nominate(pod, "")
            return "", f"preemption: {failed[0]}"
        await self._denominate(pod, chosen.node)
        return chosen.node, ""

    def _not_eligible(self, pod: PodInfo, refusals: dict[str, Refusal]) -> str:
        if pod.spec.get("preemptionPolicy") == "Never":
            return "not eligible due to preemptionPolicy=Never."
        node = self._snapshot.nodes.get(pod.nominated_node)
        refusal = refusals.get(pod.nominated_node)
        if node is not None and (refusal is None or refusal.resolvable):
            for other in node.pods.values():
                if other.priority < pod.priority and _leaves_for_another(other.pod):
                    return "not eligible due to a terminating pod on the nominated node."
        return ""

    def _candidates(
        self, pod: PodInfo, refusals: dict[str, Refusal], check: Check
    ) -> tuple[list[Victims], list[Refusal]]:
        """Nodes where room can be made, and why the others cannot help. Enough candidates are enough."""
        nodes = [name for name, refusal in refusals.items() if refusal.resolvable and name in self._snapshot.nodes]
        statuses = [NOT_HELPFUL] * (len(self._snapshot.nodes) - len(nodes))
        if not nodes or min(self._snapshot.priorities, default=pod.priority) >= pod.priority:
            return [], statuses + [NO_VICTIMS] * len(nodes)
        wanted = max(self._least, len(self._snapshot.nodes) * self._percent // 100)
        budgets = self._budgets.list()
        start = random.randrange(len(nodes))
        found: list[Victims] = []
        for name in nodes[start:] + nodes[:start]:
            victims = victims_on(self._snapshot.nodes[name], pod, check, budgets)
            if victims is None:
                statuses.append(NO_VICTIMS)
                continue
            found.append(victims)
            if len(found) >= wanted and any(not v.violations for v in found):
                break
        return found, statuses

    async def _evict(self, victim: PodInfo, pod: PodInfo, node: str) -> str:
        """Marks and deletes one pod, gracefully; an answer is what went wrong. One that is gone already is fine."""
        client = self._handle.client
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": f"{self._handle.scheduler_name}: preempting to accommodate a higher priority pod",
            "lastTransitionTime": times.now_rfc3339(),
        }
        patch = {"metadata": {"uid": victim.uid}, "status": {"conditions": [condition]}}
        try:
            if not victim.deleting:
                await client.patch(
                    PODS, victim.name, patch, namespace=victim.namespace, type="strategic", subresource="status"
                )
                await client.delete(PODS, victim.name, victim.namespace, uid=victim.uid)
        except errors.NotFound:
            return ""
        except (errors.StatusError, httpx.HTTPError, OSError) as e:
            return f"cannot preempt {victim.key}: {e}"
        message = f"Preempted by pod {pod.uid} on node {node}"
        self._handle.recorder.event(victim.pod, NORMAL, "Preempted", message, action="Preempting")
        return ""

    async def _denominate(self, pod: PodInfo, node: str) -> None:
        """Pods of lower priority that wait for the same node must look for another."""
        waiting = [p for p in self._snapshot.nominated.get(node, {}).values() if p.priority < pod.priority]
        for other in waiting:
            self._snapshot.nominate(other, "")
            patch = {"status": {"nominatedNodeName": None}}
            try:
                await self._handle.client.patch(
                    PODS, other.name, patch, namespace=other.namespace, type="merge", subresource="status"
                )
            except (errors.StatusError, httpx.HTTPError, OSError):
                continue  # it finds out when it is tried


def _leaves_for_another(pod: Obj) -> bool:
    """The pod terminates, and because it was preempted."""
    if not pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(
        c.get("type") == "DisruptionTarget" and c.get("status") == "True" and c.get("reason") == "PreemptionByScheduler"
        for c in conditions
    )


PLUGIN = DefaultPreemption
