"""A pod goes where its volumes can be used; claims that wait for their first consumer are bound for its node.

Bound claims: the volume's node affinity decides. Unbound claims of a class that binds at once: the pod waits. Others,
a node: the smallest free volume that serves the claim there, else a provisioner if the class has one for that node. When
a node was chosen, volumes are claimed and provisioners told the node, and the pod is bound once all its claims are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Any, NamedTuple

import httpx

from pocketkube.api.meta import errors
from pocketkube.client.informer import Informers
from pocketkube.client.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, STORAGECLASSES
from scheduler import volumes
from scheduler.framework import NODE_ADDED, NODE_UPDATED, SELF_UPDATED, Handle, NodeFilter, Refusal
from scheduler.node_info import NodeInfo
from scheduler.pod_info import PodInfo

Obj = dict[str, Any]

BIND_SECONDS = 600.0

AFFINITY = Refusal("VolumeBinding", ("node(s) didn't match PersistentVolume's node affinity",), False)
NO_VOLUME = Refusal("VolumeBinding", ("node(s) didn't find available persistent volumes to bind",), False)
IMMEDIATE = Refusal("VolumeBinding", ("pod has unbound immediate PersistentVolumeClaims",), False)


class Plan(NamedTuple):
    """What binding a pod to a node means for its claims."""

    claims: list[tuple[Obj, Obj]]  # (volume, claim) to be bound to each other
    provisioned: list[Obj]  # claims whose provisioner is told the node


class Reachable:
    """The filter for a pod's claims as they were at one moment."""

    reads_pods = False

    def __init__(self, bound: list[Obj], unbound: list[Obj], binder: VolumeBinding):
        self._bound, self._unbound, self._binder = bound, unbound, binder

    def filter(self, node: NodeInfo) -> Refusal | None:
        if not all(volumes.reachable(volume, node) for volume in self._bound):
            return AFFINITY
        return NO_VOLUME if self._unbound and self._binder.plan(self._unbound, node) is None else None


