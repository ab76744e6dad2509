"""What a scheduling plugin may be. A plugin implements any of the extension points below; the profile puts them in order.

Upstream's framework asks every plugin about every node for every pod. Here pods with equal signatures form a class that
is judged once, and a node is judged again only when it changed. For that a verdict says what it depends on:

    NodeFilter, NodeScore   on the node alone: on its Node object, or (`reads_pods`) on the pods there too
    Facet                   on the whole cluster, through a value of the node: its zone, how many alike pods run there...
                            Nodes of equal value are alike, so the cluster's part is judged once a value.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from pocketkube.client.events import EventRecorder
from pocketkube.client.informer import Informers
from pocketkube.client.resources import Resource
from pocketkube.client.rest import Client
from pocketkube.client.store import Store, by_namespace
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo
from scheduler.snapshot import Snapshot

Obj = dict[str, Any]

Check = Callable[[NodeInfo], "Refusal | None"]

MAX_SCORE = 100


class Refusal(NamedTuple):
    """Why a node, or the cluster, does not take a pod. `resolvable`: removing pods from the node may change that."""

    plugin: str
    reasons: tuple[str, ...]
    resolvable: bool = True


class Event(NamedTuple):
    """Something that happened in the cluster and may make a pod fit. `old` is None for what was added, `new` if deleted."""

    kind: str  # one of the constants below, or a resource's plural
    old: Obj | None = None
    new: Obj | None = None


NODE_ADDED = "NodeAdded"
NODE_UPDATED = "NodeUpdated"
POD_ADDED = "AssignedPodAdded"  # a bound pod appeared
POD_UPDATED = "AssignedPodUpdated"  # its labels changed or it takes less
POD_DELETED = "AssignedPodDeleted"
SELF_UPDATED = "UnscheduledPodUpdated"  # the waiting pod itself was changed


class Plugin(Protocol):
    """`name` is upstream's; configuration and messages use it. A plugin is made once a profile by `PLUGIN(handle, args)`."""

    name: str
    wakes: frozenset[str]  # kinds of events that may make a pod fit which this plugin refused


@dataclass(frozen=True)
class Handle:
    """What the scheduler lends its plugins."""

    snapshot: Snapshot
    client: Client
    informers: Informers
    recorder: EventRecorder
    scheduler_name: str = "default-scheduler"

    def store(self, resource: Resource) -> Store:
        """The live copy of a collection, indexed by "namespace". Ask for it when the plugin is made: then it is complete
        before the first pod."""
        return self.informers.of(resource, indexers={"namespace": by_namespace}).store


# --- verdicts on nodes


class NodeFilter(Protocol):
    reads_pods: bool

    def filter(self, node: NodeInfo) -> Refusal | None: ...


class NodeScore(Protocol):
    reads_pods: bool

    def score(self, node: NodeInfo) -> int:
        """0 to MAX_SCORE: the more the better."""


class Facet:
    """A verdict that depends on the whole cluster, for one class of pods. A subclass overrides what it needs."""

    reads_pods = False  # facet() and observe() look at the node's pods, not at its object alone
    observes = False  # observe() is wanted by a facet that reads no pods; one that does is always shown
    version = 0  # a change makes every node's facet be asked for again

    def matters(self, pod: PodInfo) -> bool:
        """Can a pod like this one, come to a node or gone from it, change what observe() sees there?"""
        return True

    def observe(self, name: str, node: NodeInfo | None) -> None:
        """The node as it is now; called for each node first, then for each that changed. None: it is gone."""

    def facet(self, node: NodeInfo) -> Hashable:
        """All of the node that filter() and scores() need."""
        return None

    def filter(self, facet: Any) -> Refusal | None:
        return None

    def scores(self, facets: Sequence[Any], sizes: Sequence[int]) -> list[int] | None:
        """A score 0 to MAX_SCORE for each facet; `sizes` nodes have it. None: all alike."""
        return None


def normalized(raw: Sequence[int], *, reverse: bool = False) -> list[int]:
    """Raw scores stretched so that the highest is MAX_SCORE; `reverse`: the highest becomes 0."""
    most = max(raw, default=0)
    if most == 0:
        return [MAX_SCORE if reverse else 0] * len(raw)
    scaled = [MAX_SCORE * n // most for n in raw]
    return [MAX_SCORE - n for n in scaled] if reverse else scaled


# --- extension points, in the order in which a pod meets them


@runtime_checkable
class PreEnqueue(Protocol):
    def pre_enqueue(self, pod: PodInfo) -> str | None:
        """Why the pod must not even be tried, or None."""


@runtime_checkable
class Sort(Protocol):
    def sort_key(self, pod: PodInfo, added_at: float) -> Any:
        """Pods with the lowest key go first."""


@runtime_checkable
class Signature(Protocol):
    """Every plugin that filters or scores has one, unless its verdict is the same for all pods.

    A plugin whose facets read pods says so by `reads_cluster = True`; the verdicts of the others are shared more widely."""

    def signature(self, pod: PodInfo) -> Hashable:
        """Pods with equal signatures get equal verdicts from this plugin. Cheap: asked for every try of every pod."""


@runtime_checkable
class Narrow(Protocol):
    def narrow(self, pod: PodInfo) -> set[str] | None:
        """The only nodes worth asking about, by name; None for all."""


@runtime_checkable
class PreFilter(Protocol):
    def pre_filter(self, pod: PodInfo) -> NodeFilter | Facet | Refusal | None:
        """The filter for pods like this one; None if there is nothing to filter; a Refusal if no node can do."""


@runtime_checkable
class PostFilter(Protocol):
    async def post_filter(self, pod: PodInfo, refusals: dict[str, Refusal], check: Check) -> tuple[str, str]:
        """No node fits, for these reasons: (node to nominate after making room, else "", message for the pod).

        `check(node)` says whether a changed copy of a node would do; it holds until the first await."""


@runtime_checkable
class PreScore(Protocol):
    def pre_score(self, pod: PodInfo) -> NodeScore | Facet | None:
        """The score for pods like this one; None if all nodes are alike."""


@runtime_checkable
class Reserve(Protocol):
    def reserve(self, pod: PodInfo, node: str) -> str | None:
        """Sets aside what the pod needs beyond the node itself; an answer is why that failed."""

    def unreserve(self, pod: PodInfo, node: str) -> None:
        """Undoes reserve(), also of a pod that was never reserved."""


@runtime_checkable
class Permit(Protocol):
    async def permit(self, pod: PodInfo, node: str) -> str | None:
        """Returns when the pod may be bound; an answer is why it may not."""


@runtime_checkable
class PreBind(Protocol):
    async def pre_bind(self, pod: PodInfo, node: str) -> str | None:
        """Prepares what must exist before the pod is bound; an answer is why that failed."""


@runtime_checkable
class Bind(Protocol):
    async def bind(self, pod: PodInfo, node: str) -> None:
        """Tells the API server. Raises what the client raises."""


@runtime_checkable
class Requeue(Protocol):
    def may_help(self, pod: PodInfo, event: Event) -> bool:
        """False if the event (of a kind in `wakes`) surely does not make the pod fit as far as this plugin goes."""
