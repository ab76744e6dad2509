"""Pods that want to be near other pods, or away from them, within places that a node label makes: a host, a zone...

Three things refuse a node: the pod's own affinity is not met there, its own anti-affinity is hurt there, or a pod that
runs in that place wants none like it near. Preferences add or take score, also those of the pods that run already.
What each node contributes to its places is kept up node by node.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from scheduler.framework import (
    MAX_SCORE,
    NODE_ADDED,
    NODE_UPDATED,
    POD_ADDED,
    POD_DELETED,
    POD_UPDATED,
    SELF_UPDATED,
    Facet,
    Handle,
    Refusal,
)
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo, Term
from scheduler.snapshot import HOSTNAME, Snapshot

Obj = dict[str, Any]
Place = tuple[str, str]  # node label and its value

NO_AFFINITY = Refusal("InterPodAffinity", ("node(s) didn't match pod affinity rules",), False)
ANTI_AFFINITY = Refusal("InterPodAffinity", ("node(s) didn't match pod anti-affinity rules",))
EXISTING = Refusal("InterPodAffinity", ("node(s) didn't satisfy existing pods anti-affinity rules",))

NEAR, AWAY, UNWANTED = 0, 1, 2  # tables of counts


class Places(Facet, ABC):
    """Sums over places, from what each node's pods contribute. A facet has, a label that matters, the node's value of it;
    where the label means one node, the sums of that node instead, so that thousands of hosts are few facets."""

    reads_pods = True

    def __init__(self, pod: PodInfo, snapshot: Snapshot, tables: int):
        self._pod, self._snapshot = pod, snapshot
        self._sums: list[Counter[Place]] = [Counter() for _ in range(tables)]
        self._records: dict[str, list[tuple[int, Place, int]]] = {}
        self._keys: list[str] = []
        self._own_node = HOSTNAME if snapshot.unique_hostnames else ""
        self._matched: dict[Any, tuple[Any, bool]] = {}
        self._mattering: dict[int, bool] = {}

    @abstractmethod
    def _contributions(self, node: NodeInfo) -> Iterable[tuple[int, str, int]]:
        """(table, topology key, amount) of each pod on the node that matters."""

    def observe(self, name: str, node: NodeInfo | None) -> None:
        record: list[tuple[int, Place, int]] = []
        if node is not None and node.pods:
            labels = node.labels
            for table, key, n in self._contributions(node):
                self._notice(key)
                if key in labels:
                    record.append((table, (key, labels[key]), n))
        known = self._records.get(name, [])
        if known == record:
            return
        for table, place, n in known:
            self._sums[table][place] -= n
            if not self._sums[table][place]:
                del self._sums[table][place]
        for table, place, n in record:
            self._sums[table][place] += n
        if record:
            self._records[name] = record
        else:
            self._records.pop(name, None)

    def matters(self, pod: PodInfo) -> bool:
        found = self._mattering.get(pod.alike)
        if found is None:
            alone = NodeInfo("")
            alone.add(pod)
            found = self._mattering[pod.alike] = any(True for _ in self._contributions(alone))
        return found

    def _notice(self, key: str) -> None:
        """A label that mattered once stays in the facets; a new one changes them all."""
        if key not in self._keys:
            self._keys.append(key)
            self.version += 1

    def facet(self, node: NodeInfo) -> Hashable:
        labels = node.labels
        return tuple(
            tuple(sums.get((key, labels[key]), 0) for sums in self._sums)
            if key == self._own_node and key in labels
            else labels.get(key)
            for key in self._keys
        )

    def _sum(self, table: int, key: str, part: Any) -> int:
        return int(part[table]) if isinstance(part, tuple) else self._sums[table].get((key, part), 0)

    def _matches_me(self, term: Term) -> bool:
        return term.matches(self._pod, self._snapshot.namespaces.get(self._pod.namespace, {}))

    def _matched_by(self, term: Term, other: PodInfo) -> bool:
        """Does a term of ours name the other pod? Asked once for pods of equal labels."""
        key = (id(term), other.labels_key)
        found = self._matched.get(key)
        if found is None:
            match = term.matches(other, self._snapshot.namespaces.get(other.namespace, {}))
            found = self._matched[key] = (term, match)
        return found[1]


class Required(Places):
    """The filter."""

    def __init__(self, pod: PodInfo, snapshot: Snapshot):
        super().__init__(pod, snapshot, 3)
        for term in (*pod.affinity, *pod.anti_affinity):
            self._notice(term.topology_key)
        self._first_of_its_kind = all(self._matches_me(term) for term in pod.affinity)
        self._unwanted: dict[int, tuple[Any, tuple[str, ...]]] = {}

    def _contributions(self, node: NodeInfo) -> Iterable[tuple[int, str, int]]:
        pod = self._pod
        if pod.affinity or pod.anti_affinity:
            for n, other in node.label_groups.values():
                if pod.affinity and all(self._matched_by(t, other) for t in pod.affinity):
                    for term in pod.affinity:
                        yield NEAR, term.topology_key, n
                for term in pod.anti_affinity:
                    if self._matched_by(term, other):
                        yield AWAY, term.topology_key, n
        for other in node.with_anti_affinity.values():
            for key in self._keys_unwanted(other):
                yield UNWANTED, key, 1

    def _keys_unwanted(self, other: PodInfo) -> tuple[str, ...]:
        terms = other.anti_affinity
        found = self._unwanted.get(id(terms))
        if found is None:
            keys = tuple(t.topology_key for t in terms if self._matches_me(t))
            found = self._unwanted[id(terms)] = (terms, keys)
        return found[1]

    def filter(self, facet: tuple[Any, ...]) -> Refusal | None:
        parts = dict(zip(self._keys, facet, strict=True))
        if self._pod.affinity and not self._is_near(parts):
            return NO_AFFINITY
        for term in self._pod.anti_affinity:
            if self._sum(AWAY, term.topology_key, parts[term.topology_key]) > 0:
                return ANTI_AFFINITY
        if self._sums[UNWANTED]:
            for key, part in parts.items():
                if part is not None and self._sum(UNWANTED, key, part) > 0:
                    return EXISTING
        return None

    def _is_near(self, parts: dict[str, Any]) -> bool:
        met = True
        for term in self._pod.affinity:
            part = parts[term.topology_key]
            if part is None:
                return False
            met = met and self._sum(NEAR, term.topology_key, part) > 0
        # The first of pods that want each other's company may go anywhere.
        return met or (not self._sums[NEAR] and self._first_of_its_kind)


class Preferred(Places):
    """The score: sums of weights, stretched to 0..MAX_SCORE."""

    def __init__(self, pod: PodInfo, snapshot: Snapshot, *, hard_weight: int, ignore_existing: bool):
        super().__init__(pod, snapshot, 1)
        self._hard_weight, self._ignore_existing = hard_weight, ignore_existing
        self._theirs: dict[tuple[int, int, int], tuple[Any, tuple[tuple[str, int], ...]]] = {}

    def _contributions(self, node: NodeInfo) -> Iterable[tuple[int, str, int]]:
        for terms, sign in ((self._pod.preferred_affinity, 1), (self._pod.preferred_anti_affinity, -1)):
            for term in terms:
                n = sum(n for n, other in node.label_groups.values() if self._matched_by(term, other))
                if n:
                    yield 0, term.topology_key, sign * term.weight * n
        for other in node.with_preferences.values():
            for key, weight in self._weights_of(other):
                yield 0, key, weight

    def _weights_of(self, other: PodInfo) -> tuple[tuple[str, int], ...]:
        terms = (other.affinity, other.preferred_affinity, other.preferred_anti_affinity)
        identity = (id(terms[0]), id(terms[1]), id(terms[2]))
        found = self._theirs.get(identity)
        if found is None:
            weighted = [(t, self._hard_weight) for t in terms[0]]
            if not self._ignore_existing:
                weighted += [(t, t.weight) for t in terms[1]] + [(t, -t.weight) for t in terms[2]]
            mine = tuple((t.topology_key, w) for t, w in weighted if w and self._matches_me(t))
            found = self._theirs[identity] = (terms, mine)
        return found[1]

    def scores(self, facets: Sequence[tuple[Any, ...]], sizes: Sequence[int]) -> list[int] | None:
        if not self._sums[0]:
            return None
        raw = [
            sum(self._sum(0, key, part) for key, part in zip(self._keys, facet, strict=True) if part is not None)
            for facet in facets
        ]
        least, most = min(raw), max(raw)
        return [MAX_SCORE * (n - least) // (most - least) for n in raw] if most > least else None


class InterPodAffinity:
    """args: hardPodAffinityWeight (1), ignorePreferredTermsOfExistingPods."""

    name = "InterPodAffinity"
    reads_cluster = True
    wakes = frozenset({NODE_ADDED, NODE_UPDATED, POD_ADDED, POD_UPDATED, POD_DELETED, SELF_UPDATED, "namespaces"})

    def __init__(self, handle: Handle, args: Obj):
        self._snapshot = handle.snapshot
        weight = args.get("hardPodAffinityWeight")
        self._hard_weight = 1 if weight is None else int(weight)
        self._ignore_existing = bool(args.get("ignorePreferredTermsOfExistingPods"))

    def signature(self, pod: PodInfo) -> Hashable:
        """Without a term anywhere all pods are alike; with one, labels tell them apart."""
        snapshot = self._snapshot
        others = (snapshot.refusing_pods > 0, snapshot.preferring_pods > 0)
        if not pod.has_terms and others == (False, False):
            return None
        return pod.alike, others, snapshot.namespaces_version, snapshot.unique_hostnames

    def pre_filter(self, pod: PodInfo) -> Facet | None:
        if not pod.affinity and not pod.anti_affinity and not self._snapshot.refusing_pods:
            return None
        return Required(pod, self._snapshot)

    def pre_score(self, pod: PodInfo) -> Facet | None:
        own = bool(pod.preferred_affinity or pod.preferred_anti_affinity)
        if not own and (self._ignore_existing or not self._snapshot.preferring_pods):
            return None
        return Preferred(pod, self._snapshot, hard_weight=self._hard_weight, ignore_existing=self._ignore_existing)


PLUGIN = InterPodAffinity
