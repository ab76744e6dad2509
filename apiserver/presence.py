"""The Lease by which this API server says that it lives, named by its machine; those of servers that are no more are removed."""

from __future__ import annotations

import base64
import hashlib
import logging
import socket
import uuid
from datetime import datetime, timedelta
from typing import Any

from apiserver.interfaces import Cluster
from apiserver.registry import deletion
from apiserver.registry.registry import Registry
from apiserver.registry.writer import Writer
from apiserver.storage.interface import StoreError
from pocketkube.api.meta import errors, times

log = logging.getLogger(__name__)

Obj = dict[str, Any]

LEASES = ("coordination.k8s.io", "leases")
NAMESPACE = "kube-system"
LABEL = "apiserver.kubernetes.io/identity"
COMPONENT = "kube-apiserver"
LEASE_SECONDS = 3600
RENEW_SECONDS = 10.0
RETRY_SECONDS = 1.0


class Presence:
    """One server's. Processes that are one server give the same `shared` text, and one of them renews for all."""

    def __init__(self, registry: Registry, cluster: Cluster, *, hostname: str = "", shared: str = ""):
        self._registry, self._cluster, self._shared = registry, cluster, bool(shared)
        self._hostname = hostname or socket.gethostname()
        self.name = name_of(self._hostname)
        self.holder = f"{self.name}_{uuid.uuid5(uuid.NAMESPACE_OID, shared) if shared else uuid.uuid4()}"

    async def run(self) -> None:
        """Until cancelled."""
        await self._registry.cache.wait_ready()
        while True:
            try:
                await self.renew()
                await self.collect()
                pause = RENEW_SECONDS
            except (StoreError, errors.StatusError) as failure:
                log.debug("this server's Lease is renewed later: %s", failure)
                pause = RETRY_SECONDS
            await self._registry.clock.sleep(pause)

    async def renew(self) -> None:
        """Raises StoreError, StatusError."""
        current = self._cluster.get(*LEASES, NAMESPACE, self.name)
        if current is None:
            await self._cluster.create(*LEASES, NAMESPACE, self._lease({}))
        elif not self._renewed(current["spec"]):
            await self._cluster.update(*LEASES, self._lease(current))

    def _renewed(self, spec: Obj) -> bool:
        """Whether another process of this server has just done so."""
        if not self._shared or spec.get("holderIdentity") != self.holder:
            return False
        return self._registry.clock.now() - times.parse(spec["renewTime"]) < timedelta(seconds=RENEW_SECONDS / 2)

    def _lease(self, current: Obj) -> Obj:
        meta, spec = current.get("metadata") or {}, current.get("spec") or {}
        labels = {LABEL: COMPONENT, "kubernetes.io/hostname": self._hostname}
        own = {
            "holderIdentity": self.holder,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": times.micro(self._registry.clock.now()),
        }
        return {
            "kind": "Lease",
            "apiVersion": "coordination.k8s.io/v1",
            **current,
            "metadata": {
                **meta,
                "name": self.name,
                "namespace": NAMESPACE,
                "labels": {**(meta.get("labels") or {}), **labels},
            },
            "spec": {**spec, **own},
        }

    async def collect(self) -> None:
        """Remove the expired Leases of API servers. Raises StoreError, StatusError."""
        now = self._registry.clock.now()
        for lease in self._cluster.list(*LEASES, NAMESPACE):
            meta = lease["metadata"]
            if (meta.get("labels") or {}).get(LABEL) == COMPONENT and expired(lease, now):
                await self._remove(meta)

    async def _remove(self, meta: Obj) -> None:
        """Unless it was renewed meanwhile."""
        same = {"preconditions": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}}
        resource = self._registry.by_plural(*LEASES)
        try:
            await deletion.delete(self._registry, resource, Writer(), same, namespace=NAMESPACE, name=meta["name"])
        except (errors.NotFound, errors.Conflict):
            log.debug("the Lease %s was removed or renewed by another server", meta["name"])
        else:
            log.info("removed the Lease %s of an API server that is no more", meta["name"])


def name_of(hostname: str) -> str:
    """`apiserver-` and 26 letters and digits, the same for a machine each time."""
    parts = (hostname.encode(), COMPONENT.encode())
    digest = hashlib.sha256(b"".join(len(part).to_bytes(2, "big") + part for part in parts)).digest()
    return f"apiserver-{base64.b32encode(digest[:16]).decode().rstrip('=').lower()}"


def expired(lease: Obj, now: datetime) -> bool:
    """One that does not say until when it holds counts as expired."""
    spec = lease.get("spec") or {}
    renewed, seconds = spec.get("renewTime"), spec.get("leaseDurationSeconds")
    return not renewed or seconds is None or times.parse(renewed) + timedelta(seconds=seconds) < now
