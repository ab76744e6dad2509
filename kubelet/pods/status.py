"""A pod's status from its spec, its containers' records and what the probes say. Pure.

Phase, conditions and container statuses are upstream's, reasons and messages included: users and controllers read them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kubelet.pods import spec
from kubelet.pods.plan import may_restart
from kubelet.runtime.interface import ContainerRecord, PodRecords
from pocketkube.api.meta import times
from pocketkube.api.meta.objects import find_condition

Obj = dict[str, Any]

OWNED = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled", "DisruptionTarget")
UNKNOWN_EXIT = 137


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the status is made from, beside the pod. `waiting` maps a container to (reason, message) of why it does not run.

    `ready` and `started` answer for a running container. `rejected` is (reason, message) of a pod the node refused or evicted.
    """

    records: PodRecords
    now: datetime
    waiting: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    ready: Callable[[ContainerRecord], bool] = lambda record: True
    started: Callable[[ContainerRecord], bool] = lambda record: True
    image_id: Callable[[ContainerRecord], str] = lambda record: record.image_id
    host_ips: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    scheme: str = "docker"
    rejected: tuple[str, str] | None = None
    over: bool = False  # nothing of it will ever run again: deleted, rejected, evicted or past its deadline


def pod_status(pod: Obj, view: View) -> Obj:
    """The whole status to be written; conditions that others own are kept."""
    old = pod.get("status") or {}
    has_init = bool(spec.init_containers(pod))
    make = _ContainerStatuses(pod, old, view, "PodInitializing" if has_init else "ContainerCreating")
    status: Obj = {
        "observedGeneration": pod["metadata"].get("generation"),
        "startTime": old.get("startTime") or times.rfc3339(view.now),
        "qosClass": spec.qos_class(pod),
        "initContainerStatuses": [make.status(c, "initContainerStatuses") for c in spec.init_containers(pod)],
        "containerStatuses": [make.status(c, "containerStatuses") for c in spec.containers(pod)],
        "ephemeralContainerStatuses": [
            make.status(c, "ephemeralContainerStatuses") for c in spec.ephemeral_containers(pod)
        ],
    }
    if view.host_ips:
        status["hostIP"], status["hostIPs"] = view.host_ips[0], [{"ip": ip} for ip in view.host_ips]
    ips = [entry["ip"] for entry in old.get("podIPs") or ()] if not view.ips else list(view.ips)
    if ips:
        status["podIP"], status["podIPs"] = ips[0], [{"ip": ip} for ip in ips]
    status["phase"] = _sticky_phase(pod, status, old, view)
    if view.rejected:
        status["reason"], status["message"] = view.rejected
    elif old.get("reason"):
        status |= {name: old[name] for name in ("reason", "message") if old.get(name)}
    status["conditions"] = _conditions(pod, status, old, view)
    if old.get("nominatedNodeName"):
        status["nominatedNodeName"] = old["nominatedNodeName"]
    return {name: value for name, value in status.items() if value not in (None, [], "")}


