"""The node's pod network: a bridge with the pod CIDR, a veth and an address for each pod, no NAT between pods.

Each call blocks for milliseconds: run it in a thread. State is the kernel's and the sandboxes' labels; a second kubelet process
finds the bridge and goes on.
"""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv4Network
from pathlib import Path

from kubelet.network import firewall
from kubelet.network.ipam import AddressPool
from kubelet.network.netlink import Netlink, inside

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0


class PodNetwork:
    """`cluster_cidr` is the network of all nodes' pods; "" means the node's own only. `name` makes the bridge's name stable."""

    def __init__(self, cidr: str, *, name: str, cluster_cidr: str = "", mtu: int = 1500) -> None:
        self.pool = AddressPool(cidr)
        self.cidr = str(self.pool.network)
        digest = hashlib.sha256(name.encode()).hexdigest()
        self.bridge, self.table = names(name)
        self.cluster_cidr = cluster_cidr if _holds(cluster_cidr, self.pool.network) else self.cidr
        self._mtu = mtu
        self._mac = b"\x02" + bytes.fromhex(digest[:10])
        self._netlink: Netlink | None = None
        self._lock = threading.Lock()
        self._ports: dict[str, list[firewall.HostPort]] = {}

    def ensure(self) -> None:
        """Make the bridge and the rules if they are missing. Raises OSError. Safe to repeat."""
        with self._lock:
            link = self._netlink = self._netlink or Netlink()
            if not link.index(self.bridge):
                with suppress(FileExistsError):
                    link.add_bridge(self.bridge, mac=self._mac, mtu=self._mtu)
            index = link.index(self.bridge)
            link.add_address(index, self.pool.gateway)
            link.set_up(index)
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")
        with suppress(OSError):  # only host ports asked for on 127.0.0.1 need it
            Path(f"/proc/sys/net/ipv4/conf/{self.bridge}/route_localnet").write_text("1\n")
        with self._lock:  # looked for and inserted by one at a time
            firewall.accept_bridge(self.bridge)
        self._apply()

    def close(self) -> None:
        """Let go of the kernel's socket; bridge and rules stay."""
        with self._lock:
            if self._netlink is not None:
                self._netlink.close()
                self._netlink = None

    def attach(self, *, pid: int, uid: str, ip: str) -> None:
        """Give the network namespace of process `pid` an eth0 with `ip` on the bridge. Raises OSError."""
        veth = self.veth(uid)
        namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._connect(veth, namespace)
            with inside(namespace):
                pod = Netlink()
            try:
                pod.set_up(1)
                index = pod.index("eth0")
                pod.add_address(index, self.pool.interface(ip))
                pod.set_up(index)
                pod.add_default_route(index, self.pool.gateway.ip.packed)
            finally:
                pod.close()
        finally:
            os.close(namespace)

    def _connect(self, veth: str, namespace: int) -> None:
        with self._lock:
            link = self._netlink = self._netlink or Netlink()
            stale = link.index(veth)
            if stale:
                link.delete_link(stale)
            link.add_veth(veth, peer="eth0", netns=namespace, master=link.index(self.bridge), mtu=self._mtu)
            link.set_hairpin(link.index(veth))

    def detach(self, uid: str) -> None:
        """Remove the host's end, if the namespace's death has not."""
        with self._lock:
            link = self._netlink = self._netlink or Netlink()
            index = link.index(self.veth(uid))
            if index:
                with suppress(OSError):
                    link.delete_link(index)

    @staticmethod
    def veth(uid: str) -> str:
        return "veth" + hashlib.sha256(uid.encode()).hexdigest()[:10]

    def adopt_ports(self, uid: str, ports: Iterable[firewall.HostPort]) -> None:
        """Of a pod that runs already; takes effect at the next `ensure`."""
        self._ports[uid] = list(ports)

    def set_ports(self, uid: str, ports: Iterable[firewall.HostPort]) -> str:
        """Publish a pod's host ports, none to withdraw them. Returns what went wrong, "" if nothing."""
        wanted = list(ports)
        with self._lock:
            if wanted == self._ports.get(uid, []):
                return ""
            self._ports.pop(uid, None)
            if wanted:
                self._ports[uid] = wanted
        return self._apply()

    def _apply(self) -> str:
        with self._lock:
            ports = [p for published in self._ports.values() for p in published]
            rules = firewall.ruleset(
                self.table, bridge=self.bridge, pod_cidr=self.cidr, cluster_cidr=self.cluster_cidr, ports=ports
            )
            problem = firewall.apply(rules)
        if problem:
            log.warning("nftables refused the pod network's rules: %s", problem)
        return problem


def remove(name: str) -> None:
    """Take away the bridge and the rules that a PodNetwork of this name has made. Blocking."""
    bridge, table = names(name)
    link = Netlink()
    try:
        index = link.index(bridge)
        if index:
            link.delete_link(index)
    finally:
        link.close()
    firewall.withdraw(bridge, table)


def names(name: str) -> tuple[str, str]:
    """(bridge, nftables table) of a network's name."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    return f"pk{digest}", f"kubelet-{digest}"


def connect_inside(pid: int, port: int) -> socket.socket:
    """A TCP connection to `port` on the loopback of process `pid`'s network namespace; of our own for 0. Raises OSError."""
    if not pid:
        return socket.create_connection(("localhost", port), CONNECT_SECONDS)
    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with inside(namespace):
            try:
                return socket.create_connection(("127.0.0.1", port), CONNECT_SECONDS)
            except ConnectionRefusedError:
                return socket.create_connection(("::1", port), CONNECT_SECONDS)
    finally:
        os.close(namespace)


def _holds(cidr: str, network: IPv4Network) -> bool:
    return bool(cidr) and network.subnet_of(IPv4Network(cidr))
