"""The status of one pod, kept up with what its records and probes say, and handed on whenever it changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubelet import metrics
from kubelet.pods import messages, spec
from kubelet.pods.hosted import HostedPod
from kubelet.pods.probing import PodProbes
from kubelet.pods.status import OWNED, pod_status
from kubelet.pods.view import View
from kubelet.runtime.interface import ContainerRecord

Obj = dict[str, Any]


class Report:
    """`waiting`, container to (reason, message), is what is to be shown of containers that do not run.

    `restarts` is the highest restart count known of each container, with or without a record.
    """

    def __init__(self, pod: HostedPod, probes: PodProbes, waiting: Mapping[str, tuple[str, str]]) -> None:
        self._pod, self._probes, self._waiting = pod, probes, waiting
        self._seen = pod.host.clock.monotonic()
        known = spec.container_statuses(pod.status)
        self.restarts = {s["name"]: int(s.get("restartCount") or 0) for s in known if s.get("containerID")}

    def show(self, *, rejected: tuple[str, str] | None, deleting: bool) -> None:
        """Compute the status from what is known now and hand it on if it changed."""
        pod, host = self._pod, self._pod.host
        self._count_restarts()
        merged = {**(pod.obj.get("status") or {}), **pod.status, "conditions": self._conditions()}
        view = View(
            records=pod.records,
            now=host.clock.now(),
            waiting=self._waiting,
            ready=self._probes.is_ready,
            started=self._probes.is_started,
            image_id=_image_id,
            host_ips=host.host_ips(),
            ips=self._ips(),
            rejected=rejected,
            over=deleting or rejected is not None or pod.is_terminal(),
        )
        status = pod_status({**pod.obj, "status": merged}, view)
        if status != pod.status:
            if pod.status.get("phase", "Pending") == "Pending" and status["phase"] == "Running":
                metrics.POD_START_SECONDS.observe(host.clock.monotonic() - self._seen)
            pod.status = status
            host.statuses.set(pod.uid, status)

    def _count_restarts(self) -> None:
        for record in self._pod.records.containers.values():
            if record.state != "created":
                self.restarts[record.name] = max(record.attempt, self.restarts.get(record.name, 0))

    def _ips(self) -> tuple[str, ...]:
        sandbox = self._pod.records.sandbox()
        if sandbox is not None and sandbox.ip:
            return (sandbox.ip,)
        return self._pod.host.host_ips() if spec.host_network(self._pod.obj) else ()

    def _conditions(self) -> list[Obj]:
        """Ours as we last set them, others' as the API has them."""
        own = {c["type"]: c for c in self._pod.status.get("conditions") or ()}
        theirs = {c["type"]: c for c in (self._pod.obj.get("status") or {}).get("conditions") or ()}
        newer = {t: c for t, c in theirs.items() if t not in own or t == "PodScheduled"}
        ours = {t: c for t, c in own.items() if t in OWNED and t != "PodScheduled"}
        return list({**own, **newer, **ours}.values())

    async def read_messages(self) -> None:
        """The termination messages of containers that have ended since."""
        for record in list(self._pod.records.containers.values()):
            if record.state == "exited" and record.message is None:
                container = spec.container(self._pod.obj, record.name) or {}
                path = self._pod.paths.termination_message(record.name, record.attempt)
                record.message = self._known_message(record)
                read = await messages.read(container, record, path, self._pod.host.runtime)
                record.message = read or record.message

    def _known_message(self, record: ContainerRecord) -> str:
        """What the status says already of this very container: its file may be gone."""
        for found in spec.container_statuses(self._pod.status):
            for part in ("state", "lastState"):
                terminated = (found.get(part) or {}).get("terminated") or {}
                if str(terminated.get("containerID", "")).endswith(record.id):
                    return str(terminated.get("message") or "")
        return ""


def _image_id(record: ContainerRecord) -> str:
    return f"docker://{record.image_id}" if record.image_id else ""