@dataclass(slots=True)
class _ContainerStatuses:
    pod: Obj
    old: Obj
    view: View
    default_reason: str

    def status(self, container: Obj, part: str) -> Obj:
        name = container["name"]
        before = next((s for s in self.old.get(part) or () if s["name"] == name), None)
        attempts = self.view.records.attempts(name)
        if not attempts:
            return self._without_record(container, before)
        return self._with_record(container, attempts, before, part)

    def _with_record(self, container: Obj, attempts: list[ContainerRecord], before: Obj | None, part: str) -> Obj:
        newest = attempts[0]
        shown = newest if newest.state != "created" or len(attempts) == 1 else attempts[1]
        waiting = self.view.waiting.get(container["name"])
        last = next((r for r in attempts if r.attempt < shown.attempt and r.state == "exited"), None)
        state = self._state(container, shown)
        last_state = {"terminated": self._terminated(last)} if last else {}
        if not last_state and before and before.get("restartCount") == shown.attempt:
            last_state = before.get("lastState") or {}
        again = not self.view.over and self._comes_again(container, shown, part)
        if waiting and shown.state == "exited" and again:
            last_state, state = state, {"waiting": _reasoned(waiting)}
        elif newest.state == "created" and shown is newest:
            state = {"waiting": _reasoned(waiting or (self.default_reason, ""))}
        running = shown.state == "running"
        known = int((before or {}).get("restartCount") or 0)
        result = self._base(container, max(shown.attempt, known))  # never falls, even if newer attempts were lost
        result |= {
            "state": state,
            "lastState": last_state,
            "imageID": self.view.image_id(shown),
            "containerID": f"{self.view.scheme}://{shown.id}",
            "started": running and self.view.started(shown),
            "ready": running and self.view.started(shown) and self.view.ready(shown),
        }
        if part == "initContainerStatuses" and not spec.is_sidecar(container):
            result["ready"] = shown.state == "exited" and shown.exit_code == 0
            result["started"] = running
        if part == "ephemeralContainerStatuses":
            result["ready"] = False
            del result["started"]
        return _with_resources(container, result) if running else result

    def _comes_again(self, container: Obj, record: ContainerRecord, part: str) -> bool:
        if part == "ephemeralContainerStatuses":
            return False
        if part == "initContainerStatuses" and not spec.is_sidecar(container):
            return record.exit_code != 0 and spec.restart_policy(self.pod) != "Never"
        return may_restart(self.pod, container, record)

    def _base(self, container: Obj, restarts: int) -> Obj:
        result: Obj = {"name": container["name"], "image": container.get("image", ""), "restartCount": restarts}
        mounts = [_mount_status(m) for m in container.get("volumeMounts") or ()]
        return {**result, "volumeMounts": mounts} if mounts else result

    def _without_record(self, container: Obj, before: Obj | None) -> Obj:
        """Never started, or removed from the engine behind our back."""
        result = self._base(container, int((before or {}).get("restartCount") or 0))
        result |= {"imageID": (before or {}).get("imageID", ""), "ready": False, "started": False}
        result["lastState"] = (before or {}).get("lastState") or {}
        if before and (before.get("containerID") or (before.get("state") or {}).get("terminated")):
            state = before.get("state") or {}
            if state.get("terminated"):
                return {**before}
            if state.get("running"):
                result["containerID"] = before.get("containerID", "")
                gone = _vanished(before, self.view.now)
                if self.view.over:
                    return {**result, "state": {"terminated": gone}}
                result["lastState"] = {"terminated": gone}
        if self.view.over and self.view.rejected:
            return {**result, "state": {"waiting": {"reason": self.default_reason}}}
        waiting = self.view.waiting.get(container["name"]) or (self.default_reason, "")
        return {**result, "state": {"waiting": _reasoned(waiting)}}

    def _state(self, container: Obj, record: ContainerRecord) -> Obj:
        if record.state == "running":
            return {"running": {"startedAt": _time(record.started_at)}}
        if record.state == "exited":
            return {"terminated": self._terminated(record)}
        return {"waiting": {"reason": self.default_reason}}

    def _terminated(self, record: ContainerRecord) -> Obj:
        result: Obj = {
            "exitCode": record.exit_code,
            "reason": exit_reason(record),
            "startedAt": _time(record.started_at),
            "finishedAt": _time(record.finished_at or record.started_at),
            "containerID": f"{self.view.scheme}://{record.id}",
        }
        if record.signal:
            result["signal"] = record.signal
        message = record.error or record.message
        return {**result, "message": message} if message else result


def exit_reason(record: ContainerRecord) -> str:
    """OOMKilled, StartError, Completed or Error: never empty."""
    if record.oom_killed:
        return "OOMKilled"
    if record.error:
        return "StartError"
    return "Completed" if record.exit_code == 0 else "Error"


def _reasoned(waiting: tuple[str, str]) -> Obj:
    reason, message = waiting
    return {"reason": reason, "message": message} if message else {"reason": reason}


