"""What a StatefulSet does next: at most one step at a time when ordered, all at once when parallel. Pure.

Invariants: never two pods of one ordinal; ordered, a pod is created only when all below it are ready, and removed only
when all others are; an update takes the highest ordinals first and never those below the partition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from controller.loops.statefulset.identity import (
    first_ordinal,
    new_pod,
    ordinal_of,
    ordinals,
    relabelled,
    replicas,
    revision_of,
)
from controller.pods import available_in, is_available, is_ready, is_terminal, phase
from controller.revisions import Revisions, template_of
from controller.shares import share

Obj = dict[str, Any]


@dataclass(slots=True)
class Plan:
    """`create` as (ordinal, pod); `delete` of (pod, why): "" or the reason of an event."""

    create: list[tuple[int, Obj]] = field(default_factory=list)
    delete: list[tuple[Obj, str]] = field(default_factory=list)
    relabel: list[tuple[Obj, Obj]] = field(default_factory=list)
    claims: list[int] = field(default_factory=list)  # ordinals of pending pods whose claims may be missing
    status: Obj = field(default_factory=dict)
    again: float | None = None


def _healthy(pod: Obj | None) -> bool:
    """Running, ready and staying."""
    return (
        pod is not None and phase(pod) == "Running" and is_ready(pod) and not pod["metadata"].get("deletionTimestamp")
    )


class _Draft:
    def __init__(self, stateful_set: Obj, pods: Sequence[Obj], revisions: Revisions, now: datetime):
        self.set, self.revisions, self.now = stateful_set, revisions, now
        self.spec = stateful_set["spec"]
        self.current, self.update = (r["metadata"]["name"] for r in (revisions.current, revisions.update))
        self.min_ready = self.spec.get("minReadySeconds") or 0
        self.ordered = self.spec.get("podManagementPolicy", "OrderedReady") != "Parallel"
        self.pods: dict[int, Obj] = {}
        for pod in pods:
            ordinal = ordinal_of(stateful_set, pod)
            if ordinal is not None:
                self.pods[ordinal] = pod
        wanted = ordinals(stateful_set)
        self.condemned = sorted((o for o in self.pods if o not in wanted), reverse=True)
        self.plan = Plan()

    @property
    def partition(self) -> int:
        rolling = (self.spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
        return int(rolling.get("partition") or 0)

    @property
    def rolls(self) -> bool:
        return bool((self.spec.get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate")

    def available(self, pod: Obj | None) -> bool:
        return pod is not None and _healthy(pod) and is_available(pod, self.min_ready, self.now)

    # --- steps, each True when the sync ends there

    def fill(self) -> bool:
        """Every ordinal in order: gone pods come back, finished ones are removed, unready ones hold up the next."""
        return any(self._tend(ordinal, self.pods.get(ordinal)) and self.ordered for ordinal in ordinals(self.set))

    def _tend(self, ordinal: int, pod: Obj | None) -> bool:
        """True if this pod is not as it should be yet."""
        if pod is None:
            self.plan.create.append((ordinal, self._new(ordinal)))
            return True
        deleting = bool(pod["metadata"].get("deletionTimestamp"))
        if is_terminal(pod):
            if not deleting:
                reason = "RecreatingTerminatedPod" if phase(pod) == "Succeeded" else "RecreatingFailedPod"
                self.plan.delete.append((pod, reason))
            return True
        if phase(pod) == "Pending":
            self.plan.claims.append(ordinal)
        if deleting or not self.available(pod):
            self._note_wait(pod)
            return True
        labels = relabelled(self.set, pod, ordinal)
        if labels is not None:
            self.plan.relabel.append((pod, labels))
        return False

    def _note_wait(self, pod: Obj) -> None:
        wait = available_in(pod, self.min_ready, self.now)
        if wait:
            self.plan.again = wait if self.plan.again is None else min(self.plan.again, wait)

    def _new(self, ordinal: int) -> Obj:
        below = first_ordinal(self.set) + self.partition
        old = self.rolls and self.current != self.update and ordinal < below
        revision = self.revisions.current if old else self.revisions.update
        return new_pod(self.set, template_of(revision), revision["metadata"]["name"], ordinal)

    def shrink(self) -> bool:
        """From the top, one by one when ordered, and not while another pod is unhealthy."""
        for ordinal in self.condemned:
            pod = self.pods[ordinal]
            if pod["metadata"].get("deletionTimestamp"):
                if self.ordered:
                    return True
                continue
            if self.ordered and not self.available(pod) and pod is not self._first_unhealthy():
                return True
            self.plan.delete.append((pod, ""))
            if self.ordered:
                return True
        return False

    def _first_unhealthy(self) -> Obj | None:
        wanted = [self.pods[o] for o in ordinals(self.set) if o in self.pods]
        return next((p for p in [*wanted, *(self.pods[o] for o in self.condemned)] if not _healthy(p)), None)

    def roll(self) -> None:
        """Replaces pods of another revision, highest first, as many at once as maxUnavailable allows."""
        budget = self._max_unavailable()
        lower = first_ordinal(self.set) + self.partition
        down = sum(not self.available(self.pods.get(o)) for o in ordinals(self.set))
        for ordinal in reversed(ordinals(self.set)):
            if ordinal < lower:
                return
            pod = self.pods.get(ordinal)
            if pod is None or pod["metadata"].get("deletionTimestamp"):
                if budget == 1:
                    return
                continue
            if revision_of(pod) != self.update:
                if self.available(pod) and down >= budget and budget > 1:
                    return
                self.plan.delete.append((pod, ""))
                down += self.available(pod)
                if budget == 1:
                    return
            elif not self.available(pod):
                self._note_wait(pod)
                if budget == 1:
                    return

    def _max_unavailable(self) -> int:
        rolling = (self.spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
        return max(1, share(rolling.get("maxUnavailable", 1), replicas(self.set), up=False))

    # --- status

    def status(self) -> Obj:
        old = self.set.get("status") or {}
        living = [p for p in self.pods.values() if not p["metadata"].get("deletionTimestamp")]
        updated = sum(revision_of(p) == self.update for p in living)
        current = sum(revision_of(p) == self.current for p in living)
        ready = [p for p in self.pods.values() if phase(p) == "Running" and is_ready(p)]
        status: Obj = {
            "observedGeneration": self.set["metadata"].get("generation", 0),
            "replicas": len(self.pods),
            "readyReplicas": len(ready),
            "availableReplicas": sum(is_available(p, self.min_ready, self.now) for p in ready),
            "currentReplicas": current,
            "updatedReplicas": updated,
            "currentRevision": self.current,
            "updateRevision": self.update,
            "collisionCount": old.get("collisionCount") or 0,
            "conditions": old.get("conditions"),
        }
        if self.rolls and updated == len(self.pods) == len(ready) and updated == replicas(self.set):
            status["currentReplicas"] = updated
            status["currentRevision"] = self.update
        keep = ("replicas", "availableReplicas", "collisionCount")
        return {k: v for k, v in status.items() if v or (k in keep and v is not None)}


def plan(stateful_set: Obj, pods: Sequence[Obj], revisions: Revisions, now: datetime) -> Plan:
    """`pods` are the set's own."""
    draft = _Draft(stateful_set, pods, revisions, now)
    draft.plan.status = draft.status()
    if stateful_set["metadata"].get("deletionTimestamp"):
        return draft.plan
    if draft.fill() or draft.shrink():
        return draft.plan
    busy = {p["metadata"]["name"] for p, _ in draft.plan.delete} or draft.plan.create
    if draft.rolls and not busy:
        draft.roll()
    return draft.plan


def live_revisions(revisions: Revisions, pods: Sequence[Obj], status: Mapping[str, Any]) -> set[str]:
    """Names of revisions that must stay."""
    named = {revisions.current["metadata"]["name"], revisions.update["metadata"]["name"], *map(revision_of, pods)}
    return named | {status.get("currentRevision", ""), status.get("updateRevision", "")}
