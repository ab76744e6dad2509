"""One pod on this node, as every part of its worker sees it: its newest object, its records in the engine, its status."""

from __future__ import annotations

from typing import Any

from kubelet.pods import spec
from kubelet.pods.host import Host
from kubelet.pods.killing import Deadline
from kubelet.pods.paths import PodPaths
from kubelet.runtime.interface import PodRecords
from pocketkube.api.meta import times

Obj = dict[str, Any]


class HostedPod:
    """`obj` is replaced by newer versions and never changed in place; `status` is what was last shown, `deadline` when it must be gone."""

    def __init__(self, host: Host, obj: Obj) -> None:
        self.host, self.obj = host, obj
        self.uid = spec.uid(obj)
        self.status: Obj = obj.get("status") or {}
        self.paths = PodPaths(host.config.root_dir, self.uid)
        self.deadline = Deadline()

    @property
    def records(self) -> PodRecords:
        return self.host.runtime.records.get(self.uid) or PodRecords()

    def is_terminal(self) -> bool:
        return spec.is_terminal({"status": self.status})

    def active_seconds_left(self) -> float | None:
        """Until its activeDeadlineSeconds are over; None if it has none, or has not begun."""
        seconds = self.obj["spec"].get("activeDeadlineSeconds")
        began = self.status.get("startTime")
        if seconds is None or not began:
            return None
        return float(seconds) - (self.host.clock.now() - times.parse(began)).total_seconds()

    def tell(self, type: str, reason: str, message: str, *, container: str = "") -> None:
        """An event of the pod, or of one of its containers."""
        path = spec.field_path(self.obj, container) if container else ""
        self.host.recorder.event(self.obj, type, reason, message, field_path=path)
