"""Services: cluster addresses and node ports are claimed before the service is stored and given back when it is gone.

A claim that a crash left behind is found and released by `repair`.
"""

from __future__ import annotations

import ipaddress
import logging
from typing import Any

from apiserver.registry import allocation
from apiserver.registry.allocation import Claims
from apiserver.registry.registry import Registry
from apiserver.registry.strategy import Strategy
from apiserver.registry.writer import Writer
from apiserver.storage.interface import StoreUnavailable
from pocketkube.api.kinds.core.service import families
from pocketkube.api.meta import errors, field

log = logging.getLogger(__name__)

Obj = dict[str, Any]

_PORTED = ("NodePort", "LoadBalancer")


class Services(Strategy):
    group, plural = "", "services"
    returns_deleted = True

    def __init__(self, registry: Registry):
        super().__init__(registry)
        self.network = ipaddress.ip_network(registry.service_range, strict=False)
        self.node_ports = registry.node_ports
        self._addresses = Claims(registry.store, "/registry/ranges/serviceips/")
        self._suspects: set[tuple[str, str, int]] = set()  # (name, owner, revision) of claims without a service
        self._ports = Claims(registry.store, "/registry/ranges/servicenodeports/")

    async def creating(self, writer: Writer, obj: Obj) -> None:
        await self._assign(writer, obj, None)

    async def updating(self, writer: Writer, obj: Obj, old: Obj) -> None:
        _settle(obj, old)
        await self._assign(writer, obj, old)

    async def undo(self, writer: Writer, obj: Obj, old: Obj | None) -> None:
        await self._release(obj, old)

    async def updated(self, obj: Obj, old: Obj) -> None:
        await self._release(old, obj)

    async def deleted(self, obj: Obj) -> None:
        await self._release(obj, None)

    async def _assign(self, writer: Writer, obj: Obj, old: Obj | None) -> None:
        """Claim what the service asks for and choose what it leaves open, in place. Raises Invalid."""
        try:
            if _has_address(obj):
                await self._assign_address(writer, obj, old)
            if obj["spec"].get("type") in _PORTED:
                await self._assign_ports(writer, obj, old)
        except StoreUnavailable:
            raise  # whatever was claimed is found by repair
        except Exception:
            await self._release(obj, old)
            raise

    async def _assign_address(self, writer: Writer, obj: Obj, old: Obj | None) -> None:
        spec = obj["spec"]
        wanted = spec.get("clusterIP") or ""
        held = old is not None and families.needs_cluster_ip(old["spec"]) and old["spec"].get("clusterIP")
        if held or (spec.get("clusterIPs") and not wanted):
            return  # nothing to give: whether what it says can stand is for validation
        if wanted:
            self._check_range(obj, wanted)
            await self._claim_address(writer, obj, wanted)
        else:
            spec["clusterIP"] = await self._any_address(writer, obj)
        spec["clusterIPs"] = spec.get("clusterIPs") or [spec["clusterIP"]]
        family = "IPv6" if ":" in spec["clusterIP"] else "IPv4"
        spec.setdefault("ipFamilies", [family])
        spec.setdefault("ipFamilyPolicy", "SingleStack")

    def _check_range(self, obj: Obj, wanted: str) -> None:
        try:
            inside = ipaddress.ip_address(wanted) in self.network
        except ValueError:
            raise _invalid(
                obj, "spec.clusterIPs", [wanted], "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
            ) from None
        if not inside:
            why = (
                f"failed to allocate IP {wanted}: the provided IP ({wanted}) is not in the valid range. "
                f"The range of valid IPs is {self.network}"
            )
            raise _invalid(obj, "spec.clusterIPs", [wanted], why)

    async def _claim_address(self, writer: Writer, obj: Obj, wanted: str) -> None:
        if writer.dry_run:
            return
        try:
            await self._addresses.claim(wanted, _owner(obj))
        except allocation.Taken:
            why = f"failed to allocate IP {wanted}: provided IP is already allocated"
            raise _invalid(obj, "spec.clusterIPs", [wanted], why) from None

    async def _any_address(self, writer: Writer, obj: Obj) -> str:
        if writer.dry_run:
            return next(allocation.addresses(self.network))
        try:
            return await self._addresses.first(allocation.addresses(self.network), _owner(obj))
        except allocation.Full:
            raise errors.InternalError("failed to allocate a serviceIP: range is full") from None

    async def _assign_ports(self, writer: Writer, obj: Obj, old: Obj | None) -> None:
        spec = obj["spec"]
        if (
            spec.get("type") == "LoadBalancer"
            and spec.get("allocateLoadBalancerNodePorts") is False
            and not _explicit(spec)
        ):
            return
        mine = set(_ports(old)) if old is not None else set()
        chosen: dict[int, str] = {}
        for at, port in enumerate(spec.get("ports") or ()):
            wanted = port.get("nodePort")
            if wanted and (wanted in mine or chosen.get(wanted) not in (None, port.get("protocol"))):
                chosen[wanted] = port.get("protocol", "TCP")
            elif wanted:
                await self._claim_port(writer, obj, at, wanted)
                chosen[wanted] = port.get("protocol", "TCP")
            else:
                port["nodePort"] = await self._any_port(writer, obj)
                chosen[port["nodePort"]] = port.get("protocol", "TCP")
        await self._assign_health_port(writer, obj, old)

    async def _assign_health_port(self, writer: Writer, obj: Obj, old: Obj | None) -> None:
        spec = obj["spec"]
        if spec.get("type") != "LoadBalancer" or spec.get("externalTrafficPolicy") != "Local":
            return
        before = (old or {}).get("spec", {}).get("healthCheckNodePort")
        wanted = spec.get("healthCheckNodePort") or before
        if not wanted:
            wanted = await self._any_port(writer, obj)
        elif wanted != before:
            await self._claim_port(writer, obj, -1, wanted)
        spec["healthCheckNodePort"] = wanted

    async def _claim_port(self, writer: Writer, obj: Obj, at: int, wanted: int) -> None:
        path = f"spec.ports[{at}].nodePort" if at >= 0 else "spec.healthCheckNodePort"
        if wanted not in self.node_ports:
            low, high = self.node_ports[0], self.node_ports[-1]
            raise _invalid(
                obj, path, wanted, f"provided port is not in the valid range. The range of valid ports is {low}-{high}"
            )
        if writer.dry_run:
            return
        try:
            await self._ports.claim(str(wanted), _owner(obj))
        except allocation.Taken:
            raise _invalid(obj, path, wanted, "provided port is already allocated") from None

    async def _any_port(self, writer: Writer, obj: Obj) -> int:
        if writer.dry_run:
            return int(next(allocation.ports(self.node_ports)))
        try:
            return int(await self._ports.first(allocation.ports(self.node_ports), _owner(obj)))
        except allocation.Full:
            raise errors.InternalError("failed to allocate a nodePort: range is full") from None

    async def _release(self, obj: Obj, kept: Obj | None) -> None:
        """Give back what `obj` holds and `kept` does not."""
        owner = _owner(obj)
        for address in set(_cluster_ips(obj)) - set(_cluster_ips(kept)):
            await self._addresses.release(address, owner)
        for port in set(_ports(obj)) - set(_ports(kept)):
            await self._ports.release(str(port), owner)

    async def repair(self) -> int:
        """Bring claims in line with services: claim what a service holds unclaimed, release what was found without a
        service by the call before this one too. How many were released."""
        await self.registry.cache.wait_fresh()
        services = [entry.obj for entry in self.registry.by_plural("", "services").cache.entries()]
        released, suspects = 0, set[tuple[str, str, int]]()
        for claims, parts in ((self._addresses, _cluster_ips), (self._ports, _ports)):
            held = {str(part): _owner(service) for service in services for part in parts(service)}
            claimed = await claims.held()
            for name in held.keys() - claimed.keys():
                await self._reclaim(claims, name, held[name])
            lost = {(name, *claim) for name, claim in claimed.items() if held.get(name) != claim[0]}
            for name, owner, _ in lost & self._suspects:
                log.warning("released %s, which %s claimed and does not hold", name, owner)
                await claims.release(name, owner)
                released += 1
            suspects |= lost
        self._suspects = suspects
        return released

    async def _reclaim(self, claims: Claims, name: str, owner: str) -> None:
        try:
            await claims.claim(name, owner)
        except allocation.Taken:
            log.info("%s was claimed by another meanwhile", name)


