"""The deployment loop's hands: watches deployments, replica sets and pods, claims sets, carries out plans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from controller.children import ChildWatch
from controller.conditions import with_condition
from controller.context import Context, Run
from controller.loops.deployment import replica_sets as rs
from controller.loops.deployment import status
from controller.loops.deployment.plan import Plan, plan
from controller.ownership import claim
from controller.pod_control import namespace_ending
from controller.pods import is_terminal
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors
from pocketkube.api.meta.objects import controller_of
from pocketkube.api.meta.selectors import Selector, from_label_selector
from pocketkube.api.meta.times import rfc3339
from pocketkube.client.resources import DEPLOYMENTS, PODS, REPLICASETS
from pocketkube.client.store import key_of

Obj = dict[str, Any]


def start(context: Context) -> Run:
    return DeploymentLoop(context).run()


def _selector(deployment: Obj) -> Selector:
    return from_label_selector(deployment["spec"].get("selector"))


class DeploymentLoop:
    def __init__(self, context: Context):
        self._context = context
        self._deployments = context.informer(DEPLOYMENTS)
        self._sets = context.informer(REPLICASETS)
        self._pods = context.informer(PODS)
        workers = context.options.concurrent_deployment_syncs
        self._work = Reconciler("deployment", self._reconcile, clock=context.clock, workers=workers)
        self._deployments.add_handler(
            on_add=lambda new: self._work.add(key_of(new)),
            on_update=lambda old, new: self._work.add(key_of(new)),
            on_delete=lambda old: self._work.add(key_of(old)),
        )
        self._children = ChildWatch(
            self._deployments, DEPLOYMENTS, self._sets, enqueue=self._work.add, selector=_selector
        )
        self._pods.add_handler(on_delete=self._pod_deleted)

    def run(self) -> Run:
        return self._work.run((self._deployments, self._sets, self._pods))

    def _pod_deleted(self, pod: Obj) -> None:
        """Recreate waits until the last old pod is gone; other pod events arrive as a replica set's status."""
        reference = controller_of(pod)
        if reference is None or reference["kind"] != "ReplicaSet":
            return
        parent = self._sets.store.get(f"{pod['metadata']['namespace']}/{reference['name']}")
        owner = self._children.owner_of(parent) if parent is not None else None
        if owner is not None and (owner["spec"].get("strategy") or {}).get("type") == "Recreate":
            self._work.add(key_of(owner))

    async def _reconcile(self, key: str) -> float | None:
        deployment = self._deployments.store.get(key)
        if deployment is None:
            return None
        selector = _selector(deployment)
        if selector.empty:
            await self._refuse(deployment)
            return None
        owned = await claim(
            self._context,
            self._sets,
            REPLICASETS,
            owner=deployment,
            owner_resource=DEPLOYMENTS,
            selector=selector,
        )
        decided = plan(
            deployment, owned, old_pods_run=self._old_pods_run(deployment, owned), now=self._context.clock.now()
        )
        await self._act(deployment, decided)
        return decided.again

    async def _refuse(self, deployment: Obj) -> None:
        text = "This deployment is selecting all pods. A non-empty selector is required."
        self._context.event(DEPLOYMENTS, deployment, "Warning", "SelectingAll", text)
        generation = deployment["metadata"].get("generation", 0)
        old = deployment.get("status") or {}
        if old.get("observedGeneration", 0) < generation:
            await self._write(deployment, {**old, "observedGeneration": generation}, revision=0)

    def _old_pods_run(self, deployment: Obj, sets: Sequence[Obj]) -> bool:
        if (deployment["spec"].get("strategy") or {}).get("type") != "Recreate":
            return False
        new = rs.find_new(deployment, sets)
        olds = [s["metadata"]["uid"] for s in sets if s is not new]
        return any(not is_terminal(p) for uid in olds for p in self._pods.store.by_index("controller", uid))

    async def _act(self, deployment: Obj, decided: Plan) -> None:
        namespace = deployment["metadata"]["namespace"]
        if decided.create is not None:
            await self._create(deployment, decided.create)
        for old, new in decided.update:
            await self._context.client.update(REPLICASETS, new)
            self._record_scaling(deployment, new["metadata"]["name"], rs.size(old), rs.size(new))
        for old in decided.delete:
            try:
                uid = old["metadata"]["uid"]
                await self._context.client.delete(REPLICASETS, old["metadata"]["name"], namespace, uid=uid)
            except errors.NotFound:
                continue
        await self._write(deployment, decided.status, revision=decided.revision)

    async def _create(self, deployment: Obj, new: Obj) -> None:
        try:
            await self._context.client.create(REPLICASETS, new, new["metadata"]["namespace"])
        except errors.AlreadyExists:
            await self._resolve_collision(deployment, new)
        except errors.StatusError as error:
            if namespace_ending(error):
                return
            text = f'Failed to create new replica set "{new["metadata"]["name"]}": {error}'
            self._context.event(DEPLOYMENTS, deployment, "Warning", "ReplicaSetCreateError", text)
            await self._report_failure(deployment, text)
            raise
        else:
            self._record_scaling(deployment, new["metadata"]["name"], 0, rs.size(new))

    async def _resolve_collision(self, deployment: Obj, new: Obj) -> None:
        """Either our cache is stale and the set is ours, or another template has the same hash: then count it and retry."""
        live = await self._context.client.get(REPLICASETS, new["metadata"]["name"], new["metadata"]["namespace"])
        owner = controller_of(live)
        ours = owner is not None and owner["uid"] == deployment["metadata"]["uid"]
        if ours and rs.same_template(live["spec"]["template"], deployment["spec"]["template"]):
            return
        count = ((deployment.get("status") or {}).get("collisionCount") or 0) + 1
        changed = {**(deployment.get("status") or {}), "collisionCount": count}
        await self._context.client.update_status(DEPLOYMENTS, {**deployment, "status": changed})
        raise errors.conflict("apps", "replicasets", new["metadata"]["name"], "another template has this name")

    async def _report_failure(self, deployment: Obj, text: str) -> None:
        if status.deadline(deployment) is None:
            return
        failed = status.progressing("False", "ReplicaSetCreateError", text)
        old = deployment.get("status") or {}
        now = rfc3339(self._context.clock.now())
        conditions = with_condition(old.get("conditions"), failed, now=now, update_time=True)
        await self._write(deployment, {**old, "conditions": conditions}, revision=0)

    def _record_scaling(self, deployment: Obj, name: str, before: int, after: int) -> None:
        if before != after:
            word = "up" if after > before else "down"
            text = f"Scaled {word} replica set {name} from {before} to {after}"
            self._context.event(DEPLOYMENTS, deployment, "Normal", "ScalingReplicaSet", text)

    async def _write(self, deployment: Obj, new: Obj, *, revision: int) -> None:
        """The status write carries the revision annotation too, as upstream's does."""
        noted = deployment
        if revision and rs.notes(deployment).get(rs.REVISION) != str(revision):
            noted = rs.annotated(deployment, {rs.REVISION: str(revision)})
        if noted is not deployment or new != (deployment.get("status") or {}):
            await self._context.client.update_status(DEPLOYMENTS, {**noted, "status": new})
