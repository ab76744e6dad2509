"""The pod network as sandboxes need it: an address before they are made, a link and host ports once they run.

Docker gives a sandbox no network of its own; see kubelet/network/pod_network.py. Addresses and ports of sandboxes that a kubelet
finds at its start are taken over from their records.
"""

from __future__ import annotations

import asyncio
import json
import logging

from kubelet.network import pod_network
from kubelet.network.firewall import HostPort
from kubelet.network.pod_network import PodNetwork
from kubelet.runtime.docker.records import Records
from kubelet.runtime.interface import RuntimeFailure, SandboxConfig, SandboxRecord

log = logging.getLogger(__name__)

PORTS = "pocketkube.io/host-ports"


class SandboxNetwork:
    """`problem` is why there is no network now, "" if there is one."""

    def __init__(self, records: Records, *, name: str, cluster_cidr: str, mtu: int) -> None:
        self._records = records
        self._name, self._cluster_cidr, self._mtu = name, cluster_cidr, mtu
        self._network: PodNetwork | None = None
        self._cidr = ""
        self.problem = "no pod CIDR yet"

    def assign(self, cidr: str) -> bool:
        """The node's CIDR, once for all; False if it had another."""
        if self._cidr and cidr != self._cidr:
            log.error(
                "the node's pod CIDR changed from %s to %s: ignored until the kubelet starts anew", self._cidr, cidr
            )
            return False
        self._cidr = cidr
        return True

    async def set_up(self) -> None:
        """Set up the network, or repair it; nothing without a CIDR. What fails is in `problem`."""
        if not self._cidr:
            return
        try:
            network = self._network or self._adopted()
            await asyncio.to_thread(network.ensure)
        except (OSError, ValueError) as e:
            self.problem = f"pod network {self._cidr}: {e}"
            log.error("%s", self.problem)
        else:
            self._network, self.problem = network, ""

    def _adopted(self) -> PodNetwork:
        network = PodNetwork(self._cidr, name=self._name, cluster_cidr=self._cluster_cidr, mtu=self._mtu)
        for sandbox in self._records.sandboxes():
            if sandbox.ip:
                network.pool.claim(sandbox.ip)
                if sandbox.state == "running":
                    network.adopt_ports(sandbox.pod_uid, _ports(sandbox))
        return network

    def allocate(self, wanted: str) -> str:
        """An address, the wanted one if it is free. Raises RuntimeFailure."""
        if self._network is None:
            raise RuntimeFailure(f"network is not ready: {self.problem}")
        if wanted and self._network.pool.claim(wanted):
            return wanted
        try:
            return self._network.pool.allocate()
        except LookupError as e:
            raise RuntimeFailure(str(e)) from e

    def release(self, ip: str) -> None:
        if ip and self._network is not None:
            self._network.pool.release(ip)

    async def attach(self, record: SandboxRecord) -> None:
        """Link a running sandbox, and open its host ports. Raises RuntimeFailure."""
        network = self._network
        if network is None or not record.pid:
            raise RuntimeFailure("the sandbox ended before its network was set up")
        try:
            await asyncio.to_thread(network.attach, pid=record.pid, uid=record.pod_uid, ip=record.ip)
        except OSError as e:
            raise RuntimeFailure(f"failed to set up network for sandbox {record.id}: {e}") from e
        ports = _ports(record)
        if ports and (problem := await asyncio.to_thread(network.set_ports, record.pod_uid, ports)):
            raise RuntimeFailure(f"failed to publish host ports: {problem}")

    async def close_ports(self, record: SandboxRecord) -> None:
        if self._network is not None and _ports(record):
            await asyncio.to_thread(self._network.set_ports, record.pod_uid, [])

    def remove(self) -> None:
        """The bridge and its rules, at the end of the node. Blocking."""
        pod_network.remove(self._name)

    def close(self) -> None:
        if self._network is not None:
            self._network.close()


def port_label(config: SandboxConfig, ip: str) -> dict[str, str]:
    """What a sandbox carries, so that the next kubelet knows its host ports."""
    if not config.ports or not ip:
        return {}
    return {PORTS: json.dumps([[p.protocol, p.host_ip, p.host_port, ip, p.container_port] for p in config.ports])}


def _ports(record: SandboxRecord) -> list[HostPort]:
    return [HostPort(*entry) for entry in json.loads(record.labels.get(PORTS, "[]"))]
