"""A pod's row in a table: READY, STATUS and RESTARTS say what its containers do."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds.columns import AGE, NAME, NONE, age, since, text
from pocketkube.api.kinds.core.pod.status import FINISHED
from pocketkube.api.kinds.podspec.resources import is_sidecar

Obj = dict[str, Any]

COLUMNS = (
    NAME,
    text("Ready", "How many of the pod's containers are ready, of how many."),
    text("Status", "What the pod's containers do, in one word."),
    text("Restarts", "How often containers were started again, and when last."),
    AGE,
    text("IP", "The pod's address.", priority=1),
    text("Node", "The node that runs the pod.", priority=1),
    text("Nominated Node", "The node that is being cleared for the pod.", priority=1),
    text("Readiness Gates", "How many of the pod's readiness gates are passed, of how many.", priority=1),
)


class _Tally:
    """Counts of containers while their statuses are read."""

    def __init__(self, reason: str, total: int):
        self.reason = reason
        self.total = total
        self.ready = 0
        self.restarts = 0
        self.last_restart = ""

    def count(self, status: Obj) -> None:
        self.restarts += status.get("restartCount", 0)
        ended = ((status.get("lastState") or {}).get("terminated") or {}).get("finishedAt") or ""
        self.last_restart = max(self.last_restart, ended)


def row(pod: Obj, now: datetime) -> list[Any]:
    spec, status, meta = pod["spec"], pod.get("status") or {}, pod["metadata"]
    tally = _tally(spec, status)
    if meta.get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            tally.reason = "Unknown"
        elif status.get("phase") not in FINISHED:
            tally.reason = "Terminating"
    restarts = str(tally.restarts)
    if tally.restarts and tally.last_restart:
        restarts += f" ({since(tally.last_restart, now)} ago)"
    ips = status.get("podIPs") or ()
    return [
        meta["name"],
        f"{tally.ready}/{tally.total}",
        tally.reason,
        restarts,
        age(pod, now),
        (ips[0].get("ip") if ips else status.get("podIP")) or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        _gates(spec, status),
    ]


def _tally(spec: Obj, status: Obj) -> _Tally:
    initial = spec.get("initContainers") or ()
    sidecars = {container["name"] for container in initial if is_sidecar(container)}
    reason = status.get("reason") or status.get("phase") or ""
    conditions = {c.get("type"): c for c in status.get("conditions") or ()}
    if (conditions.get("PodScheduled") or {}).get("reason") == "SchedulingGated":
        reason = "SchedulingGated"
    tally = _Tally(reason, len(spec.get("containers") or ()) + len(sidecars))
    beside = _Tally("", 0)
    initializing = _initialize(tally, beside, status, sidecars, len(initial))
    if not initializing or (conditions.get("Initialized") or {}).get("status") == "True":
        tally.restarts, tally.last_restart = beside.restarts, beside.last_restart
        _run(tally, status, (conditions.get("Ready") or {}).get("status") == "True")
    return tally


def _initialize(tally: _Tally, beside: _Tally, status: Obj, sidecars: set[str], count: int) -> bool:
    """Whether an init container holds the pod up; `beside` counts the sidecars alone."""
    for at, container in enumerate(status.get("initContainerStatuses") or ()):
        tally.count(container)
        state, sidecar = container.get("state") or {}, container.get("name") in sidecars
        if sidecar:
            beside.count(container)
        ended, waiting = state.get("terminated"), state.get("waiting") or {}
        if ended and not ended.get("exitCode"):
            continue
        if sidecar and container.get("started"):
            tally.ready += bool(container.get("ready"))
            continue
        if ended:
            tally.reason = "Init:" + _ended(ended)
        elif waiting.get("reason") and waiting["reason"] != "PodInitializing":
            tally.reason = "Init:" + waiting["reason"]
        else:
            tally.reason = f"Init:{at}/{count}"
        return True
    return False


def _ended(ended: Obj) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _run(tally: _Tally, status: Obj, ready: bool) -> None:
    running = False
    for container in reversed(status.get("containerStatuses") or ()):
        tally.count(container)
        state = container.get("state") or {}
        if reason := (state.get("waiting") or {}).get("reason"):
            tally.reason = reason
        elif state.get("terminated"):
            tally.reason = _ended(state["terminated"])
        elif container.get("ready") and state.get("running") is not None:
            running = True
            tally.ready += 1
    if tally.reason == "Completed" and running:
        tally.reason = "Running" if ready else "NotReady"


def _gates(spec: Obj, status: Obj) -> str:
    gates = spec.get("readinessGates") or ()
    if not gates:
        return NONE
    true = {c.get("type") for c in status.get("conditions") or () if c.get("status") == "True"}
    return f"{sum(gate.get('conditionType') in true for gate in gates)}/{len(gates)}"
