"""Which nodes get a pod, which pods go, what the status says. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from controller.loops.daemonset import update
from controller.loops.daemonset.placement import fits, node_of
from controller.pods import is_available, is_ready, phase
from controller.revisions import POD_LABEL

Obj = dict[str, Any]

BURST = 250


@dataclass(slots=True)
class Plan:
    """`create` names nodes. `ended` are finished pods to delete, each with the reason and words of its event."""

    create: list[str] = field(default_factory=list)
    delete: list[Obj] = field(default_factory=list)
    ended: list[tuple[Obj, str, str]] = field(default_factory=list)
    status: Obj = field(default_factory=dict)


def by_node(pods: Sequence[Obj]) -> dict[str, list[Obj]]:
    found: dict[str, list[Obj]] = {}
    for pod in pods:
        found.setdefault(node_of(pod), []).append(pod)
    return found


def hash_of(pod: Obj) -> str:
    return str((pod["metadata"].get("labels") or {}).get(POD_LABEL, ""))


def plan(daemon_set: Obj, pods: Sequence[Obj], nodes: Sequence[Obj], digest: str, now: datetime) -> Plan:
    """`pods` are the set's own; `digest` the hash of its template."""
    placed = by_node(pods)
    made = Plan()
    placements = {n["metadata"]["name"]: fits(daemon_set, n) for n in nodes}
    for name, (starts, stays) in placements.items():
        _tend(daemon_set, name, placed.get(name, []), made, digest=digest, starts=starts, stays=stays)
    gone = [p for name, some in placed.items() if name and name not in placements for p in some]
    made.delete += [p for p in gone if not p["metadata"].get("deletionTimestamp")]
    wanted = [name for name, (starts, _) in placements.items() if starts]
    rolling = (daemon_set["spec"].get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate"
    if rolling and not made.create and not made.delete:
        found = update.plan(daemon_set, placed, wanted, digest, now)
        made.create, made.delete = found.create, found.delete
    made.create, made.delete = made.create[:BURST], made.delete[:BURST]
    made.status = status_of(daemon_set, placed, placements, digest, now)
    return made


def _tend(
    daemon_set: Obj, node: str, pods: Sequence[Obj], made: Plan, *, digest: str, starts: bool, stays: bool
) -> None:
    """One node: a missing pod, a finished one, one too many, or one that must not be there."""
    if starts and not pods:
        made.create.append(node)
        return
    living = [p for p in pods if not p["metadata"].get("deletionTimestamp")]
    if not stays:
        made.delete += living
        return
    for pod in living:
        if phase(pod) in ("Failed", "Succeeded"):
            word = phase(pod).lower()
            verb = "kill" if word == "failed" else "delete"
            named = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
            text = f"Found {word} daemon pod {named} on node {node}, will try to {verb} it"
            made.ended.append((pod, f"{phase(pod)}DaemonPod", text))
    running = sorted(
        (p for p in living if phase(p) not in ("Failed", "Succeeded")),
        key=lambda p: (
            not p["spec"].get("nodeName"),
            p["metadata"].get("creationTimestamp") or "",
            p["metadata"]["name"],
        ),
    )
    if not update.surges(daemon_set):
        made.delete += running[1:]
        return
    new = [p for p in running if hash_of(p) == digest]
    old = [p for p in running if hash_of(p) != digest]
    made.delete += new[1:] + old[1:]


def status_of(
    daemon_set: Obj,
    placed: Mapping[str, Sequence[Obj]],
    placements: Mapping[str, tuple[bool, bool]],
    digest: str,
    now: datetime,
) -> Obj:
    counts = dict.fromkeys(("desired", "current", "misscheduled", "ready", "updated", "available"), 0)
    min_ready = daemon_set["spec"].get("minReadySeconds") or 0
    for name, (starts, _) in placements.items():
        pods = placed.get(name, ())
        if not starts:
            counts["misscheduled"] += bool(pods)
            continue
        counts["desired"] += 1
        if not pods:
            continue
        counts["current"] += 1
        pod = min(pods, key=lambda p: (p["metadata"].get("creationTimestamp") or "", p["metadata"]["name"]))
        if is_ready(pod):
            counts["ready"] += 1
            counts["available"] += is_available(pod, min_ready, now)
        counts["updated"] += hash_of(pod) == digest
    old = daemon_set.get("status") or {}
    status: Obj = {
        "currentNumberScheduled": counts["current"],
        "numberMisscheduled": counts["misscheduled"],
        "desiredNumberScheduled": counts["desired"],
        "numberReady": counts["ready"],
        "observedGeneration": daemon_set["metadata"].get("generation", 0),
        "updatedNumberScheduled": counts["updated"],
        "numberAvailable": counts["available"],
        "numberUnavailable": counts["desired"] - counts["available"],
        "collisionCount": old.get("collisionCount"),
        "conditions": old.get("conditions"),
    }
    keep = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
    return {k: v for k, v in status.items() if v or k in keep}
