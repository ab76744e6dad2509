"""The DaemonSet loop's hands."""

from __future__ import annotations

from typing import Any

from controller import revisions as history
from controller.children import ChildWatch
from controller.context import Context, Run
from controller.expectations import Expectations
from controller.loops.daemonset.placement import new_pod
from controller.loops.daemonset.plan import Plan, hash_of, plan
from controller.ownership import claim, selects_own
from controller.pod_control import PodControl, namespace_ending
from controller.pods import first_available_in
from controller.reconciler import Reconciler
from controller.revision_control import RevisionControl
from pocketkube.api.meta import errors
from pocketkube.api.meta.selectors import Selector, from_label_selector
from pocketkube.base.backoff import Backoff
from pocketkube.client.resources import CONTROLLERREVISIONS, DAEMONSETS, NODES, PODS
from pocketkube.client.store import key_of

Obj = dict[str, Any]


def start(context: Context) -> Run:
    return DaemonSetLoop(context).run()


def _selector(daemon_set: Obj) -> Selector:
    return from_label_selector(daemon_set["spec"].get("selector"))


class DaemonSetLoop:
    def __init__(self, context: Context):
        self._context = context
        self._sets, self._pods, self._nodes = (context.informer(r) for r in (DAEMONSETS, PODS, NODES))
        self._revisions = context.informer(CONTROLLERREVISIONS)
        self._history = RevisionControl(context, self._revisions, DAEMONSETS)
        self._expected = Expectations(context.clock)
        self._control = PodControl(context, DAEMONSETS)
        self._retries: dict[tuple[str, str], tuple[Backoff, float]] = {}  # (set, node) -> its backoff, not before
        workers = context.options.concurrent_daemonset_syncs
        self._work = Reconciler("daemonset", self._reconcile, clock=context.clock, workers=workers)
        self._sets.add_handler(
            on_add=lambda new: self._work.add(key_of(new)),
            on_update=lambda old, new: self._work.add(key_of(new)),
            on_delete=self._deleted,
        )
        ChildWatch(
            self._sets,
            DAEMONSETS,
            self._pods,
            enqueue=self._work.add,
            selector=_selector,
            created=self._expected.creation_observed,
            deleted=lambda key, pod: self._expected.deletion_observed(key, pod["metadata"]["uid"]),
        )
        self._nodes.add_handler(on_add=self._wake_all, on_update=self._node_updated, on_delete=self._wake_all)

    def run(self) -> Run:
        return self._work.run((self._sets, self._pods, self._nodes, self._revisions))

    def _deleted(self, daemon_set: Obj) -> None:
        key = key_of(daemon_set)
        self._expected.forget(key)
        self._retries = {k: v for k, v in self._retries.items() if k[0] != key}

    def _wake_all(self, node: Obj) -> None:
        for daemon_set in self._sets.store.list():
            self._work.add(key_of(daemon_set))

    def _node_updated(self, old: Obj, new: Obj) -> None:
        def seen(node: Obj) -> tuple[Any, Any]:
            return node["metadata"].get("labels"), (node.get("spec") or {}).get("taints")

        if seen(old) != seen(new):
            self._wake_all(new)

    async def _reconcile(self, key: str) -> float | None:
        daemon_set = self._sets.store.get(key)
        if daemon_set is None:
            return None
        selector = _selector(daemon_set)
        if not selects_own(selector, daemon_set["spec"].get("template")):
            return None
        pods = await claim(
            self._context, self._pods, PODS, owner=daemon_set, owner_resource=DAEMONSETS, selector=selector
        )
        if daemon_set["metadata"].get("deletionTimestamp"):
            return None
        existing = await self._history.owned(daemon_set, selector)
        labels = (daemon_set["spec"]["template"].get("metadata") or {}).get("labels") or {}
        found = history.plan(daemon_set, DAEMONSETS, existing, current="", labels=labels, hash_label=history.POD_LABEL)
        await self._history.save(daemon_set, found)
        digest = found.update["metadata"]["labels"][history.POD_LABEL]
        now = self._context.clock.now()
        decided = plan(daemon_set, pods, self._nodes.store.list(), digest, now)
        failure, again = None, None
        if self._expected.satisfied(key):
            failure, again = await self._act(key, daemon_set, decided, digest)
        await self._write(daemon_set, decided.status)
        live = {found.update["metadata"]["name"]}
        live |= {
            r["metadata"]["name"]
            for r in existing
            if r["metadata"]["labels"].get(history.POD_LABEL) in set(map(hash_of, pods))
        }
        for revision in history.surplus(existing, live, daemon_set["spec"].get("revisionHistoryLimit", 10)):
            await self._history.delete(revision)
        if failure is not None and not namespace_ending(failure):
            raise failure
        waits = [again, first_available_in(pods, daemon_set["spec"].get("minReadySeconds") or 0, now)]
        return min((w for w in waits if w is not None), default=None)

    async def _act(
        self, key: str, daemon_set: Obj, decided: Plan, digest: str
    ) -> tuple[Exception | None, float | None]:
        ended, again = self._due(key, daemon_set, decided)
        failure = await self._delete(key, daemon_set, [*decided.delete, *ended])
        if not decided.create:
            return failure, again
        pods = [new_pod(daemon_set, name, digest) for name in decided.create]
        self._expected.expect_creations(key, len(pods))
        _, refused = await self._control.create_many(
            daemon_set, pods, on_failure=lambda n: self._expected.creation_observed(key, n)
        )
        return failure or refused, again

    def _due(self, key: str, daemon_set: Obj, decided: Plan) -> tuple[list[Obj], float | None]:
        """Finished pods whose node's backoff (1 s to 15 min) is over, and seconds until the next one's is."""
        now = self._context.clock.monotonic()
        due: list[Obj] = []
        waits: list[float] = []
        for pod, reason, text in decided.ended:
            place = (key, pod["spec"].get("nodeName") or "")
            backoff, at = self._retries.get(place, (Backoff(1.0, 900.0), now))
            if at > now:
                waits.append(at - now)
                continue
            self._retries[place] = (backoff, now + backoff.next())
            type = "Warning" if reason == "FailedDaemonPod" else "Normal"
            self._context.event(DAEMONSETS, daemon_set, type, reason, text)
            due.append(pod)
        return due, min(waits, default=None)

    async def _delete(self, key: str, daemon_set: Obj, pods: list[Obj]) -> Exception | None:
        if not pods:
            return None
        self._expected.expect_deletions(key, [p["metadata"]["uid"] for p in pods])
        return await self._control.delete_many(
            daemon_set, pods, on_failure=lambda p: self._expected.deletion_observed(key, p["metadata"]["uid"])
        )

    async def _write(self, daemon_set: Obj, status: Obj) -> None:
        if status == (daemon_set.get("status") or {}):
            return
        try:
            await self._context.client.update_status(DAEMONSETS, {**daemon_set, "status": status})
        except errors.NotFound:
            return
