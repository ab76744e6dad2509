"""nodeSelector and node affinity: required terms keep nodes out, preferred ones add their weights."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from pocketkube.api.kinds.podspec import node_fit
from scheduler.framework import (
    NODE_ADDED,
    NODE_UPDATED,
    SELF_UPDATED,
    Event,
    Facet,
    Handle,
    NodeFilter,
    Refusal,
    normalized,
)
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo, freeze

Obj = dict[str, Any]

REFUSAL = Refusal("NodeAffinity", ("node(s) didn't match Pod's node affinity/selector",), False)


class Selected:
    reads_pods = False

    def __init__(self, specs: Sequence[Obj]):
        self._specs = specs

    def filter(self, node: NodeInfo) -> Refusal | None:
        return None if all(node_fit.selects(spec, node.labels, node.name) for spec in self._specs) else REFUSAL


class Preferred(Facet):
    """A node's facet is the sum of the weights of the preferences that it meets."""

    def __init__(self, preferences: list[Obj]):
        self._preferences = preferences

    def facet(self, node: NodeInfo) -> int:
        return sum(
            int(p["weight"])
            for p in self._preferences
            if node_fit.term_matches(p.get("preference") or {}, node.labels, node.name)
        )

    def scores(self, facets: Sequence[int], sizes: Sequence[int]) -> list[int] | None:
        return normalized(facets)


class NodeAffinity:
    """`args.addedAffinity` holds a node affinity that every pod of the profile must meet besides its own."""

    name = "NodeAffinity"
    wakes = frozenset({NODE_ADDED, NODE_UPDATED, SELF_UPDATED})

    def __init__(self, handle: Handle, args: Obj):
        added = args.get("addedAffinity")
        self._added: list[Obj] = [{"affinity": {"nodeAffinity": added}}] if added else []

    def signature(self, pod: PodInfo) -> Hashable:
        spec = pod.spec
        affinity = spec.get("affinity")
        selector = spec.get("nodeSelector")
        if not affinity and not selector:
            return None
        return freeze(selector), freeze((affinity or {}).get("nodeAffinity"))

    def narrow(self, pod: PodInfo) -> set[str] | None:
        """Terms that each name nodes, as those of DaemonSet pods do, leave only these."""
        selector = node_fit.required(pod.spec)
        if not selector:
            return None
        names: set[str] = set()
        for term in selector.get("nodeSelectorTerms") or ():
            named = [f for f in term.get("matchFields") or () if f.get("operator") == "In"]
            if not named:
                return None
            names.update(named[0].get("values") or ())
        return names

    def pre_filter(self, pod: PodInfo) -> NodeFilter | None:
        specs = [s for s in (pod.spec, *self._added) if s.get("nodeSelector") or node_fit.required(s)]
        return Selected(specs) if specs else None

    def pre_score(self, pod: PodInfo) -> Facet | None:
        preferences = [p for spec in (pod.spec, *self._added) for p in node_fit.preferred(spec)]
        return Preferred(preferences) if preferences else None

    def may_help(self, pod: PodInfo, event: Event) -> bool:
        if event.kind == SELF_UPDATED or event.new is None:
            return True
        node = NodeInfo(event.new["metadata"]["name"])
        node.set_node(event.new)
        return node_fit.selects(pod.spec, node.labels, node.name)


PLUGIN = NodeAffinity