class VolumeBinding:
    """args: bindTimeoutSeconds (600)."""

    name = "VolumeBinding"
    wakes = frozenset({
        NODE_ADDED, NODE_UPDATED, SELF_UPDATED, "persistentvolumeclaims", "persistentvolumes", "storageclasses",
    })  # fmt: skip

    def __init__(self, handle: Handle, args: Obj):
        self._client, self._snapshot = handle.client, handle.snapshot
        self._seconds = float(args.get("bindTimeoutSeconds") or BIND_SECONDS)
        self._claims, self._volumes = handle.store(PERSISTENTVOLUMECLAIMS), handle.store(PERSISTENTVOLUMES)
        self._classes = handle.store(STORAGECLASSES)
        self._taken: dict[str, str] = {}  # volume -> UID of the pod for which it is being claimed
        self._plans: dict[str, Plan] = {}
        self._version = 0
        self._changed = asyncio.Event()
        self._follow(handle.informers)

    def _follow(self, informers: Informers) -> None:
        for resource in (PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, STORAGECLASSES):
            informers.of(resource).add_handler(
                on_add=lambda _: self._touch(), on_update=lambda _, __: self._touch(), on_delete=lambda _: self._touch()
            )

    def _touch(self) -> None:
        self._version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def signature(self, pod: PodInfo) -> Hashable:
        """A pod with claims is alone in its class, for as long as no volume changes."""
        if not any(volumes.claim_name(pod.name, v) for v in pod.spec.get("volumes") or ()):
            return None
        return pod.uid, self._version

    def pre_filter(self, pod: PodInfo) -> NodeFilter | Refusal | None:
        bound: list[Obj] = []
        unbound: list[Obj] = []
        for claim, name in volumes.claims_of(pod, self._claims):
            if claim is None:
                return _refused(f'persistentvolumeclaim "{name}" not found')
            if claim["metadata"].get("deletionTimestamp"):
                return _refused(f'persistentvolumeclaim "{name}" is being deleted')
            if (claim.get("status") or {}).get("phase") == "Lost":
                lost = claim["spec"].get("volumeName")
                return _refused(f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{lost}"')
            if volumes.is_bound(claim):
                volume = self._volumes.get(claim["spec"]["volumeName"])
                if volume is None:
                    return _refused(f'persistentvolume "{claim["spec"]["volumeName"]}" not found')
                bound.append(volume)
            elif not self._waits_for_consumer(claim):
                return IMMEDIATE
            else:
                unbound.append(claim)
        return Reachable(bound, unbound, self) if bound or unbound else None

    def _waits_for_consumer(self, claim: Obj) -> bool:
        found = self._classes.get(volumes.class_name(claim))
        return found is not None and found.get("volumeBindingMode") == "WaitForFirstConsumer"

    def plan(self, claims: list[Obj], node: NodeInfo) -> Plan | None:
        """How the claims can be served on that node; None if one cannot. Larger claims do not take a smaller one's fit."""
        plan = Plan([], [])
        used: set[str] = set()
        wanted = sorted(claims, key=lambda c: str(c["metadata"]["name"]))
        free = sorted(self._volumes.list(), key=volumes.size) if wanted else []
        for claim in wanted:
            volume = next((v for v in free if self._can_take(v, claim, node, used)), None)
            if volume is not None:
                used.add(volume["metadata"]["name"])
                plan.claims.append((volume, claim))
            elif self._can_provision(claim, node):
                plan.provisioned.append(claim)
            else:
                return None
        return plan

    def _can_take(self, volume: Obj, claim: Obj, node: NodeInfo, used: set[str]) -> bool:
        name = volume["metadata"]["name"]
        if name in used or name in self._taken:
            return False
        return volumes.serves(volume, claim) and volumes.reachable(volume, node)

    def _can_provision(self, claim: Obj, node: NodeInfo) -> bool:
        selected = (claim["metadata"].get("annotations") or {}).get(volumes.SELECTED_NODE)
        if selected and selected != node.name:
            return False  # a provisioner is at work for another node
        found = self._classes.get(volumes.class_name(claim))
        if found is None or found.get("provisioner") in (None, "", volumes.NO_PROVISIONER):
            return False
        topologies = found.get("allowedTopologies") or ()
        return not topologies or any(_in_topology(t, node) for t in topologies)

    def reserve(self, pod: PodInfo, node: str) -> str | None:
        unbound = [c for c, _ in volumes.claims_of(pod, self._claims) if c is not None and not volumes.is_bound(c)]
        if not unbound:
            return None
        info = self._snapshot.nodes.get(node)
        plan = self.plan(unbound, info) if info is not None else None
        if plan is None:
            return "the volumes that the pod was to get are gone"
        self._plans[pod.uid] = plan
        for volume, _ in plan.claims:
            self._taken[volume["metadata"]["name"]] = pod.uid
        return None

    def unreserve(self, pod: PodInfo, node: str) -> None:
        self._plans.pop(pod.uid, None)
        for name in [n for n, uid in self._taken.items() if uid == pod.uid]:
            del self._taken[name]

    async def pre_bind(self, pod: PodInfo, node: str) -> str | None:
        plan = self._plans.get(pod.uid)
        if plan is None:
            return None
        try:
            for volume, claim in plan.claims:
                await self._claim(volume, claim)
            for claim in plan.provisioned:
                await self._tell_node(claim, node)
        except (errors.StatusError, httpx.HTTPError, OSError) as e:
            return f"binding volumes: {e}"
        try:
            async with asyncio.timeout(self._seconds):
                return await self._bound(pod, plan, node)
        except TimeoutError:
            return "binding volumes: context deadline exceeded"
        finally:
            self.unreserve(pod, node)

    async def _claim(self, volume: Obj, claim: Obj) -> None:
        """The volume names its claim; the controller that binds them does the rest."""
        meta = claim["metadata"]
        reference = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "namespace": meta["namespace"],
            "name": meta["name"],
            "uid": meta["uid"],
            "resourceVersion": meta.get("resourceVersion", ""),
        }
        annotations = {**(volume["metadata"].get("annotations") or {}), "pv.kubernetes.io/bound-by-controller": "yes"}
        changed = {
            **volume,
            "metadata": {**volume["metadata"], "annotations": annotations},
            "spec": {**volume["spec"], "claimRef": reference},
        }
        await self._client.update(PERSISTENTVOLUMES, changed)

    async def _tell_node(self, claim: Obj, node: str) -> None:
        meta = claim["metadata"]
        if (meta.get("annotations") or {}).get(volumes.SELECTED_NODE) == node:
            return
        patch = {"metadata": {"annotations": {volumes.SELECTED_NODE: node}}}
        await self._client.patch(PERSISTENTVOLUMECLAIMS, meta["name"], patch, namespace=meta["namespace"])

    async def _bound(self, pod: PodInfo, plan: Plan, node: str) -> str | None:
        """Waits until every claim is bound; a provisioner that gave the node back wants another."""
        told: set[str] = set()
        while True:
            changed = self._changed
            waiting = False
            for claim, name in volumes.claims_of(pod, self._claims):
                if claim is None:
                    return f'binding volumes: persistentvolumeclaim "{name}" not found'
                if volumes.is_bound(claim):
                    continue
                waiting = True
                if (claim["metadata"].get("annotations") or {}).get(volumes.SELECTED_NODE) == node:
                    told.add(name)
                elif name in told:
                    return f'binding volumes: provisioning failed for PVC "{name}"'
            if not waiting:
                return None
            await changed.wait()


def _refused(reason: str) -> Refusal:
    return Refusal("VolumeBinding", (reason,), False)


def _in_topology(topology: Obj, node: NodeInfo) -> bool:
    wanted = topology.get("matchLabelExpressions") or ()
    return all(node.labels.get(e["key"]) in (e.get("values") or ()) for e in wanted)


PLUGIN = VolumeBinding
