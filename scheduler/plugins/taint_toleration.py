"""Taints keep pods away that do not tolerate them: NoSchedule and NoExecute for certain, PreferNoSchedule if others do."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from pocketkube.api.kinds.podspec.node_fit import NO_SCHEDULE, tolerates, untolerated
from scheduler.framework import (
    NODE_ADDED,
    NODE_UPDATED,
    SELF_UPDATED,
    Facet,
    Handle,
    NodeFilter,
    Refusal,
    normalized,
)
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo, freeze

Obj = dict[str, Any]


class Tolerated:
    reads_pods = False

    def __init__(self, tolerations: Sequence[Obj]):
        self._tolerations = tolerations

    def filter(self, node: NodeInfo) -> Refusal | None:
        if not node.taints:
            return None
        taint = untolerated(node.taints, self._tolerations, NO_SCHEDULE)
        if taint is None:
            return None
        text = f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value') or ''}}}"
        return Refusal("TaintToleration", (text,), False)


class Preferred(Facet):
    """A node's facet is how many of its PreferNoSchedule taints the pod does not tolerate."""

    def __init__(self, tolerations: Sequence[Obj]):
        self._tolerations = [t for t in tolerations if t.get("effect") in (None, "", "PreferNoSchedule")]

    def facet(self, node: NodeInfo) -> int:
        return sum(
            taint.get("effect") == "PreferNoSchedule" and not any(tolerates(t, taint) for t in self._tolerations)
            for taint in node.taints
        )

    def scores(self, facets: Sequence[int], sizes: Sequence[int]) -> list[int] | None:
        return normalized(facets, reverse=True) if any(facets) else None


class TaintToleration:
    name = "TaintToleration"
    wakes = frozenset({NODE_ADDED, NODE_UPDATED, SELF_UPDATED})

    def __init__(self, handle: Handle, args: Obj):
        pass

    def signature(self, pod: PodInfo) -> Hashable:
        return freeze(pod.spec.get("tolerations"))

    def pre_filter(self, pod: PodInfo) -> NodeFilter:
        return Tolerated(pod.spec.get("tolerations") or ())

    def pre_score(self, pod: PodInfo) -> Facet:
        return Preferred(pod.spec.get("tolerations") or ())


PLUGIN = TaintToleration
