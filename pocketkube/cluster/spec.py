"""What a cluster is made of: one `ClusterSpec`, decided once at `up` and kept in the cluster's folder as `cluster.json`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

MAX_CLUSTERS = 14  # of one machine: each has its own slice of addresses
PORT_STRIDE = 20  # between the ports of one cluster and the next on a machine


@dataclass(frozen=True, kw_only=True)
class NodeSpec:
    """A worker host. `netns` is "" for this machine itself, else the name of the network namespace that is the host."""

    name: str
    address: str
    netns: str = ""

    @property
    def own_engine(self) -> bool:
        return bool(self.netns)


@dataclass(frozen=True, kw_only=True)
class Joined:
    """What a worker was told by the cluster that it joined."""

    server: str  # URL
    pod_cidr: str
    service_cidr: str
    dns_ip: str
    domain: str


@dataclass(frozen=True, kw_only=True)
class ClusterSpec:
    """Every decision that the components' command lines follow from. Addresses are IPv4, CIDRs in text."""

    name: str
    slot: int  # which slice of addresses and ports on this machine; 0 is upstream's defaults
    address: str  # where the API server listens for nodes and pods
    nodes: tuple[NodeSpec, ...]
    api_servers: int = 1
    etcd_members: int = 1
    engine: str = "host"  # "host": an engine that was there; "own": started by us on the usual socket
    bridge: str = ""  # joins the hosts when nodes live in network namespaces
    bridge_cidr: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    flags: dict[str, str] = field(default_factory=dict)  # "component.flag" to value: overrides on command lines
    names: tuple[
        str, ...
    ] = ()  # more names and addresses that the API server's certificate holds; the first is in URLs
    balancer: bool = False  # keep the balancer although one API server is left: its address stays what it was
    workloads: bool = True  # whether this machine, as a node, runs pods beside the control plane
    joined: Joined | None = (
        None  # the cluster that this machine's only node belongs to, when its control plane is elsewhere
    )

    @property
    def control_plane(self) -> bool:
        """Whether etcd, API server, scheduler and controller manager run on this machine."""
        return self.joined is None

    @property
    def pod_cidr(self) -> str:
        if self.joined:
            return self.joined.pod_cidr
        return f"10.{244 if self.slot == 0 else 200 + self.slot}.0.0/16"

    @property
    def service_cidr(self) -> str:
        if self.joined:
            return self.joined.service_cidr
        return "10.96.0.0/12" if self.slot == 0 else f"10.{112 + self.slot}.0.0/16"

    @property
    def service_prefix(self) -> str:
        """First two octets of the service range."""
        return f"10.{96 if self.slot == 0 else 112 + self.slot}"

    @property
    def kubernetes_ip(self) -> str:
        return f"{self.service_prefix}.0.1"

    @property
    def dns_ip(self) -> str:
        if self.joined:
            return self.joined.dns_ip
        return f"{self.service_prefix}.0.10"

    @property
    def domain(self) -> str:
        return self.joined.domain if self.joined else "cluster.local"

    def port(self, usual: int) -> int:
        """A well-known port, moved aside for the second and further clusters on one machine."""
        return usual + self.slot * PORT_STRIDE

    @property
    def balanced(self) -> bool:
        """Several API servers stand behind one address: the balancer has the usual port."""
        return self.api_servers > 1 or self.balancer

    @property
    def api_port(self) -> int:
        """The stable port that everyone uses."""
        return self.port(6443)

    def server_port(self, index: int) -> int:
        """Where one API server listens."""
        return self.api_port + 1 + index if self.balanced else self.api_port

    def replica_port(self, usual: int, index: int) -> int:
        """A port of a scheduler or controller manager; further ones stand apart from all well-known ports."""
        return self.port(usual + (9000 + 1000 * index if index else 0))

    def etcd_ports(self, index: int = 0) -> tuple[int, int]:
        """(client, peer). Not 2379: a distribution's own etcd service may hold it."""
        first = self.port(12379) + index * 2
        return first, first + 1

    @property
    def etcd_urls(self) -> str:
        return ",".join(f"https://127.0.0.1:{self.etcd_ports(i)[0]}" for i in range(self.etcd_members))

    @property
    def server(self) -> str:
        """The URL for people and tools on this machine."""
        return self.joined.server if self.joined else f"https://127.0.0.1:{self.api_port}"

    @property
    def internal_server(self) -> str:
        """The URL for nodes."""
        if self.joined:
            return self.joined.server
        return f"https://{self.names[0] if self.names else self.address}:{self.api_port}"

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> ClusterSpec:
        data: dict[str, Any] = json.loads(text)
        data["nodes"] = tuple(NodeSpec(**n) for n in data["nodes"])
        data["names"] = tuple(data.get("names", ()))
        data["joined"] = Joined(**data["joined"]) if data.get("joined") else None
        return cls(**data)


def free_slot(taken: set[int], *, default: bool) -> int:
    """The slice for a new cluster: 0 for the one named `default`, the lowest free one for others."""
    if default and 0 not in taken:
        return 0
    for slot in range(1, MAX_CLUSTERS + 1):
        if slot not in taken:
            return slot
    raise ValueError(f"this machine already holds {MAX_CLUSTERS} clusters: take one down first")


def read(path: Path) -> ClusterSpec | None:
    try:
        return ClusterSpec.from_json(path.read_text())
    except FileNotFoundError:
        return None
