"""The cluster as the scheduler believes it: nodes, the pods bound to them, and the pods it has just decided about.

Nothing is copied for a decision: the loop that decides is the only writer. Every change of a node gives it the next
version and moves it to the end of the log, so a reader that has seen the cluster at version v finds what changed since
by reading the log backwards until v.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Any

from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo

Obj = dict[str, Any]

HOSTNAME = "kubernetes.io/hostname"


class Snapshot:
    """`nodes` holds the nodes that exist; pods of others wait in `_orphans` until their node is known."""

    def __init__(self) -> None:
        self.nodes: dict[str, NodeInfo] = {}
        self.namespaces: dict[str, dict[str, str]] = {}  # labels of each namespace
        self.namespaces_version = 0
        self.version = 0
        self.epoch = 0  # rises when the log forgot nodes that are gone: what was derived from it starts anew
        self.nominated: dict[str, dict[str, PodInfo]] = {}  # node -> pods, by UID, for which room is being made there
        self.priorities: Counter[int] = Counter()  # of the pods that are bound
        self.refusing_pods = 0  # pods with required anti-affinity
        self.preferring_pods = 0  # pods whose terms add to or take from others' scores
        self._orphans: dict[str, NodeInfo] = {}
        self._log: OrderedDict[str, int] = OrderedDict()
        self._where: dict[str, tuple[str, PodInfo]] = {}  # pod UID -> node, as added
        self._assumed: set[str] = set()
        self._hostnames: Counter[str] = Counter()
        self._same_hostnames = 0

    # --- nodes

    def set_node(self, node: Obj) -> bool:
        """True if anything that matters to scheduling changed."""
        name = node["metadata"]["name"]
        info = self.nodes.get(name)
        if info is None:
            info = self.nodes[name] = self._orphans.pop(name) if name in self._orphans else NodeInfo(name)
        elif info.node is not None and _schedules_alike(info.node, node):
            info.node = node
            return False
        self._count_hostname(info, -1)
        info.set_node(node)
        self._count_hostname(info, 1)
        self._changed(info)
        info.object_version = info.version
        return True

    def remove_node(self, name: str) -> None:
        info = self.nodes.pop(name, None)
        if info is None:
            return
        self._count_hostname(info, -1)
        info.set_node(None)
        if info.pods:
            self._orphans[name] = info
        self._changed(info)
        info.object_version = info.version
        if len(self._log) > 2 * len(self.nodes) + 1000:
            self._log = OrderedDict((n, v) for n, v in self._log.items() if n in self.nodes)
            self.epoch += 1

    @property
    def unique_hostnames(self) -> bool:
        """No two nodes share a hostname label: that label means one node, and its state is that node's."""
        return self._same_hostnames == 0

    def _count_hostname(self, info: NodeInfo, sign: int) -> None:
        if info.node is None or (name := info.labels.get(HOSTNAME)) is None:
            return
        before = self._hostnames[name]
        self._hostnames[name] += sign
        self._same_hostnames += int(before + sign > 1) - int(before > 1)
        if not self._hostnames[name]:
            del self._hostnames[name]

    # --- pods

    def assume(self, pod: PodInfo, node: str) -> None:
        """The pod counts on that node from now, before the API server knows."""
        self._add(pod, node)
        self._assumed.add(pod.uid)

    def forget(self, uid: str) -> None:
        """Takes an assumption back; a pod that the API server confirmed stays."""
        if uid in self._assumed:
            self._remove(uid)

    def is_assumed(self, uid: str) -> bool:
        return uid in self._assumed

    def set_pod(self, pod: Obj) -> None:
        """A bound pod as the API server has it: confirms an assumption, or adds or changes it."""
        uid, node = pod["metadata"].get("uid", ""), pod["spec"]["nodeName"]
        self._assumed.discard(uid)
        known = self._where.get(uid)
        if known is not None and known[0] == node and counts_alike(known[1].pod, pod):
            known[1].pod = pod
            return
        self._remove(uid)
        self._add(PodInfo(pod), node)

    def remove_pod(self, uid: str) -> None:
        self._assumed.discard(uid)
        self._remove(uid)

    def nominate(self, pod: PodInfo, node: str) -> None:
        """Keeps room on `node` from pods of lower or equal priority; "" takes the nomination back."""
        for name in [n for n, pods in self.nominated.items() if pod.uid in pods]:
            del self.nominated[name][pod.uid]
            if not self.nominated[name]:
                del self.nominated[name]
        if node:
            self.nominated.setdefault(node, {})[pod.uid] = pod

    def node_of(self, uid: str) -> str:
        return self._where[uid][0] if uid in self._where else ""

    def _add(self, pod: PodInfo, node: str) -> None:
        self._remove(pod.uid)
        info = self.nodes.get(node)
        if info is None:
            info = self._orphans.setdefault(node, NodeInfo(node))
        info.add(pod)
        self.refusing_pods += bool(pod.anti_affinity)
        self.preferring_pods += pod.has_preferences
        self.priorities[pod.priority] += 1
        self._where[pod.uid] = (node, pod)
        self._changed(info)
        info.note(pod)

    def _remove(self, uid: str) -> None:
        known = self._where.pop(uid, None)
        self._assumed.discard(uid)
        if known is None:
            return
        node, pod = known
        info = self.nodes.get(node) or self._orphans[node]
        info.remove(uid)
        self.refusing_pods -= bool(pod.anti_affinity)
        self.preferring_pods -= pod.has_preferences
        self.priorities[pod.priority] -= 1
        if not self.priorities[pod.priority]:
            del self.priorities[pod.priority]
        if not info.pods:
            self._orphans.pop(node, None)
        self._changed(info)
        info.note(pod)

    # --- namespaces

    def set_namespace(self, name: str, labels: dict[str, str] | None) -> None:
        """`labels` None: the namespace is gone."""
        if self.namespaces.get(name) != labels:
            self.namespaces_version += 1
        if labels is None:
            self.namespaces.pop(name, None)
        else:
            self.namespaces[name] = labels

    # --- changes

    def _changed(self, info: NodeInfo) -> None:
        self.version += 1
        info.version = self.version
        self._log[info.name] = self.version
        self._log.move_to_end(info.name)

    def changed_since(self, version: int) -> Iterator[str]:
        """Names of nodes that changed, appeared or went after `version`, the latest first."""
        for name, at in reversed(self._log.items()):
            if at <= version:
                return
            yield name


def counts_alike(old: Obj, new: Obj) -> bool:
    """The pod takes the same from its node: only its status or other metadata moved on."""
    return (
        old["metadata"].get("labels") == new["metadata"].get("labels")
        and bool(old["metadata"].get("deletionTimestamp")) == bool(new["metadata"].get("deletionTimestamp"))
        and old["spec"].get("containers") == new["spec"].get("containers")
        and _resizing(old) == _resizing(new)
    )


def _resizing(pod: Obj) -> list[Any]:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return [found for c in statuses if (found := c.get("allocatedResources"))]


def _schedules_alike(old: Obj, new: Obj) -> bool:
    """Heartbeats and conditions of a node change without any meaning here."""
    one, other = old.get("status") or {}, new.get("status") or {}
    return (
        old["metadata"].get("labels") == new["metadata"].get("labels")
        and old.get("spec") == new.get("spec")
        and one.get("allocatable") == other.get("allocatable")
        and one.get("capacity") == other.get("capacity")
        and one.get("images") == other.get("images")
        and old["metadata"].get("annotations") == new["metadata"].get("annotations")
    )
