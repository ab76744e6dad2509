"""The nodes as one class of pods sees them, kept up to date: which fit, and which is best.

A class is all pods of equal signature. For it every node has an entry: the refusal of a filter, or a score and a group.
Nodes are in one group when all facets (verdicts on the whole cluster) are equal for them; within a group the best node
is the top of a heap. To choose:

    1. judge again the nodes that changed since the last choice: after a pod was placed that is one node
    2. judge each group by the facets: refused, or a score on top of its nodes' own
    3. take the best top of the groups that are left

So placing the next pod of a class costs as much as there are changes and groups, not nodes. A class that is new judges
nodes only until enough fit (percentageOfNodesToScore), and goes on with the rest when it is asked again.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple

from scheduler.framework import Facet, NodeFilter, NodeScore, Refusal
from scheduler.node_info import NodeInfo
from scheduler.snapshot import Snapshot

Group = tuple[Hashable, ...]


class Judges(NamedTuple):
    """What the profile's plugins made for one class. Weights stand beside scores; a facet's is 0 if it only filters."""

    object_filters: list[NodeFilter]  # read the Node object only
    pod_filters: list[NodeFilter]  # read the node's pods too
    object_scores: list[tuple[NodeScore, int]]
    pod_scores: list[tuple[NodeScore, int]]
    facets: list[tuple[Facet, int]]
    only: set[str] | None  # the names of the only nodes in question


class Entry:
    __slots__ = ("group", "object_score", "object_version", "refusal", "refused_by_object", "score", "stamp")

    def __init__(self) -> None:
        self.object_version = -1
        self.refusal: Refusal | None = None
        self.refused_by_object: Refusal | None = None
        self.object_score = self.score = 0
        self.group: Group | None = None  # None while refused
        self.stamp = 0  # the heap item that stands for this entry; older ones are stale


class _Heap:
    """The nodes of one group, best first, equals in random order."""

    __slots__ = ("items", "size")

    def __init__(self) -> None:
        self.items: list[tuple[int, float, int, str]] = []  # (-score, random, stamp, node)
        self.size = 0


class Ranking:
    def __init__(self, snapshot: Snapshot, judges: Judges, *, enough: Callable[[int], int], start: int = 0):
        """`enough(nodes)`: how many fitting nodes are enough to choose from; `start`: where to begin among all nodes."""
        self._snapshot, self._judges, self._enough = snapshot, judges, enough
        self._facets = [facet for facet, _ in judges.facets]
        self._facet_versions = [facet.version for facet in self._facets]
        self._watching = [facet for facet in self._facets if facet.observes]
        self._refusing = [(i, f) for i, f in enumerate(self._facets) if type(f).filter is not Facet.filter]
        self._entries: dict[str, Entry] = {}
        self._groups: dict[Group, _Heap] = {}
        self._stamp = 0
        self._used = False
        self._seen = snapshot.version
        for facet in self._watching:
            for name, node in snapshot.nodes.items():
                facet.observe(name, node)
        names = [*snapshot.nodes] if judges.only is None else [n for n in judges.only if n in snapshot.nodes]
        start = start % len(names) if names else 0
        self._unseen = names[start:] + names[:start]
        self._unseen.reverse()  # taken from the end
        self._waiting = set(names)  # the same: a change of one of them needs no look before its turn

    # --- choosing

    def best(self, excluded: Iterable[str] = ()) -> str | None:
        """The node to take, or None if none fits. `excluded` nodes are passed over."""
        self._refresh()
        without = frozenset(excluded)
        wanted = self._enough(len(self._snapshot.nodes))
        if self._used and self._unseen:
            self._judge_more(wanted // 4)
        self._used = True
        while True:
            fitting = self._fitting()
            found = None
            if not self._unseen or sum(heap.size for _, heap in fitting) >= wanted:
                found = self._choose(fitting, without)
            if found is not None or not self._unseen:
                return found
            self._judge_more(wanted)

    def fits(self, name: str) -> bool:
        """Does this one node fit, as things are?"""
        self._refresh()
        node = self._snapshot.nodes.get(name)
        if node is None or (self._judges.only is not None and name not in self._judges.only):
            return False
        self._judge(name, node)
        entry = self._entries[name]
        return entry.group is not None and self._refused(entry.group) is None

    def refusals(self) -> dict[str, Refusal]:
        """Why each node does not fit, after best() found none."""
        found = {}
        groups = {group: self._refused(group) for group in self._groups}
        for name, entry in self._entries.items():
            refusal = entry.refusal if entry.group is None else groups[entry.group]
            if refusal is not None:
                found[name] = refusal
        return found

    def check(self, changed: NodeInfo) -> Refusal | None:
        """The verdict if the node were `changed`: a copy with other pods. Nothing else is touched."""
        judges = self._judges
        for judge in (*judges.object_filters, *judges.pod_filters):
            if (refusal := judge.filter(changed)) is not None:
                return refusal
        try:
            for facet in self._watching:
                facet.observe(changed.name, changed)
            for facet in self._facets:
                if (refusal := facet.filter(facet.facet(changed))) is not None:
                    return refusal
        finally:
            real = self._snapshot.nodes.get(changed.name)
            for facet in self._watching:
                facet.observe(changed.name, real)
        return None

    def _fitting(self) -> list[tuple[Group, _Heap]]:
        if not self._refusing:
            return [*self._groups.items()]
        return [(group, heap) for group, heap in self._groups.items() if self._refused(group) is None]

    def _refused(self, group: Group) -> Refusal | None:
        for i, facet in self._refusing:
            if (refusal := facet.filter(group[i])) is not None:
                return refusal
        return None

    def _choose(self, fitting: list[tuple[Group, _Heap]], without: frozenset[str]) -> str | None:
        extra = self._group_scores(fitting)
        best, found = (-1, 0.0), None
        for (_, heap), more in zip(fitting, extra, strict=True):
            if (top := self._top(heap, without)) is not None:
                rank = (more - top[0], -top[1])
                if rank > best or found is None:
                    best, found = rank, top[3]
        return found

    def _group_scores(self, fitting: list[tuple[Group, _Heap]]) -> list[int]:
        total = [0] * len(fitting)
        if len(fitting) < 2:
            return total
        sizes = [heap.size for _, heap in fitting]
        for i, (facet, weight) in enumerate(self._judges.facets):
            if not weight:
                continue
            scores = facet.scores([group[i] for group, _ in fitting], sizes)
            if scores is not None:
                total = [t + weight * s for t, s in zip(total, scores, strict=True)]
        return total

    def _top(self, heap: _Heap, without: frozenset[str]) -> tuple[int, float, int, str] | None:
        items = heap.items
        while items and not self._stands(items[0]):
            heappop(items)
        if not items or items[0][3] not in without:
            return items[0] if items else None
        return min((i for i in items if i[3] not in without and self._stands(i)), default=None)

    def _stands(self, item: tuple[int, float, int, str]) -> bool:
        entry = self._entries.get(item[3])
        return entry is not None and entry.stamp == item[2]

    # --- keeping up

    def _refresh(self) -> None:
        snapshot = self._snapshot
        if self._seen != snapshot.version:
            changed = [*snapshot.changed_since(self._seen)]
            self._seen = snapshot.version
            for name in changed:
                self._follow(name, snapshot.nodes.get(name))
        versions = [facet.version for facet in self._facets]
        if versions != self._facet_versions:
            self._facet_versions = versions
            for name, entry in self._entries.items():
                if entry.group is not None:
                    self._file(name, entry, snapshot.nodes[name])

    def _follow(self, name: str, node: NodeInfo | None) -> None:
        for facet in self._watching:
            facet.observe(name, node)
        if node is None:
            entry = self._entries.pop(name, None)
            if entry is not None:
                self._unfile(entry)
            return
        only = self._judges.only
        if only is not None and name not in only:
            return
        if name not in self._waiting:
            self._judge(name, node)

    def _judge_more(self, wanted: int) -> None:
        """Judges unseen nodes until `wanted` more fit, or all are seen."""
        found = 0
        while self._unseen and found < wanted:
            name = self._unseen.pop()
            self._waiting.discard(name)
            node = self._snapshot.nodes.get(name)
            if node is not None and name not in self._entries:
                self._judge(name, node)
                found += self._entries[name].group is not None

    def _judge(self, name: str, node: NodeInfo) -> None:
        entry = self._entries.get(name)
        if entry is None:
            entry = self._entries[name] = Entry()
        judges = self._judges
        if entry.object_version != node.object_version:
            entry.object_version = node.object_version
            self._judge_object(entry, node)
        refusal = entry.refused_by_object
        if refusal is None:
            for judge in judges.pod_filters:
                if (refusal := judge.filter(node)) is not None:
                    break
        entry.refusal = refusal
        if refusal is not None:
            self._unfile(entry)
            return
        score = entry.object_score
        for scorer, weight in judges.pod_scores:
            score += weight * scorer.score(node)
        entry.score = score
        self._file(name, entry, node)

    def _judge_object(self, entry: Entry, node: NodeInfo) -> None:
        entry.refused_by_object = None
        for judge in self._judges.object_filters:
            if (refusal := judge.filter(node)) is not None:
                entry.refused_by_object = refusal
                return
        entry.object_score = sum(weight * scorer.score(node) for scorer, weight in self._judges.object_scores)

    def _file(self, name: str, entry: Entry, node: NodeInfo) -> None:
        """Puts the node into the heap of its group."""
        group = tuple([facet.facet(node) for facet in self._facets])
        if group != entry.group:
            self._unfile(entry)
            entry.group = group
            heap = self._groups.get(group)
            if heap is None:
                heap = self._groups[group] = _Heap()
            heap.size += 1
        else:
            heap = self._groups[group]
        self._stamp += 1
        entry.stamp = self._stamp
        heappush(heap.items, (-entry.score, random.random(), self._stamp, name))
        if len(heap.items) > 4 * heap.size + 64:
            heap.items = [item for item in heap.items if self._stands(item)]
            heapify(heap.items)

    def _unfile(self, entry: Entry) -> None:
        entry.stamp = 0
        if entry.group is None:
            return
        heap = self._groups[entry.group]
        heap.size -= 1
        if not heap.size:
            del self._groups[entry.group]
        entry.group = None


class Rankings:
    """Rankings by signature; those not asked for the longest are dropped, as each keeps an entry a node."""

    def __init__(self, snapshot: Snapshot, *, most_entries: int = 400_000):
        self._snapshot, self._most = snapshot, most_entries
        self._held: OrderedDict[Any, Ranking] = OrderedDict()
        self._epoch = snapshot.epoch

    def of(self, signature: Hashable, make: Callable[[], Ranking]) -> Ranking:
        if self._epoch != self._snapshot.epoch:
            self._epoch = self._snapshot.epoch
            self._held.clear()
        ranking = self._held.get(signature)
        if ranking is None:
            ranking = self._held[signature] = make()
            while len(self._held) * max(1, len(self._snapshot.nodes)) > self._most and len(self._held) > 8:
                self._held.popitem(last=False)
        else:
            self._held.move_to_end(signature)
        return ranking
