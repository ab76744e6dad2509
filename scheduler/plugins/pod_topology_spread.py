"""Spreads alike pods over zones, hosts or other domains: topologySpreadConstraints, or the cluster's default ones.

A domain is a value of the constraint's node label. DoNotSchedule refuses a domain that would get more than maxSkew pods
ahead of the emptiest; ScheduleAnyway prefers emptier ones. Counts are kept up node by node, never made anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from math import log
from typing import Any, NamedTuple

from pocketkube.api.kinds.podspec import node_fit
from pocketkube.api.meta.selectors import Requirement, Selector
from pocketkube.client.resources import REPLICASETS, REPLICATIONCONTROLLERS, SERVICES, STATEFULSETS
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
from scheduler.pod_info import PodInfo, compiled, freeze, own_labels_selector
from scheduler.snapshot import HOSTNAME

Obj = dict[str, Any]

ZONE = "topology.kubernetes.io/zone"
SYSTEM_DEFAULTS: list[Obj] = [
    {"topologyKey": HOSTNAME, "maxSkew": 3, "whenUnsatisfiable": "ScheduleAnyway"},
    {"topologyKey": ZONE, "maxSkew": 5, "whenUnsatisfiable": "ScheduleAnyway"},
]

REFUSAL = Refusal("PodTopologySpread", ("node(s) didn't match pod topology spread constraints",))
NO_LABEL = Refusal(
    "PodTopologySpread", ("node(s) didn't match pod topology spread constraints (missing required label)",), False
)


class Constraint(NamedTuple):
    key: str
    max_skew: int
    selector: Selector
    min_domains: int
    includes_self: bool
    honors_affinity: bool
    honors_taints: bool
    own_node: bool  # the key means one node: a domain's count is its node's


class Spread(Facet):
    """How many alike pods each domain of each constraint holds. A facet has, a constraint, the domain (or, where a
    domain is one node, the count there); None in place of it all for a node that lacks a label."""

    reads_pods = True

    def __init__(self, pod: PodInfo, constraints: list[Constraint], *, all_labels: bool):
        self._namespace, self._spec = pod.namespace, pod.spec
        self._constraints, self._all_labels = constraints, all_labels
        self._records: dict[str, list[tuple[str, int] | None]] = {}  # node -> (domain, count) a constraint
        self._nodes: list[Counter[str]] = [Counter() for _ in constraints]  # nodes in a domain
        self._totals: list[dict[str, int]] = [{} for _ in constraints]  # pods in a domain
        self._levels: list[Counter[int]] = [Counter() for _ in constraints]  # domains with so many pods
        self._matches: dict[Hashable, tuple[bool, ...]] = {}

    def matters(self, pod: PodInfo) -> bool:
        return any(self._matching(pod))

    def _matching(self, pod: PodInfo) -> tuple[bool, ...]:
        """Which constraints count the pod."""
        found = self._matches.get(pod.labels_key)
        if found is None:
            alike = pod.namespace == self._namespace and not pod.deleting
            found = tuple(alike and c.selector.matches(pod.labels) for c in self._constraints)
            self._matches[pod.labels_key] = found
        return found

    def observe(self, name: str, node: NodeInfo | None) -> None:
        record = self._record(node) if node is not None else []
        known = self._records.get(name, [])
        if known == record:
            return
        for i, held in enumerate(known):
            if held is not None:
                self._move(i, held[0], -held[1], -1)
        for i, held in enumerate(record):
            if held is not None:
                self._move(i, held[0], held[1], 1)
        if record:
            self._records[name] = record
        else:
            self._records.pop(name, None)

    def _record(self, node: NodeInfo) -> list[tuple[str, int] | None]:
        labels = node.labels
        if self._all_labels and any(c.key not in labels for c in self._constraints):
            return []
        counts = self._counts(node)
        return [
            (labels[c.key], counts[i]) if c.key in labels and self._included(c, node) else None
            for i, c in enumerate(self._constraints)
        ]

    def _counts(self, node: NodeInfo) -> list[int]:
        counts = [0] * len(self._constraints)
        for n, pod in node.label_groups.values():
            for i, match in enumerate(self._matching(pod)):
                if match:
                    counts[i] += n
        return counts

    def _included(self, constraint: Constraint, node: NodeInfo) -> bool:
        if constraint.honors_affinity and not node_fit.selects(self._spec, node.labels, node.name):
            return False
        if not constraint.honors_taints or not node.taints:
            return True
        return node_fit.untolerated(node.taints, self._spec.get("tolerations") or (), node_fit.NO_SCHEDULE) is None

    def _move(self, i: int, domain: str, pods: int, nodes: int) -> None:
        totals, levels = self._totals[i], self._levels[i]
        if domain in totals:
            levels[totals[domain]] -= 1
            if not levels[totals[domain]]:
                del levels[totals[domain]]
        self._nodes[i][domain] += nodes
        if not self._nodes[i][domain]:
            del self._nodes[i][domain]
            totals.pop(domain, None)
            return
        totals[domain] = totals.get(domain, 0) + pods
        levels[totals[domain]] += 1

    def facet(self, node: NodeInfo) -> Hashable:
        record = self._records.get(node.name)
        labels = node.labels
        if self._all_labels and record is None:
            return None
        held = record or [None] * len(self._constraints)
        return tuple(
            (pair[1] if pair is not None else 0) if c.own_node else labels.get(c.key)
            for c, pair in zip(self._constraints, held, strict=True)
        )

    def _count(self, i: int, part: Any) -> int:
        return int(part) if self._constraints[i].own_node else self._totals[i].get(part, 0)


class Hard(Spread):
    """DoNotSchedule."""

    def filter(self, facet: tuple[Any, ...] | None) -> Refusal | None:
        if facet is None:
            return NO_LABEL
        for i, constraint in enumerate(self._constraints):
            levels = self._levels[i]
            least = min(levels) if len(self._totals[i]) >= constraint.min_domains and levels else 0
            if self._count(i, facet[i]) + constraint.includes_self - least > constraint.max_skew:
                return REFUSAL
        return None


class Soft(Spread):
    """ScheduleAnyway."""

    def scores(self, facets: Sequence[tuple[Any, ...] | None], sizes: Sequence[int]) -> list[int] | None:
        if len(facets) == 1:
            return None
        counted = [f for f in facets if f is not None]
        hosts = sum(n for f, n in zip(facets, sizes, strict=True) if f is not None)
        weights = [
            log((hosts if c.own_node else len({f[i] for f in counted} - {None})) + 2)
            for i, c in enumerate(self._constraints)
        ]
        raw = [round(self._raw(f, weights)) for f in counted]
        most, least = max(raw, default=0), min(raw, default=0)
        scaled = iter(MAX_SCORE * (most + least - n) // most if most else MAX_SCORE for n in raw)
        return [0 if f is None else next(scaled) for f in facets]

    def _raw(self, facet: tuple[Any, ...], weights: list[float]) -> float:
        return sum(
            self._count(i, facet[i]) * weights[i] + (c.max_skew - 1)
            for i, c in enumerate(self._constraints)
            if facet[i] is not None
        )


class PodTopologySpread:
    """args: defaultingType System (the default) or List, defaultConstraints."""

    name = "PodTopologySpread"
    reads_cluster = True
    wakes = frozenset({NODE_ADDED, NODE_UPDATED, POD_ADDED, POD_UPDATED, POD_DELETED, SELF_UPDATED})

    def __init__(self, handle: Handle, args: Obj):
        self._snapshot = handle.snapshot
        listed = args.get("defaultingType") == "List"
        self._defaults: list[Obj] = (args.get("defaultConstraints") or []) if listed else SYSTEM_DEFAULTS
        self._system = not listed
        self._services = handle.store(SERVICES)
        owners = (REPLICATIONCONTROLLERS, REPLICASETS, STATEFULSETS)
        self._owners = {r.kind: handle.store(r) for r in owners}

    def signature(self, pod: PodInfo) -> Hashable:
        constraints = pod.spec.get("topologySpreadConstraints")
        if not constraints:
            selector = self._default_selector(pod)
            return None if selector is None else (selector, pod.namespace)
        selectors = [self._selector(pod, c) for c in constraints]
        own = tuple((s, s.matches(pod.labels)) for s in selectors)
        return pod.namespace, own, freeze(constraints), self._snapshot.unique_hostnames

    def pre_filter(self, pod: PodInfo) -> Facet | None:
        constraints = self._constraints(pod, "DoNotSchedule")
        return Hard(pod, constraints, all_labels=True) if constraints else None

    def pre_score(self, pod: PodInfo) -> Facet | None:
        constraints = self._constraints(pod, "ScheduleAnyway")
        own = bool(pod.spec.get("topologySpreadConstraints"))
        return Soft(pod, constraints, all_labels=own or not self._system) if constraints else None

    def _constraints(self, pod: PodInfo, action: str) -> list[Constraint]:
        stated = pod.spec.get("topologySpreadConstraints")
        if stated:
            wanted = [c for c in stated if c.get("whenUnsatisfiable") == action]
            return [self._constraint(pod, c, self._selector(pod, c)) for c in wanted]
        wanted = [c for c in self._defaults if c.get("whenUnsatisfiable") == action]
        selector = self._default_selector(pod) if wanted else None
        return [self._constraint(pod, c, selector) for c in wanted] if selector is not None else []

    def _selector(self, pod: PodInfo, constraint: Obj) -> Selector:
        return own_labels_selector(compiled(constraint.get("labelSelector")), constraint, pod.labels)

    def _constraint(self, pod: PodInfo, constraint: Obj, selector: Selector) -> Constraint:
        key = constraint["topologyKey"]
        return Constraint(
            key,
            constraint["maxSkew"],
            selector,
            constraint.get("minDomains") or 1,
            selector.matches(pod.labels),
            constraint.get("nodeAffinityPolicy") != "Ignore",
            constraint.get("nodeTaintsPolicy") == "Honor",
            key == HOSTNAME and self._snapshot.unique_hostnames,
        )

    def _default_selector(self, pod: PodInfo) -> Selector | None:
        """What names the pods like this one: the services it is behind and the workload that owns it."""
        if not self._defaults:
            return None
        wanted: dict[str, str] = {}
        for service in self._services.by_index("namespace", pod.namespace):
            selector = (service.get("spec") or {}).get("selector")
            if selector and selector.items() <= pod.labels.items():
                wanted.update(selector)
        more = self._owner_requirements(pod)
        if not wanted and not more:
            return None
        return Selector({*(Requirement(k, "=", frozenset((v,))) for k, v in wanted.items()), *more})

    def _owner_requirements(self, pod: PodInfo) -> tuple[Requirement, ...]:
        for owner in pod.pod["metadata"].get("ownerReferences") or ():
            store = self._owners.get(owner.get("kind", "")) if owner.get("controller") else None
            found = store.get(f"{pod.namespace}/{owner['name']}") if store is not None else None
            if found is not None and found["metadata"].get("uid") == owner.get("uid"):
                selector = (found.get("spec") or {}).get("selector")
                if owner["kind"] == "ReplicationController":
                    selector = {"matchLabels": selector} if selector else None
                return compiled(selector).requirements
        return ()


PLUGIN = PodTopologySpread
