"""The way to other nodes' pods: Node objects in, kernel routes out. Pods keep their own addresses on the way.

A node on one of this host's own networks is a gateway: `10.244.1.0/24 via NODE`. A node behind a router gets a VXLAN tunnel, with
nothing to agree on beforehand: each end's tunnel address is the first of its pod CIDR, and its MAC follows from that.
`plan` is pure; `Router` keeps the kernel equal to it. Only routes of our own protocol number inside the cluster's CIDR are touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import ipaddress
import json
import logging
import socket
import struct
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pocketkube.base.backoff import Backoff
from pocketkube.base.clock import Clock
from pocketkube.client.informer import Informer

log = logging.getLogger(__name__)

Obj = dict[str, Any]

PROTOCOL = "112"  # marks our routes in the kernel's table
VXLAN_PORT = "4789"
VXLAN_OVERHEAD = 50  # bytes of outer headers
RTMGRP_LINK = 1


@dataclass(frozen=True, slots=True, order=True)
class Route:
    """`cidr` is reached through the node at `via`, in a tunnel if `tunnel`."""

    cidr: str
    via: str
    tunnel: bool = False

    @property
    def gateway(self) -> str:
        """The next hop: the node, or its end of the tunnel."""
        return str(ipaddress.ip_network(self.cidr).network_address) if self.tunnel else self.via


def mac_of(cidr: str) -> str:
    """The tunnel MAC of the node that has this pod CIDR: locally administered, the same wherever it is computed."""
    digest = hashlib.sha256(cidr.encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x0E, *digest[:5]))


def address_of(node: Obj) -> str:
    """The node's IPv4 InternalIP; "" if it has told none."""
    addresses = (node.get("status") or {}).get("addresses") or ()
    return next((a["address"] for a in addresses if a["type"] == "InternalIP" and ":" not in a["address"]), "")


def cidrs_of(node: Obj) -> list[str]:
    spec = node.get("spec") or {}
    return [c for c in spec.get("podCIDRs") or filter(None, [spec.get("podCIDR")]) if ":" not in c]


def plan(nodes: Iterable[Obj], *, own_name: str, own_address: str, networks: Sequence[str]) -> list[Route]:
    """Routes to all other nodes. `networks` are the CIDRs that this host is on; a node at our own address is ourselves."""
    local = [ipaddress.ip_network(n, strict=False) for n in networks]
    found = []
    for node in nodes:
        address = address_of(node)
        if not address or address == own_address or node["metadata"]["name"] == own_name:
            continue
        tunnel = not any(ipaddress.ip_address(address) in n for n in local)
        found += [Route(cidr, address, tunnel) for cidr in cidrs_of(node)]
    return sorted(found)


def own_cidr(nodes: Iterable[Obj], own_name: str) -> str:
    """This node's pod CIDR; "" before it has one, or on a host that is no node."""
    return next((c for n in nodes if n["metadata"]["name"] == own_name for c in cidrs_of(n)[:1]), "")


