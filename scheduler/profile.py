"""Which plugins run, in which order and with which weight. This list is the policy; configuration may change it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

from pocketkube.base import plugins
from scheduler.framework import (
    Bind,
    Facet,
    Handle,
    Narrow,
    Permit,
    Plugin,
    PostFilter,
    PreBind,
    PreEnqueue,
    PreFilter,
    PreScore,
    Refusal,
    Requeue,
    Reserve,
    Signature,
    Sort,
)
from scheduler.node_verdicts import Judges
from scheduler.pod_info import PodInfo

Obj = dict[str, Any]


class Chosen(NamedTuple):
    """A plugin of a profile by upstream's name; the weight counts if it scores; `without`: points where it is left out."""

    name: str
    weight: int = 1
    without: frozenset[str] = frozenset()


DEFAULT = [
    Chosen("SchedulingGates"),
    Chosen("PrioritySort"),
    Chosen("NodeUnschedulable"),
    Chosen("NodeName"),
    Chosen("TaintToleration", 3),
    Chosen("NodeAffinity", 2),
    Chosen("NodePorts"),
    Chosen("NodeResourcesFit", 1),
    Chosen("VolumeRestrictions"),
    Chosen("NodeVolumeLimits"),
    Chosen("VolumeBinding"),
    Chosen("VolumeZone"),
    Chosen("PodTopologySpread", 2),
    Chosen("InterPodAffinity", 2),
    Chosen("DefaultPreemption"),
    Chosen("NodeResourcesBalancedAllocation", 1),
    Chosen("ImageLocality", 1),
    Chosen("DefaultBinder"),
]


def available() -> dict[str, Any]:
    """The plugins in scheduler/plugins by name."""
    return {plugin.name: plugin for plugin in plugins.scan("scheduler.plugins", "PLUGIN").values()}


class Profile:
    """The plugins of one scheduler name, made and sorted by extension point."""

    def __init__(self, handle: Handle, chosen: list[Chosen], args: Mapping[str, Obj] | None = None):
        """`args` by plugin name. Raises ValueError for a plugin that does not exist."""
        self.scheduler_name = handle.scheduler_name
        known = available()
        missing = [c.name for c in chosen if c.name not in known]
        if missing:
            raise ValueError(f"no such scheduler plugin: {', '.join(missing)}")
        made: list[Plugin] = [known[c.name](handle, (args or {}).get(c.name) or {}) for c in chosen]
        self.plugins = {plugin.name: plugin for plugin in made}
        without = {c.name: c.without for c in chosen}
        weights = {c.name: c.weight for c in chosen}

        def at(point: str) -> list[Plugin]:
            return [plugin for plugin in made if point not in without[plugin.name]]

        self.pre_enqueue = [p for p in at("preEnqueue") if isinstance(p, PreEnqueue)]
        self.sort = next((p for p in at("queueSort") if isinstance(p, Sort)), None)
        signed = [p for p in made if isinstance(p, Signature)]
        self._node_signatures = [p for p in signed if not _reads_cluster(p)]
        self._cluster_signatures = [p for p in signed if _reads_cluster(p)]
        self._narrow = [p for p in at("filter") if isinstance(p, Narrow)]
        self._pre_filters = [p for p in at("filter") if isinstance(p, PreFilter)]
        self._pre_scores = [(p, weights[p.name]) for p in at("score") if isinstance(p, PreScore)]
        self.post_filters = [p for p in at("postFilter") if isinstance(p, PostFilter)]
        self.reserves = [p for p in at("reserve") if isinstance(p, Reserve)]
        self.permits = [p for p in at("permit") if isinstance(p, Permit)]
        self.pre_binds = [p for p in at("preBind") if isinstance(p, PreBind)]
        self.binds = [p for p in at("bind") if isinstance(p, Bind)]
        self.requeues = {p.name: p for p in made if isinstance(p, Requeue)}

    def signature(self, pod: PodInfo) -> Hashable:
        """Pods of equal signature and equal node_signature are scheduled alike."""
        return tuple([plugin.signature(pod) for plugin in self._cluster_signatures])

    def node_signature(self, pod: PodInfo) -> Hashable:
        """Pods of equal node signature are judged alike by the plugins that look at one node at a time."""
        return tuple([plugin.signature(pod) for plugin in self._node_signatures])

    def judges(self, pod: PodInfo) -> Judges | Refusal:
        """What decides about pods of one node signature, or why no node can take them."""
        found = Judges([], [], [], [], [], self._only(pod))
        for plugin in self._pre_filters:
            if _reads_cluster(plugin):
                continue
            judge = plugin.pre_filter(pod)
            if isinstance(judge, Refusal):
                return judge
            if isinstance(judge, Facet):
                found.facets.append((judge, 0))
            elif judge is not None:
                (found.pod_filters if judge.reads_pods else found.object_filters).append(judge)
        for scorer, weight in self._pre_scores:
            score = None if _reads_cluster(scorer) else scorer.pre_score(pod)
            if isinstance(score, Facet):
                found.facets.append((score, weight))
            elif score is not None:
                (found.pod_scores if score.reads_pods else found.object_scores).append((score, weight))
        return found

    def facets(self, pod: PodInfo) -> list[tuple[Facet, int]] | Refusal:
        """What the plugins that look at the whole cluster decide by, with weights."""
        filters = [p.pre_filter(pod) for p in self._pre_filters if _reads_cluster(p)]
        refusal = next((f for f in filters if isinstance(f, Refusal)), None)
        if refusal is not None:
            return refusal
        scores = [(p.pre_score(pod), weight) for p, weight in self._pre_scores if _reads_cluster(p)]
        return [(f, weight) for f, weight in (*((f, 0) for f in filters), *scores) if isinstance(f, Facet)]

    def _only(self, pod: PodInfo) -> set[str] | None:
        named = [names for plugin in self._narrow if (names := plugin.narrow(pod)) is not None]
        return set.intersection(*named) if named else None


def _reads_cluster(plugin: object) -> bool:
    return getattr(plugin, "reads_cluster", False)
