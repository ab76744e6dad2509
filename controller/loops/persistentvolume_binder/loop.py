"""The binder's hands: volumes first, then claims, so that a claim never points at a volume that another one got."""

from __future__ import annotations

from typing import Any

from controller.context import Context, Run
from controller.loops.persistentvolume_binder import plan
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors
from pocketkube.base import tasks
from pocketkube.client.resources import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, STORAGECLASSES
from pocketkube.client.store import key_of

Obj = dict[str, Any]

RETRY_SECONDS = 15.0


def start(context: Context) -> Run:
    return Binder(context).run()


class Binder:
    def __init__(self, context: Context):
        self._context = context
        self._volumes = context.informer(PERSISTENTVOLUMES)
        self._claims = context.informer(PERSISTENTVOLUMECLAIMS)
        self._classes = context.informer(STORAGECLASSES)
        # One worker each: two claims must not choose the same volume.
        self._claim_work = Reconciler("pv-binder-claims", self._sync_claim, clock=context.clock, workers=1)
        self._volume_work = Reconciler("pv-binder-volumes", self._sync_volume, clock=context.clock, workers=1)
        self._taken: dict[str, str] = {}  # volume name -> uid of the claim we just gave it, not yet seen in the cache
        self._claims.add_handler(
            on_add=self._claim_changed, on_update=self._claim_updated, on_delete=self._claim_deleted
        )
        self._volumes.add_handler(
            on_add=self._volume_changed, on_update=self._volume_updated, on_delete=self._volume_deleted
        )
        self._classes.add_handler(on_add=lambda new: self._wake_unbound())

    async def run(self) -> None:
        caches = (self._volumes, self._claims, self._classes)
        await tasks.run_tasks({"claims": self._claim_work.run(caches), "volumes": self._volume_work.run(caches)})

    # --- events

    def _claim_changed(self, claim: Obj) -> None:
        self._claim_work.add(key_of(claim))

    def _claim_updated(self, old: Obj, new: Obj) -> None:
        self._claim_work.add(key_of(new))
        if new["spec"].get("volumeName"):
            self._volume_work.add(new["spec"]["volumeName"])

    def _claim_deleted(self, claim: Obj) -> None:
        if claim["spec"].get("volumeName"):
            self._volume_work.add(claim["spec"]["volumeName"])

    def _volume_changed(self, volume: Obj) -> None:
        self._volume_work.add(volume["metadata"]["name"])
        reference = volume["spec"].get("claimRef")
        if reference:
            self._claim_work.add(f"{reference['namespace']}/{reference['name']}")
        else:
            self._wake_unbound()

    def _volume_updated(self, old: Obj, new: Obj) -> None:
        if (new["spec"].get("claimRef") or {}).get("uid"):
            self._taken.pop(new["metadata"]["name"], None)
        self._volume_changed(new)

    def _volume_deleted(self, volume: Obj) -> None:
        self._taken.pop(volume["metadata"]["name"], None)
        reference = volume["spec"].get("claimRef")
        if reference:
            self._claim_work.add(f"{reference['namespace']}/{reference['name']}")

    def _wake_unbound(self) -> None:
        for claim in self._claims.store.list():
            if not plan.is_bound(claim):
                self._claim_changed(claim)

    # --- claims

    async def _sync_claim(self, key: str) -> float | None:
        claim = self._claims.store.get(key)
        if claim is None or claim["metadata"].get("deletionTimestamp"):
            return None
        if plan.is_bound(claim):
            await self._check_bound(claim)
            return None
        volume = self._choose(claim)
        if volume is not None:
            await self._bind(volume, claim)
            return None
        if not claim["spec"].get("volumeName"):
            await self._ask_provisioner(claim)
        if (claim.get("status") or {}).get("phase") != "Pending":
            await self._write_claim(claim, {**(claim.get("status") or {}), "phase": "Pending"})
        return RETRY_SECONDS

    def _choose(self, claim: Obj) -> Obj | None:
        named = claim["spec"].get("volumeName")
        if named:
            volume = self._volumes.store.get(named)
            free = volume is not None and (not volume["spec"].get("claimRef") or plan.refers_to(volume, claim))
            return volume if free else None
        storage_class = self._classes.store.get(plan.class_of(claim))
        volumes = [
            v for v in self._volumes.store.list()
            if self._taken.get(v["metadata"]["name"], claim["metadata"]["uid"]) == claim["metadata"]["uid"]
        ]  # fmt: skip
        if plan.waits_for_pod(claim, storage_class):
            volumes = [v for v in volumes if plan.refers_to(v, claim)]
        return plan.choose(claim, volumes)

    async def _check_bound(self, claim: Obj) -> None:
        volume = self._volumes.store.get(claim["spec"]["volumeName"])
        if volume is not None and not plan.refers_to(volume, claim) and volume["spec"].get("claimRef"):
            volume = None  # it belongs to another claim
        if volume is None and (claim.get("status") or {}).get("phase") != "Lost":
            text = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
            self._context.event(PERSISTENTVOLUMECLAIMS, claim, "Warning", "ClaimLost", text)
        if volume is not None and not volume["spec"].get("claimRef"):
            await self._bind(volume, claim)
            return
        await self._write_claim(claim, plan.claim_status(claim, volume))

    async def _bind(self, volume: Obj, claim: Obj) -> None:
        """Four writes, each of which may be the last before a crash: the next sync goes on from there."""
        client = self._context.client
        reserved = plan.bound_volume(volume, claim)
        if reserved is not volume:
            self._taken[volume["metadata"]["name"]] = claim["metadata"]["uid"]
            try:
                reserved = await client.update(PERSISTENTVOLUMES, reserved)
            except errors.StatusError:
                self._taken.pop(volume["metadata"]["name"], None)
                raise
        if (reserved.get("status") or {}).get("phase") != "Bound":
            await client.update_status(
                PERSISTENTVOLUMES, {**reserved, "status": {**(reserved.get("status") or {}), "phase": "Bound"}}
            )
        bound = plan.bound_claim(claim, reserved)
        if bound is not claim:
            bound = await client.update(PERSISTENTVOLUMECLAIMS, bound)
        await self._write_claim(bound, plan.claim_status(bound, reserved))

    async def _write_claim(self, claim: Obj, status: Obj) -> None:
        if status == (claim.get("status") or {}):
            return
        try:
            await self._context.client.update_status(PERSISTENTVOLUMECLAIMS, {**claim, "status": status})
        except errors.NotFound:
            return

    async def _ask_provisioner(self, claim: Obj) -> None:
        def tell(reason: str, text: str, type: str = "Normal") -> None:
            self._context.event(PERSISTENTVOLUMECLAIMS, claim, type, reason, text)

        name = plan.class_of(claim)
        storage_class = self._classes.store.get(name) if name else None
        if not name:
            tell("FailedBinding", "no persistent volumes available for this claim and no storage class is set")
        elif storage_class is None:
            tell("ProvisioningFailed", f'storageclass.storage.k8s.io "{name}" not found', "Warning")
        elif plan.waits_for_pod(claim, storage_class):
            tell("WaitForFirstConsumer", "waiting for first consumer to be created before binding")
        elif storage_class.get("provisioner") == plan.NO_PROVISIONER:
            tell("FailedBinding", "no persistent volumes available for this claim and its class provisions none")
        else:
            provisioner = storage_class.get("provisioner", "")
            asked = plan.with_provisioner(claim, provisioner)
            if asked is not None:
                await self._context.client.update(PERSISTENTVOLUMECLAIMS, asked)
            text = f"Waiting for a volume to be created by the external provisioner '{provisioner}' or by an administrator."
            tell("ExternalProvisioning", text)

    # --- volumes

    async def _sync_volume(self, name: str) -> float | None:
        volume = self._volumes.store.get(name)
        if volume is None or name in self._taken:
            return None
        phase = plan.volume_phase(volume, await self._claim_of(volume))
        old = volume.get("status") or {}
        if old.get("phase") != phase:
            try:
                await self._context.client.update_status(
                    PERSISTENTVOLUMES, {**volume, "status": {**old, "phase": phase}}
                )
            except errors.NotFound:
                return None
        return None

    async def _claim_of(self, volume: Obj) -> Obj | None:
        """The claim by its uid. Before a volume is released for good, the server is asked and not the cache."""
        reference = volume["spec"].get("claimRef") or {}
        if not reference.get("uid"):
            return None
        claim = self._claims.store.get(f"{reference['namespace']}/{reference['name']}")
        if claim is None:
            try:
                claim = await self._context.client.get(
                    PERSISTENTVOLUMECLAIMS, reference["name"], reference["namespace"]
                )
            except errors.NotFound:
                return None
        return claim if claim is not None and claim["metadata"]["uid"] == reference["uid"] else None