class Router:
    """Makes the kernel's routes match the nodes: at once when a node changes, and again after a failure."""

    def __init__(self, nodes: Informer, *, name: str, address: str, cluster_cidr: str, clock: Clock):
        self._nodes, self._name, self._address, self._clock = nodes, name, address, clock
        self._cluster = ipaddress.ip_network(cluster_cidr)
        self._device = device_name(cluster_cidr)
        self._vni = str(int.from_bytes(hashlib.sha256(cluster_cidr.encode()).digest()[:3], "big") or 1)
        self._wake = asyncio.Event()
        self._tunnels: set[Route] = set()
        self._linked = ""
        self._watched: set[int] = set()  # indexes of the interfaces that lead to other nodes
        nodes.add_handler(on_add=self._changed, on_update=self._updated, on_delete=self._changed)

    def _changed(self, _: Obj) -> None:
        self._wake.set()

    def _updated(self, old: Obj, new: Obj) -> None:
        """Heartbeats touch a node all the time; only its address and CIDRs matter here."""
        if (address_of(old), cidrs_of(old)) != (address_of(new), cidrs_of(new)):
            self._wake.set()

    async def run(self) -> None:
        await self._nodes.wait_synced()
        backoff = Backoff(0.2, 30.0)
        with self._link_events():
            await self._follow(backoff)

    async def _follow(self, backoff: Backoff) -> None:
        while True:
            self._wake.clear()
            try:
                await self.sync()
                backoff.reset()
            except RouteError as error:
                log.error("could not set the routes to other nodes' pods: %s", error)
                await self._clock.sleep(backoff.next())
                continue
            await self._wake.wait()

    @contextlib.contextmanager
    def _link_events(self) -> Iterator[None]:
        """The kernel drops a link's routes when it goes down and says nothing of them: look again when it changes."""
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0) as events:
            events.bind((0, RTMGRP_LINK))
            loop = asyncio.get_running_loop()
            loop.add_reader(events, self._link_changed, events)
            try:
                yield
            finally:
                loop.remove_reader(events)

    def _link_changed(self, events: socket.socket) -> None:
        try:
            message = events.recv(65536)
        except OSError:  # more events than the buffer held
            self._wake.set()
            return
        if struct.unpack_from("<i", message, 20)[0] in self._watched:  # ifi_index, after nlmsghdr and four bytes
            self._wake.set()

    async def sync(self) -> None:
        """One pass. Raises RouteError."""
        nodes = self._nodes.store.list()
        networks = await self._networks()
        own = self._address or next((address_of(n) for n in nodes if n["metadata"]["name"] == self._name), "")
        wanted = plan(nodes, own_name=self._name, own_address=own, networks=networks)
        tunnels = {r for r in wanted if r.tunnel}
        source = own_cidr(nodes, self._name)
        if tunnels and source:
            await self._link(source, own)
            await self._reach(tunnels)
        await self._set_routes([r for r in wanted if not r.tunnel or source])

    async def _networks(self) -> list[str]:
        """CIDRs of this host's addresses; loopback's and pods' bridges are no way to another node."""
        found = json.loads(await _ip("-j", "-4", "addr") or "[]")
        ways = [
            (link["ifindex"], a["local"], a["prefixlen"])
            for link in found
            for a in link.get("addr_info", ())
            if "local" in a and ipaddress.ip_address(a["local"]) not in self._cluster and "UP" in link["flags"]
        ]
        self._watched.update(index for index, _, _ in ways)
        return [f"{local}/{length}" for _, local, length in ways]

    async def _set_routes(self, wanted: Sequence[Route]) -> None:
        found = json.loads(await _ip("-j", "-4", "route", "show", "proto", PROTOCOL) or "[]")
        there = {r["dst"]: r.get("gateway", "") for r in found if self._ours(r["dst"])}
        stale = there.keys() - {r.cidr for r in wanted}
        lines = [f"route del {cidr} proto {PROTOCOL}" for cidr in sorted(stale)]
        for route in wanted:
            if there.get(route.cidr) != route.gateway:
                way = f"dev {self._device} onlink" if route.tunnel else ""
                lines.append(f"route replace {route.cidr} via {route.gateway} {way} proto {PROTOCOL}")
        if lines:
            await _ip("-batch", "-", text="\n".join(lines) + "\n")
            log.info("routes to %d nodes' pods, %d of them tunnelled", len(wanted), sum(r.tunnel for r in wanted))

    def _ours(self, destination: str) -> bool:
        if destination == "default":
            return False
        network = ipaddress.ip_network(destination)
        return network.version == self._cluster.version and network.subnet_of(self._cluster)  # type: ignore[arg-type]

    async def _link(self, source: str, own: str) -> None:
        """This node's end of the tunnel, made anew if the pod CIDR or address changed."""
        if self._linked == f"{source} {own}":
            return
        links = json.loads(await _ip("-j", "link") or "[]")
        lines = [f"link del {self._device}"] if any(k["ifname"] == self._device for k in links) else []
        first = ipaddress.ip_network(source).network_address
        egress = await self._egress(own)
        base = next((k["mtu"] for k in links if k["ifname"] == egress), 1500)
        lines += [
            f"link add {self._device} address {mac_of(source)} mtu {base - VXLAN_OVERHEAD} type vxlan id {self._vni} "
            f"local {own} dstport {VXLAN_PORT} nolearning",
            f"addr add {first}/32 dev {self._device}",
            f"link set {self._device} up",
        ]
        await _ip("-batch", "-", text="\n".join(lines) + "\n")
        self._linked, self._tunnels = f"{source} {own}", set()

    async def _egress(self, own: str) -> str:
        found = json.loads(await _ip("-j", "-4", "addr") or "[]")
        return next((k["ifname"] for k in found if any(a.get("local") == own for a in k.get("addr_info", ()))), "")

    async def _reach(self, tunnels: set[Route]) -> None:
        """Where each far end is: its MAC behind its node, its tunnel address behind its MAC."""
        lines, entries = [], []
        for route in sorted(self._tunnels - tunnels):
            lines.append(f"neigh del {route.gateway} dev {self._device}")
            entries.append(f"fdb del {mac_of(route.cidr)} dev {self._device} dst {route.via}")
        for route in sorted(tunnels - self._tunnels):
            mac = mac_of(route.cidr)
            lines.append(f"neigh replace {route.gateway} lladdr {mac} dev {self._device} nud permanent")
            entries.append(f"fdb replace {mac} dev {self._device} dst {route.via}")
        if lines:
            await _ip("-batch", "-", "-force", text="\n".join(lines) + "\n")
            await _run(["bridge", "-batch", "-", "-force"], "\n".join(entries) + "\n")
        self._tunnels = set(tunnels)


class RouteError(Exception):
    """A program refused; the message carries its words."""


async def _ip(*words: str, text: str = "") -> str:
    return await _run(["ip", *words], text)


async def _run(command: Sequence[str], text: str = "") -> str:
    run = functools.partial(subprocess.run, command, input=text, capture_output=True, text=True)
    try:
        done = await asyncio.to_thread(
            run
        )  # a program that reads no input closes it early, which a thread's pipe forgives
    except FileNotFoundError as error:
        raise RouteError(f"{command[0]} is not on this host: install iproute2") from error
    if done.returncode and "-force" not in command:
        raise RouteError(done.stderr.strip() or f"{command[0]} exited {done.returncode}")
    return done.stdout


def cleanup(cluster_cidr: str) -> None:
    """Take back what any Router of this cluster made on this host."""
    cluster = ipaddress.ip_network(cluster_cidr)
    listed = subprocess.run(["ip", "-j", "-4", "route", "show", "proto", PROTOCOL], capture_output=True, text=True)
    for route in json.loads(listed.stdout or "[]"):
        if route["dst"] != "default" and ipaddress.ip_network(route["dst"]).overlaps(cluster):
            subprocess.run(["ip", "route", "del", route["dst"], "proto", PROTOCOL], capture_output=True)
    subprocess.run(["ip", "link", "del", device_name(cluster_cidr)], capture_output=True)


def device_name(cluster_cidr: str) -> str:
    """The tunnel device's, so that two clusters can share a host."""
    return f"pkvx{hashlib.sha256(cluster_cidr.encode()).hexdigest()[:6]}"
