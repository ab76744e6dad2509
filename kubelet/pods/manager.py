"""All pods of the node: from their sources to one worker each. What runs and belongs to nobody is ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from kubelet.pods import spec
from kubelet.pods.host import Host
from kubelet.pods.worker import PodWorker
from kubelet.runtime.interface import PodRecords
from pocketkube.base import tasks

log = logging.getLogger(__name__)

Obj = dict[str, Any]
Admit = Callable[
    [Obj, list[Obj]], tuple[str, str] | None
]  # (pod, the other active pods) -> (reason, message) of a refusal

ORPHAN_GRACE = 1.0  # seconds; its pod object, and with it its own grace period, is gone


class PodManager:
    """`sources_ready` says that every source has told all its pods: only then is it known what belongs to nobody."""

    def __init__(self, host: Host, *, admit: Admit) -> None:
        self._host = host
        self._admit = admit
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._next: dict[str, Obj] = {}  # full name -> a pod that waits until the one before it of that name is gone
        self._mirrors: dict[str, Obj] = {}  # uid of the static pod -> its mirror in the API
        self._api_pods: dict[str, Obj] = {}
        self._sources_ready = False
        host.runtime.subscribe(self._on_runtime)

    # what is known

    @property
    def workers(self) -> dict[str, PodWorker]:
        return self._workers

    @property
    def complete(self) -> bool:
        """Every source has told all its pods at least once."""
        return self._sources_ready

    def pods(self) -> list[Obj]:
        """As the kubelet runs them, with the statuses that it computed."""
        return [{**w.pod, "status": w.status} for w in self._workers.values() if not w.pod.get("orphan")]

    def find(self, namespace: str, name: str, uid: str = "") -> PodWorker | None:
        for worker in self._workers.values():
            meta = worker.pod["metadata"]
            if meta["name"] == name and meta.get("namespace", "default") == namespace and uid in ("", worker.uid):
                return worker
        return None

    def api_pod(self, uid: str) -> Obj | None:
        """The API's object that shows the status of the pod with this uid."""
        return self._mirrors.get(uid) or self._api_pods.get(uid)

    def mirror(self, uid: str) -> Obj | None:
        return self._mirrors.get(uid)

    def mirrors(self) -> dict[str, Obj]:
        """uid of the static pod -> its mirror."""
        return dict(self._mirrors)

    def static_pods(self) -> list[Obj]:
        return [w.pod for w in self._workers.values() if spec.is_static(w.pod) and not w.terminating]

    # what the sources tell

    def on_api_pod(self, pod: Obj) -> None:
        """A pod bound to this node was added or changed."""
        if spec.is_mirror(pod):
            self._mirrors[spec.uid(pod)] = pod
            self._wake(spec.uid(pod))
            return
        self._api_pods[pod["metadata"]["uid"]] = pod
        self.apply(pod)

    def on_api_pod_gone(self, pod: Obj) -> None:
        if spec.is_mirror(pod):
            known = self._mirrors.get(spec.uid(pod))
            if known is not None and known["metadata"]["uid"] == pod["metadata"]["uid"]:
                del self._mirrors[spec.uid(pod)]
                self._wake(spec.uid(pod))
            return
        uid = pod["metadata"]["uid"]
        self._api_pods.pop(uid, None)
        self.remove(uid, grace=spec.grace_seconds(pod))

    def apply(self, pod: Obj) -> None:
        uid = spec.uid(pod)
        worker = self._workers.get(uid)
        if worker is not None:
            worker.update(pod)
            return
        if spec.is_static(pod) and self._predecessor(pod) is not None:
            self._next[spec.full_name(pod)] = pod
            return
        self._start(pod)

    def _predecessor(self, pod: Obj) -> PodWorker | None:
        name = spec.full_name(pod)
        return next((w for w in self._workers.values() if spec.full_name(w.pod) == name), None)

    def _start(self, pod: Obj) -> None:
        uid = spec.uid(pod)
        worker = self._workers[uid] = PodWorker(self._host, pod, finished=self._finished)
        if pod["metadata"].get("deletionTimestamp"):
            worker.terminate(spec.grace_seconds(pod))
        elif uid not in self._host.runtime.records and not spec.is_terminal(pod):
            others = [w.pod for u, w in self._workers.items() if u != uid and not w.over]
            refusal = self._admit(pod, others)
            if refusal is not None:
                log.info("pod %s refused: %s: %s", spec.full_name(pod), *refusal)
                self._host.recorder.event(pod, "Warning", *refusal)
                worker.reject(refusal[0], f"Pod was rejected: {refusal[1]}")
        self._tasks[uid] = tasks.spawn(f"pod {spec.full_name(pod)}", worker.run())

    def remove(self, uid: str, *, grace: float) -> None:
        """The pod is gone from its source: end what is left of it."""
        worker = self._workers.get(uid)
        if worker is not None:
            worker.terminate(grace)

    def _finished(self, uid: str) -> None:
        worker = self._workers.pop(uid, None)
        self._tasks.pop(uid, None)
        if worker is None:
            return
        successor = self._next.pop(spec.full_name(worker.pod), None)
        if successor is not None:
            self.apply(successor)
        self._end_orphans()

    # what the engine tells

    def _on_runtime(self, uid: str) -> None:
        if uid:
            self._wake(uid)
            return
        for worker in list(self._workers.values()):
            worker.wake()
        self._end_orphans()

    def _wake(self, uid: str) -> None:
        worker = self._workers.get(uid)
        if worker is not None:
            worker.wake()

    def objects_changed(self, uid: str) -> None:
        worker = self._workers.get(uid)
        if worker is not None:
            worker.objects_changed()

    def sources_ready(self) -> None:
        self._sources_ready = True
        self._end_orphans()

    def _end_orphans(self) -> None:
        if not self._sources_ready:
            return
        for uid, records in list(self._host.runtime.records.items()):
            if uid not in self._workers:
                log.info("pod %s is in no source: ending what runs of it", uid)
                self._start_orphan(uid, records)

    def _start_orphan(self, uid: str, records: PodRecords) -> None:
        worker = self._workers[uid] = PodWorker(self._host, _orphan(uid, records), finished=self._finished)
        worker.terminate(ORPHAN_GRACE)
        self._tasks[uid] = tasks.spawn(f"orphan {uid}", worker.run())

    async def stop(self) -> None:
        """The kubelet goes, the pods stay."""
        await tasks.cancel(*self._tasks.values())


def _orphan(uid: str, records: PodRecords) -> Obj:
    sandbox = records.sandbox()
    named = next(iter(records.containers.values()), None)
    labels = dict(sandbox.labels if sandbox else named.labels if named else {})
    meta = {
        "uid": uid,
        "name": labels.get("io.kubernetes.pod.name", uid),
        "namespace": labels.get("io.kubernetes.pod.namespace", "default"),
    }
    containers = [{"name": name, "image": ""} for name in dict.fromkeys(c.name for c in records.containers.values())]
    return {"metadata": meta, "spec": {"containers": containers}, "orphan": True}