def _owner(obj: Obj) -> str:
    meta = obj["metadata"]
    return allocation.owner_of(meta.get("namespace", ""), meta.get("name", ""), meta.get("uid", ""))


def _has_address(obj: Obj) -> bool:
    spec = obj["spec"]
    return bool(spec.get("type", "ClusterIP") != "ExternalName" and spec.get("clusterIP") != "None")


def _cluster_ips(obj: Obj | None) -> list[str]:
    spec = (obj or {}).get("spec") or {}
    found = spec.get("clusterIPs") or [spec.get("clusterIP")]
    return [ip for ip in found if ip and ip != "None"]


def _ports(obj: Obj | None) -> list[int]:
    spec = (obj or {}).get("spec") or {}
    found = [port.get("nodePort") for port in spec.get("ports") or ()]
    return [port for port in (*found, spec.get("healthCheckNodePort")) if port]


def _explicit(spec: Obj) -> bool:
    return any(port.get("nodePort") for port in spec.get("ports") or ())


def _settle(new: Obj, old: Obj) -> None:
    """What an update that says nothing of addresses and ports keeps, and what a change of type drops, in place."""
    spec, before = new["spec"], old["spec"]
    was, now = before.get("type", "ClusterIP"), spec.get("type", "ClusterIP")
    if now == "ExternalName":
        for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if was != now and spec.get(name) == before.get(name):
                spec.pop(name, None)
    elif was != "ExternalName":
        if not spec.get("clusterIP") and before.get("clusterIP"):
            spec["clusterIP"] = before["clusterIP"]
        if not spec.get("clusterIPs") and spec.get("clusterIP") == before.get("clusterIP") and before.get("clusterIPs"):
            spec["clusterIPs"] = before["clusterIPs"]
    if now in _PORTED:
        _keep_ports(spec, before)
    elif was in _PORTED:
        mine = set(_ports(old))
        for port in spec.get("ports") or ():
            if port.get("nodePort") in mine:
                port.pop("nodePort", None)


def _keep_ports(spec: Obj, before: Obj) -> None:
    """A port that is written without a node port keeps the one it has, unless another entry took it."""
    known = {(p.get("protocol", "TCP"), p["port"]): p.get("nodePort") for p in before.get("ports") or ()}
    used = {p["nodePort"] for p in spec.get("ports") or () if p.get("nodePort")}
    for port in spec.get("ports") or ():
        kept = known.get((port.get("protocol", "TCP"), port["port"]))
        if not port.get("nodePort") and kept and kept not in used:
            port["nodePort"] = kept
            used.add(kept)


def _invalid(obj: Obj, path: str, value: Any, why: str) -> errors.Invalid:
    return errors.invalid("", "Service", obj["metadata"].get("name", ""), [field.invalid(path, value, why)])


STRATEGY = Services
