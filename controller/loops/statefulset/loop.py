"""The StatefulSet loop's hands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from controller import revisions as history
from controller.children import ChildWatch
from controller.context import Context, Run
from controller.loops.statefulset import claims
from controller.loops.statefulset.identity import new_claims, ordinal_of, ordinals
from controller.loops.statefulset.plan import Plan, live_revisions, plan
from controller.ownership import candidates, claim, selects_own
from controller.pod_control import namespace_ending
from controller.reconciler import Reconciler
from controller.revision_control import RevisionControl
from pocketkube.api.meta import errors
from pocketkube.api.meta.selectors import Selector, from_label_selector
from pocketkube.client.resources import CONTROLLERREVISIONS, PERSISTENTVOLUMECLAIMS, PODS, STATEFULSETS
from pocketkube.client.store import key_of

Obj = dict[str, Any]


def start(context: Context) -> Run:
    return StatefulSetLoop(context).run()


def _selector(stateful_set: Obj) -> Selector:
    return from_label_selector(stateful_set["spec"].get("selector"))


class StatefulSetLoop:
    def __init__(self, context: Context):
        self._context = context
        self._sets, self._pods = context.informer(STATEFULSETS), context.informer(PODS)
        self._revisions = context.informer(CONTROLLERREVISIONS)
        self._volume_claims = context.informer(PERSISTENTVOLUMECLAIMS)
        self._history = RevisionControl(context, self._revisions, STATEFULSETS)
        workers = context.options.concurrent_statefulset_syncs
        self._work = Reconciler("statefulset", self._reconcile, clock=context.clock, workers=workers)
        self._sets.add_handler(
            on_add=lambda new: self._work.add(key_of(new)), on_update=lambda old, new: self._work.add(key_of(new))
        )
        ChildWatch(self._sets, STATEFULSETS, self._pods, enqueue=self._work.add, selector=_selector)

    def run(self) -> Run:
        return self._work.run((self._sets, self._pods, self._revisions, self._volume_claims))

    async def _reconcile(self, key: str) -> float | None:
        stateful_set = self._sets.store.get(key)
        if stateful_set is None:
            return None
        selector = _selector(stateful_set)
        if not selects_own(selector, stateful_set["spec"].get("template")):
            return None
        pods = await self._claim(stateful_set, selector)
        existing = await self._history.owned(stateful_set, selector)
        labels = (stateful_set["spec"]["template"].get("metadata") or {}).get("labels") or {}
        current = (stateful_set.get("status") or {}).get("currentRevision", "")
        found = history.plan(
            stateful_set, STATEFULSETS, existing, current=current, labels=labels, hash_label=history.SET_HASH_LABEL
        )
        await self._history.save(stateful_set, found)
        decided = plan(stateful_set, pods, found, self._context.clock.now())
        try:
            await self._act(stateful_set, decided)
            await self._own_claims(stateful_set, pods)
        finally:
            await self._write(stateful_set, decided.status)
        limit = stateful_set["spec"].get("revisionHistoryLimit", 10)
        live = live_revisions(found, pods, decided.status)
        for revision in history.surplus(existing, live, limit):
            await self._history.delete(revision)
        return decided.again

    async def _claim(self, stateful_set: Obj, selector: Selector) -> list[Obj]:
        """Only pods whose name is one of the set's are adopted."""
        named = [
            p for p in candidates(self._pods, stateful_set)
            if ordinal_of(stateful_set, p) is not None
        ]  # fmt: skip
        return await claim(
            self._context,
            self._pods,
            PODS,
            owner=stateful_set,
            owner_resource=STATEFULSETS,
            selector=selector,
            among=named,
        )

    async def _act(self, stateful_set: Obj, decided: Plan) -> None:
        for ordinal in decided.claims:
            await self._create_claims(stateful_set, ordinal, f"{stateful_set['metadata']['name']}-{ordinal}")
        for pod, labels in decided.relabel:
            patch = {"metadata": {"uid": pod["metadata"]["uid"], "labels": labels}}
            await self._context.client.patch(
                PODS, pod["metadata"]["name"], patch, namespace=pod["metadata"]["namespace"], type="merge"
            )
        for ordinal, pod in decided.create:
            await self._create_claims(stateful_set, ordinal, pod["metadata"]["name"])
            await self._create(stateful_set, pod)
        for pod, reason in decided.delete:
            await self._delete(stateful_set, pod, reason)

    async def _create(self, stateful_set: Obj, pod: Obj) -> None:
        name, set_name = pod["metadata"]["name"], stateful_set["metadata"]["name"]
        try:
            await self._context.client.create(PODS, pod, pod["metadata"]["namespace"])
        except errors.AlreadyExists:
            return  # the cache does not show it yet
        except errors.StatusError as error:
            if namespace_ending(error):
                return
            text = f"create Pod {name} in StatefulSet {set_name} failed error: {error}"
            self._event(stateful_set, "Warning", "FailedCreate", text)
            raise
        text = f"create Pod {name} in StatefulSet {set_name} successful"
        self._event(stateful_set, "Normal", "SuccessfulCreate", text)

    async def _delete(self, stateful_set: Obj, pod: Obj, reason: str) -> None:
        metadata, set_name = pod["metadata"], stateful_set["metadata"]["name"]
        if reason:
            word = "failed" if reason == "RecreatingFailedPod" else "terminated"
            text = f"StatefulSet {metadata['namespace']}/{set_name} is recreating {word} Pod {metadata['name']}"
            self._event(stateful_set, "Warning" if word == "failed" else "Normal", reason, text)
        try:
            await self._context.client.delete(PODS, metadata["name"], metadata["namespace"], uid=metadata["uid"])
        except (errors.NotFound, errors.Conflict):
            return
        text = f"delete Pod {metadata['name']} in StatefulSet {set_name} successful"
        self._event(stateful_set, "Normal", "SuccessfulDelete", text)

    async def _create_claims(self, stateful_set: Obj, ordinal: int, pod_name: str) -> None:
        for wanted in new_claims(stateful_set, ordinal):
            metadata = wanted["metadata"]
            if f"{metadata['namespace']}/{metadata['name']}" in self._volume_claims.store:
                continue
            named = f"create Claim {metadata['name']} Pod {pod_name} in StatefulSet {stateful_set['metadata']['name']}"
            try:
                await self._context.client.create(PERSISTENTVOLUMECLAIMS, wanted, metadata["namespace"])
            except errors.AlreadyExists:
                continue
            except errors.StatusError as error:
                self._event(stateful_set, "Warning", "FailedCreate", f"{named} failed error: {error}")
                raise
            self._event(stateful_set, "Normal", "SuccessfulCreate", f"{named} success")

    async def _own_claims(self, stateful_set: Obj, pods: Sequence[Obj]) -> None:
        """Keeps the claims' owners as the retention policy wants them."""
        wanted = ordinals(stateful_set)
        for pod in pods:
            ordinal = ordinal_of(stateful_set, pod)
            if ordinal is None:
                continue
            for template in new_claims(stateful_set, ordinal):
                found = self._volume_claims.store.get(key_of(template))
                changed = (
                    claims.owners(stateful_set, found, pod, condemned=ordinal not in wanted)
                    if found is not None
                    else None
                )
                if found is not None and changed is not None:
                    metadata = {**found["metadata"], "ownerReferences": changed}
                    await self._context.client.update(PERSISTENTVOLUMECLAIMS, {**found, "metadata": metadata})

    async def _write(self, stateful_set: Obj, status: Obj) -> None:
        if status == (stateful_set.get("status") or {}):
            return
        try:
            await self._context.client.update_status(STATEFULSETS, {**stateful_set, "status": status})
        except errors.NotFound:
            return

    def _event(self, stateful_set: Obj, type: str, reason: str, message: str) -> None:
        self._context.event(STATEFULSETS, stateful_set, type, reason, message)