def _vanished(before: Obj, now: datetime) -> Obj:
    return {
        "exitCode": UNKNOWN_EXIT,
        "reason": "ContainerStatusUnknown",
        "message": "The container could not be located when the pod was deleted.  The container used to be Running",
        "startedAt": before["state"]["running"].get("startedAt"),
        "finishedAt": times.rfc3339(now),
    }


def _mount_status(mount: Obj) -> Obj:
    result: Obj = {"name": mount["name"], "mountPath": mount["mountPath"]}
    if mount.get("readOnly"):
        result |= {"readOnly": True, "recursiveReadOnly": "Disabled"}
    return result


def _with_resources(container: Obj, result: Obj) -> Obj:
    """Of a running container: what it was given."""
    resources = container.get("resources") or {}
    result["resources"] = resources
    if resources.get("requests"):
        result["allocatedResources"] = resources["requests"]
    return result


def _time(when: datetime | None) -> str | None:
    return times.rfc3339(when) if when else None


# phase


def _sticky_phase(pod: Obj, status: Obj, old: Obj, view: View) -> str:
    """A pod that ended stays ended."""
    if old.get("phase") in ("Succeeded", "Failed"):
        return str(old["phase"])
    if view.rejected:
        return "Failed"
    return phase(pod, status, over=view.over)


def phase(pod: Obj, status: Obj, *, over: bool = False) -> str:
    """By the states of all containers. `over`: no container runs or will, whatever the restart policy says."""
    by_name = {s["name"]: s for part in ("initContainerStatuses", "containerStatuses") for s in status.get(part) or ()}
    policy = spec.restart_policy(pod)
    main = [by_name[c["name"]]["state"] for c in spec.containers(pod)]
    if over and not any(
        "running" in by_name[c["name"]]["state"] for c in (*spec.init_containers(pod), *spec.containers(pod))
    ):
        codes = [(s.get("terminated") or {}).get("exitCode", UNKNOWN_EXIT) for s in main]
        return "Succeeded" if main and not any(codes) else "Failed"
    if (early := _phase_of_initialization(pod, by_name, policy)) and not any("running" in s for s in main):
        return early
    if any(
        "waiting" in s and not by_name[c["name"]].get("lastState")
        for s, c in zip(main, spec.containers(pod), strict=True)
    ):
        return "Pending"
    if any("running" in s or "waiting" in s for s in main):
        return "Running"
    sidecars = [c for c in spec.init_containers(pod) if spec.is_sidecar(c)]
    ended = [s["terminated"]["exitCode"] for s in main]
    again = any(_again(pod, c, code) for c, code in zip(spec.containers(pod), ended, strict=True))
    if again or any("running" in by_name[c["name"]]["state"] for c in sidecars):
        return "Running"
    return "Failed" if any(ended) else "Succeeded"


def _again(pod: Obj, container: Obj, code: int) -> bool:
    policy = container.get("restartPolicy") or spec.restart_policy(pod)
    return bool(policy == "Always" or (policy == "OnFailure" and code != 0))


def _phase_of_initialization(pod: Obj, by_name: Mapping[str, Obj], policy: str) -> str:
    """Pending or Failed while init containers are not through, "" after. Once the others have begun sidecars do not count."""
    main = [by_name[c["name"]] for c in spec.containers(pod)]
    begun = any("waiting" not in s["state"] or s.get("lastState") for s in main)
    for container in spec.init_containers(pod):
        found = by_name[container["name"]]
        state = found["state"]
        if spec.is_sidecar(container):
            if not begun and not found.get("started"):
                return "Pending"
        elif "terminated" not in state:
            return "Pending"
        elif state["terminated"]["exitCode"] != 0:
            return "Failed" if policy == "Never" else "Pending"
    return ""


# conditions


