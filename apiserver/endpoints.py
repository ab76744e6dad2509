"""Which API servers are alive, and the endpoints of the `kubernetes` service that lead to them.

Each server holds a key of its own that ends by itself; whoever looks writes what all the keys say.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from apiserver.interfaces import Cluster
from apiserver.storage.interface import KeyExists, KeyMissing, RevisionMismatch, Store
from pocketkube.api.meta import errors

log = logging.getLogger(__name__)

Obj = dict[str, Any]
Member = tuple[str, int]  # address, port

PREFIX = "/registry/masterleases/"
LEASE_SECONDS = 15
RENEW_SECONDS = 10.0
SLICES = ("discovery.k8s.io", "endpointslices")
_SLICE_OF = "kubernetes.io/service-name"


class Endpoints:
    """This server's part."""

    def __init__(self, store: Store, cluster: Cluster, address: str, port: int, *, shown: bool = True):
        self._store = store
        self._cluster = cluster
        self._member = (address, port)
        self._key = f"{PREFIX}{address}:{port}"
        # A loopback address leads nowhere from a pod.
        self._shown = shown and not ipaddress.ip_address(address).is_loopback

    async def renew(self) -> None:
        """Say that this server lives, and publish all that do. Raises StoreUnavailable, StatusError."""
        if not self._shown:
            return
        await self._hold()
        await publish(self._cluster, await self._alive())

    async def leave(self) -> None:
        """This server is about to end."""
        held = await self._store.get(self._key)
        if held is None:
            return
        try:
            await self._store.delete(self._key, revision=held.revision)
            await publish(self._cluster, await self._alive())
        except (KeyMissing, RevisionMismatch):
            return

    async def _hold(self) -> None:
        try:
            await self._store.create(self._key, b"{}", ttl_seconds=LEASE_SECONDS)
        except KeyExists:
            held = await self._store.get(self._key)
            if held is not None:
                await self._store.update(self._key, b"{}", revision=held.revision, ttl_seconds=LEASE_SECONDS)

    async def _alive(self) -> list[Member]:
        page = await self._store.list(PREFIX)
        found = (item.key[len(PREFIX) :].rpartition(":") for item in page.items)
        return sorted({(address, int(port)) for address, _, port in found})


async def publish(cluster: Cluster, members: Iterable[Member]) -> None:
    """Make the endpoints and slices what the members need; another server's simultaneous write wins."""
    by_port: dict[int, list[str]] = {}
    for address, port in members:
        by_port.setdefault(port, []).append(address)
    if not by_port:
        return
    wanted = slices(by_port)
    try:
        await _keep(cluster, "", "endpoints", endpoints(by_port), "subsets")
        for made in wanted:
            await _keep(cluster, *SLICES, made, "endpoints")
        await _empty(cluster, {made["metadata"]["name"] for made in wanted})
    except errors.Conflict:
        log.debug("another server writes the endpoints of the kubernetes service")


async def _empty(cluster: Cluster, kept: set[str]) -> None:
    """Slices of ports that no server has any more lead nowhere."""
    for found in cluster.list(*SLICES, "default"):
        meta = found["metadata"]
        ours = (meta.get("labels") or {}).get(_SLICE_OF) == "kubernetes"
        if ours and meta["name"] not in kept and found.get("endpoints"):
            await cluster.update(*SLICES, {**found, "endpoints": []})


def endpoints(by_port: dict[int, list[str]]) -> Obj:
    """Subsets stand in the order of their first addresses."""
    metadata = {
        "name": "kubernetes",
        "namespace": "default",
        "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
    }
    subsets = [
        {"addresses": [{"ip": address} for address in addresses], "ports": [_port(port)]}
        for port, addresses in sorted(by_port.items(), key=itemgetter(1))
    ]
    return {"kind": "Endpoints", "apiVersion": "v1", "metadata": metadata, "subsets": subsets}


def slices(by_port: dict[int, list[str]]) -> list[Obj]:
    """One a port; the first has the service's name."""
    found = []
    for at, (port, addresses) in enumerate(sorted(by_port.items())):
        name = "kubernetes" if at == 0 else f"kubernetes-{port}"
        found.append(
            {
                "kind": "EndpointSlice",
                "apiVersion": "discovery.k8s.io/v1",
                "metadata": {"name": name, "namespace": "default", "labels": {_SLICE_OF: "kubernetes"}},
                "addressType": "IPv6" if ":" in addresses[0] else "IPv4",
                "endpoints": [{"addresses": [a], "conditions": {"ready": True}} for a in addresses],
                "ports": [_port(port)],
            }
        )
    return found


def _port(port: int) -> Obj:
    return {"name": "https", "port": port, "protocol": "TCP"}


async def _keep(cluster: Cluster, group: str, plural: str, wanted: Obj, part: str) -> None:
    name = wanted["metadata"]["name"]
    current = cluster.get(group, plural, "default", name)
    if current is None:
        try:
            await cluster.create(group, plural, "default", wanted)
        except errors.AlreadyExists:
            log.debug("another server made %s %s", plural, name)
        return
    if current.get(part) != wanted[part] or current.get("ports") != wanted.get("ports"):
        await cluster.update(group, plural, {**current, **{k: v for k, v in wanted.items() if k in (part, "ports")}})
