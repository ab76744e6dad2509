"""The status of each container of a pod, from its records and what the probes say. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubelet.pods import spec
from kubelet.pods.view import UNKNOWN_EXIT, View
from kubelet.runtime.interface import ContainerRecord
from pocketkube.api.meta import times

Obj = dict[str, Any]


@dataclass(slots=True)
class ContainerStatuses:
    """Of `pod`, whose status was `old`; `default_reason` is why a container that nothing is known of waits."""

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
        return spec.may_restart(self.pod, container, record.exit_code)

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
