"""The nodes as one class of pods sees them, kept up to date: which fit, and which is best.

A class is all pods of equal signature. Nodes that fit are in groups: in one group all facets (verdicts on the whole
cluster) are equal, and the best node by its own score is the top of a heap. To choose:

    1. file again the nodes that changed since the last choice: after a pod was placed that is one node
    2. judge each group by the facets: refused, or a score on top of its nodes' own
    3. take the best top of the groups that are left

So placing the next pod of a class costs as much as there are changes and groups, not nodes. A class that is new looks at
nodes only until enough fit (percentageOfNodesToScore), and goes on with the rest when it is asked again.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

from scheduler.framework import Facet, Refusal
from scheduler.node_info import NodeInfo
from scheduler.node_verdicts import NodeVerdicts
from scheduler.snapshot import Snapshot

Group = tuple[Hashable, ...]


class Entry:
    """One node. `values` are those of the cluster facets, None while not asked; `group` is None while refused."""

    __slots__ = ("group", "object_version", "refusal", "stamp", "values")

    def __init__(self) -> None:
        self.object_version = -1
        self.refusal: Refusal | None = None
        self.values: tuple[Hashable, ...] | None = None
        self.group: Group | None = None
        self.stamp = 0  # the heap item that stands for this entry; older ones are stale


class _Heap:
    """The nodes of one group, best first, equals in random order."""

    __slots__ = ("group", "items", "size")

    def __init__(self, group: Group) -> None:
        self.group = group  # the one object for all its nodes
        self.items: list[tuple[int, float, int, str]] = []  # (-score, random, stamp, node)
        self.size = 0


class Ranking:
    def __init__(
        self,
        snapshot: Snapshot,
        verdicts: NodeVerdicts,
        facets: list[tuple[Facet, int]],
        *,
        enough: Callable[[int], int],
        start: int = 0,
    ):
        """`facets` with their weights are those that read pods; `enough(nodes)` says how many fitting nodes are enough
        to choose from, `start` where to begin among all nodes."""
        self._snapshot, self._verdicts, self._enough = snapshot, verdicts, enough
        self._cluster = [facet for facet, _ in facets]
        self._facets = [*verdicts.judges.facets, *facets]
        self._refusing = [(i, f) for i, (f, _) in enumerate(self._facets) if type(f).filter is not Facet.filter]
        self._versions = [facet.version for facet in self._cluster]
        self._entries: dict[str, Entry] = {}
        self._groups: dict[Group, _Heap] = {}
        self._values: dict[tuple[Hashable, ...], tuple[Hashable, ...]] = {}  # equal ones are kept once
        self._stamp = 0
        self._used = False
        self._seen = snapshot.version
        verdicts.refresh()
        for facet in self._cluster:
            for name, node in snapshot.nodes.items():
                facet.observe(name, node)
        only = verdicts.judges.only
        names = [*snapshot.nodes] if only is None else [n for n in only if n in snapshot.nodes]
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
            self._look_at_more(wanted // 4)
        self._used = True
        while True:
            fitting = self._fitting()
            found = None
            if not self._unseen or sum(heap.size for _, heap in fitting) >= wanted:
                found = self._choose(fitting, without)
            if found is not None or not self._unseen:
                return found
            self._look_at_more(wanted)

    def fits(self, name: str) -> bool:
        """Does this one node fit, as things are?"""
        self._refresh()
        node, only = self._snapshot.nodes.get(name), self._verdicts.judges.only
        if node is None or (only is not None and name not in only):
            return False
        entry = self._entries.get(name) or self._look_at(node)
        return entry.group is not None and self._refused(entry.group) is None

    def refusals(self) -> dict[str, Refusal]:
        """Why each node does not fit, after best() found none."""
        found = {}
        groups = {group: self._refused(group) for group in self._groups}
        for name, entry in self._entries.items():
            refusal = entry.refusal if entry.group is None else groups[entry.group]
            if refusal is not None:
                found[name] = refusal
        only = self._verdicts.judges.only
        if only is not None:
            found.update({name: NOT_IN_QUESTION for name in self._snapshot.nodes if name not in only})
        return found

    def check(self, changed: NodeInfo) -> Refusal | None:
        """The verdict if the node were `changed`: a copy with other pods. Nothing else is touched."""
        if (refusal := self._verdicts.filter(changed)) is not None:
            return refusal
        try:
            for facet in self._cluster:
                facet.observe(changed.name, changed)
            for facet in self._cluster:
                if (refusal := facet.filter(facet.facet(changed))) is not None:
                    return refusal
        finally:
            real = self._snapshot.nodes.get(changed.name)
            for facet in self._cluster:
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
        for i, (facet, weight) in enumerate(self._facets):
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
        self._verdicts.refresh()
        if self._seen != snapshot.version:
            seen, self._seen = self._seen, snapshot.version
            for name in [*snapshot.changed_since(seen)]:
                self._follow(name, snapshot.nodes.get(name), seen)
        if self._cluster and [facet.version for facet in self._cluster] != self._versions:
            self._versions = [facet.version for facet in self._cluster]
            for name in [*self._entries]:
                self._entries[name].values = None
                self._look_at(snapshot.nodes[name])

    def _follow(self, name: str, node: NodeInfo | None, seen: int) -> None:
        entry = self._entries.get(name)
        if node is None:
            for facet in self._cluster:
                facet.observe(name, None)
            self._waiting.discard(name)
            if entry is not None:
                del self._entries[name]
                self._unfile(entry)
            return
        if self._cluster and self._observe(node, entry, seen) and entry is not None:
            entry.values = None
        only = self._verdicts.judges.only
        if entry is not None or (name not in self._waiting and (only is None or name in only)):
            self._look_at(node, entry)

    def _observe(self, node: NodeInfo, entry: Entry | None, seen: int) -> bool:
        """Shows the facets what changed since version `seen`. False if it matters to none of them."""
        same_object = entry is not None and entry.object_version == node.object_version
        pods = node.pods_changed_since(seen) if same_object else None
        mattered = False
        for facet in self._cluster:
            if pods is None or any(facet.matters(pod) for pod in pods):
                facet.observe(node.name, node)
                mattered = True
        return mattered

    def _look_at_more(self, wanted: int) -> None:
        """Looks at unseen nodes until `wanted` more fit, or all are seen."""
        found = 0
        while self._unseen and found < wanted:
            name = self._unseen.pop()
            self._waiting.discard(name)
            node = self._snapshot.nodes.get(name)
            if node is not None and name not in self._entries:
                found += self._look_at(node).group is not None

    def _look_at(self, node: NodeInfo, entry: Entry | None = None) -> Entry:
        """The node's verdict now, and its place among the groups."""
        if entry is None:
            entry = self._entries.get(node.name)
            if entry is None:
                entry = self._entries[node.name] = Entry()
        verdict = self._verdicts.of(node)
        entry.object_version = node.object_version
        entry.refusal = verdict.refusal
        if verdict.refusal is not None:
            self._unfile(entry)
            return entry
        values = entry.values
        if values is None:
            values = tuple([facet.facet(node) for facet in self._cluster])
            if len(self._values) > 2 * len(self._entries) + 64:
                self._values.clear()
            values = entry.values = self._values.setdefault(values, values)
        self._file(node.name, entry, verdict.facets + values, verdict.score)
        return entry

    def _file(self, name: str, entry: Entry, group: Group, score: int) -> None:
        """Puts the node into the heap of its group."""
        if entry.group is None or group != entry.group:
            self._unfile(entry)
            heap = self._groups.get(group)
            if heap is None:
                heap = self._groups[group] = _Heap(group)
            entry.group = heap.group
            heap.size += 1
        else:
            heap = self._groups[group]
        self._stamp += 1
        entry.stamp = self._stamp
        heappush(heap.items, (-score, random.random(), self._stamp, name))
        if len(heap.items) > 2 * heap.size + 64:
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


NOT_IN_QUESTION = Refusal("NodeAffinity", (), False)  # without a word: the pod itself names other nodes

Held = TypeVar("Held")


class Recent(Generic[Held]):
    """Rankings or verdicts by signature; those not asked for the longest are dropped, as each keeps an entry a node."""

    def __init__(self, snapshot: Snapshot, *, most_entries: int = 400_000):
        self._snapshot, self._most = snapshot, most_entries
        self._held: OrderedDict[Hashable, Held] = OrderedDict()
        self._epoch = snapshot.epoch

    def of(self, signature: Hashable, make: Callable[[], Held]) -> Held:
        if self._epoch != self._snapshot.epoch:
            self._epoch = self._snapshot.epoch
            self._held.clear()
        held = self._held.get(signature)
        if held is None:
            held = self._held[signature] = make()
            while len(self._held) * max(1, len(self._snapshot.nodes)) > self._most and len(self._held) > 8:
                self._held.popitem(last=False)
        else:
            self._held.move_to_end(signature)
        return held
