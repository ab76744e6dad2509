"""Where a DaemonSet's pods belong, and how a pod for one node looks. Pure."""

from __future__ import annotations

from typing import Any

from controller.pod_control import pod_from_template
from controller.revisions import POD_LABEL
from pocketkube.api.kinds.podspec.node_fit import NO_EXECUTE, NO_SCHEDULE, selects, untolerated
from pocketkube.client.resources import DAEMONSETS

Obj = dict[str, Any]

GENERATION_LABEL = "pod-template-generation"
_PREFIX = "node.kubernetes.io/"
_ALWAYS = (("not-ready", "NoExecute"), ("unreachable", "NoExecute"), ("disk-pressure", "NoSchedule"),
           ("memory-pressure", "NoSchedule"), ("pid-pressure", "NoSchedule"), ("unschedulable", "NoSchedule"))  # fmt: skip
_AFFINITY = "requiredDuringSchedulingIgnoredDuringExecution"


def tolerations(spec: Obj) -> list[Obj]:
    """The pod spec's tolerations and those that every daemon has: its node's troubles are no reason to leave."""
    found = list(spec.get("tolerations") or ())
    wanted = [*_ALWAYS, *([("network-unavailable", "NoSchedule")] if spec.get("hostNetwork") else [])]
    for name, effect in wanted:
        added = {"key": _PREFIX + name, "operator": "Exists", "effect": effect}
        if added not in found:
            found.append(added)
    return found


def fits(daemon_set: Obj, node: Obj) -> tuple[bool, bool]:
    """(a pod should start on the node, one that is there may stay)."""
    spec = daemon_set["spec"]["template"]["spec"]
    if spec.get("nodeName") and spec["nodeName"] != node["metadata"]["name"]:
        return False, False
    if not selects(spec, node["metadata"].get("labels") or {}, node["metadata"]["name"]):
        return False, False
    taints, tolerated = (node.get("spec") or {}).get("taints") or (), tolerations(spec)
    starts = untolerated(taints, tolerated, NO_SCHEDULE) is None
    return starts, untolerated(taints, tolerated, NO_EXECUTE) is None


def node_of(pod: Obj) -> str:
    """The pod's node, bound or meant: the scheduler binds it where its affinity says."""
    spec = pod["spec"]
    if spec.get("nodeName"):
        return str(spec["nodeName"])
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(_AFFINITY) or {}
    for term in required.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field["key"] == "metadata.name" and field["operator"] == "In" and len(field["values"]) == 1:
                return str(field["values"][0])
    return ""


def new_pod(daemon_set: Obj, node: str, digest: str) -> Obj:
    """A pod for one node: the scheduler places it, held to that node by an affinity to its name."""
    pod = pod_from_template(daemon_set, DAEMONSETS, daemon_set["spec"]["template"])
    generation = (daemon_set["metadata"].get("annotations") or {}).get("deprecated.daemonset.template.generation")
    pod["metadata"]["labels"] |= {POD_LABEL: digest, **({GENERATION_LABEL: generation} if generation else {})}
    spec = pod["spec"]
    affinity = spec.get("affinity") or {}
    on_nodes = affinity.get("nodeAffinity") or {}
    name = {"key": "metadata.name", "operator": "In", "values": [node]}
    terms = (on_nodes.get(_AFFINITY) or {}).get("nodeSelectorTerms") or [{}]
    held = [{**term, "matchFields": [name]} for term in terms]
    on_nodes = {**on_nodes, _AFFINITY: {"nodeSelectorTerms": held}}
    spec = {**spec, "affinity": {**affinity, "nodeAffinity": on_nodes}, "tolerations": tolerations(spec)}
    return {**pod, "spec": spec}