def _conditions(pod: Obj, status: Obj, old: Obj, view: View) -> list[Obj]:
    found = [dict(c) for c in old.get("conditions") or ()]
    now = times.rfc3339(view.now)
    generation = pod["metadata"].get("generation")
    sandbox = view.records.sandbox()
    up = sandbox is not None and sandbox.state == "running" and not view.rejected
    containers_ready = _containers_ready(pod, status)
    wanted: tuple[Obj, ...] = (
        {"type": "PodReadyToStartContainers", "status": str(up)},
        _initialized(pod, status),
        _ready(pod, containers_ready, found),
        {"type": "ContainersReady", **containers_ready},
    )
    if view.rejected and view.rejected[0] == "Evicted":
        target = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "TerminationByKubelet",
            "message": view.rejected[1],
        }
        wanted = (*wanted, target)
    for condition in wanted:
        if generation is not None:
            condition["observedGeneration"] = generation
        _set(found, condition, now)
    if find_condition(found, "PodScheduled") is None:
        _set(found, {"type": "PodScheduled", "status": "True"}, now)
    return found


def _set(found: list[Obj], new: Obj, now: str) -> None:
    """Put the condition in place of the one of its type; its time moves only when its status does."""
    old = find_condition(found, new["type"])
    same = old is not None and old.get("status") == new["status"]
    since = old.get("lastTransitionTime", now) if old is not None and same else now
    made = {"lastProbeTime": None, "lastTransitionTime": since, **new}
    if old is None:
        found.append(made)
    else:
        found[found.index(old)] = made


def _initialized(pod: Obj, status: Obj) -> Obj:
    if status["phase"] == "Succeeded":
        return {"type": "Initialized", "status": "True", "reason": "PodCompleted"}
    by_name = {s["name"]: s for s in status.get("initContainerStatuses") or ()}
    incomplete = [
        c["name"]
        for c in spec.init_containers(pod)
        if not (by_name[c["name"]].get("started") if spec.is_sidecar(c) else by_name[c["name"]].get("ready"))
    ]
    main_started = any("running" in s["state"] or s.get("containerID") for s in status.get("containerStatuses") or ())
    if not incomplete or (main_started and all(_sidecar_named(pod, n) for n in incomplete)):
        return {"type": "Initialized", "status": "True"}
    message = f"containers with incomplete status: [{' '.join(incomplete)}]"
    return {"type": "Initialized", "status": "False", "reason": "ContainersNotInitialized", "message": message}


def _sidecar_named(pod: Obj, name: str) -> bool:
    return any(c["name"] == name and spec.is_sidecar(c) for c in spec.init_containers(pod))


def _containers_ready(pod: Obj, status: Obj) -> Obj:
    if status["phase"] == "Succeeded":
        return {"status": "False", "reason": "PodCompleted"}
    if status["phase"] == "Failed":
        return {"status": "False", "reason": "PodFailed"}
    sidecars = {c["name"] for c in spec.init_containers(pod) if spec.is_sidecar(c)}
    counted = [s for s in status.get("initContainerStatuses") or () if s["name"] in sidecars]
    unready = [s["name"] for s in (*counted, *(status.get("containerStatuses") or ())) if not s["ready"]]
    if not unready:
        return {"status": "True"}
    message = f"containers with unready status: [{' '.join(unready)}]"
    return {"status": "False", "reason": "ContainersNotReady", "message": message}


def _ready(pod: Obj, containers_ready: Obj, conditions: list[Obj]) -> Obj:
    if containers_ready["status"] != "True":
        return {"type": "Ready", **containers_ready}
    missing = []
    for gate in pod["spec"].get("readinessGates") or ():
        name = gate["conditionType"]
        condition = find_condition(conditions, name)
        if condition is None:
            missing.append(f'corresponding condition of pod readiness gate "{name}" does not exist.')
        elif condition.get("status") != "True":
            missing.append(f'the status of pod readiness gate "{name}" is not "True", but {condition.get("status")}')
    if missing:
        return {"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady", "message": ", ".join(missing)}
    return {"type": "Ready", "status": "True"}
