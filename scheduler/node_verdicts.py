"""What the plugins that look at one node at a time say about each node to one class of pods.

Classes of pods that differ only in what they ask of the whole cluster share these verdicts, so a node that changed is
judged once for all of them. A verdict is made when it is asked for and stands until its node changes.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from scheduler.framework import Facet, NodeFilter, NodeScore, Refusal
from scheduler.node_info import NodeInfo
from scheduler.snapshot import Snapshot


class Judges(NamedTuple):
    """What plugins made for one class. Weights stand beside scores; a facet's is 0 if it only filters."""

    object_filters: list[NodeFilter]  # read the Node object only
    pod_filters: list[NodeFilter]  # read the node's pods too
    object_scores: list[tuple[NodeScore, int]]
    pod_scores: list[tuple[NodeScore, int]]
    facets: list[tuple[Facet, int]]  # read the Node object only
    only: set[str] | None  # the names of the only nodes in question


class Verdict:
    """A refusal, or a score and the values of the facets."""

    __slots__ = ("facets", "object_refusal", "object_score", "object_version", "refusal", "score", "version")

    def __init__(self) -> None:
        self.version = self.object_version = -1
        self.refusal: Refusal | None = None
        self.object_refusal: Refusal | None = None
        self.score = self.object_score = 0
        self.facets: tuple[Hashable, ...] = ()


class NodeVerdicts:
    def __init__(self, snapshot: Snapshot, judges: Judges):
        self._snapshot, self.judges = snapshot, judges
        self._verdicts: dict[str, Verdict] = {}
        self._watching = [facet for facet, _ in judges.facets if facet.observes]
        self._objects: dict[str, int] = {}  # node -> version of its object that the facets observed
        self._seen = -1
        self._scorers = judges.pod_scores

    def refresh(self) -> None:
        """Facets learn of nodes that came, changed or went. Call it before a round of of()."""
        snapshot = self._snapshot
        if self._seen == snapshot.version:
            return
        changed = [*snapshot.nodes] if self._seen < 0 else [*snapshot.changed_since(self._seen)]
        self._seen = snapshot.version
        for name in changed:
            node = snapshot.nodes.get(name)
            if node is None:
                self._verdicts.pop(name, None)
                self._objects.pop(name, None)
            elif self._objects.get(name) == node.object_version:
                continue
            else:
                self._objects[name] = node.object_version
            for facet in self._watching:
                facet.observe(name, node)

    def of(self, node: NodeInfo) -> Verdict:
        verdict = self._verdicts.get(node.name)
        if verdict is None:
            verdict = self._verdicts[node.name] = Verdict()
        if verdict.version != node.version:
            self._judge(verdict, node)
        return verdict

    def filter(self, node: NodeInfo) -> Refusal | None:
        """The refusal of a node that need not be one of the snapshot's."""
        for judge in (*self.judges.object_filters, *self.judges.pod_filters):
            if (refusal := judge.filter(node)) is not None:
                return refusal
        return None

    def _judge(self, verdict: Verdict, node: NodeInfo) -> None:
        verdict.version = node.version
        if verdict.object_version != node.object_version:
            verdict.object_version = node.object_version
            self._judge_object(verdict, node)
        refusal = verdict.object_refusal
        if refusal is None:
            for judge in self.judges.pod_filters:
                if (refusal := judge.filter(node)) is not None:
                    break
        verdict.refusal = refusal
        if refusal is None:
            score = verdict.object_score
            for scorer, weight in self._scorers:
                score += weight * scorer.score(node)
            verdict.score = score

    def _judge_object(self, verdict: Verdict, node: NodeInfo) -> None:
        verdict.object_refusal = None
        for judge in self.judges.object_filters:
            if (refusal := judge.filter(node)) is not None:
                verdict.object_refusal = refusal
                return
        verdict.object_score = sum(weight * scorer.score(node) for scorer, weight in self.judges.object_scores)
        verdict.facets = tuple([facet.facet(node) for facet, _ in self.judges.facets])
