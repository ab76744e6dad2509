"""A new cluster's addresses, ports and nodes, decided once; and which ports of this machine it takes."""

from __future__ import annotations

import re
import socket

from pocketkube.cluster import network, prepare, processes
from pocketkube.cluster import spec as specs
from pocketkube.cluster.errors import ClusterError
from pocketkube.cluster.layout import all_clusters
from pocketkube.cluster.spec import ClusterSpec, NodeSpec


def plan(
    name: str, *, nodes: int, api_servers: int, etcd_members: int, address: str = "", flags: dict[str, str] | None = None,
    names: tuple[str, ...] = (), workloads: bool = True,
) -> ClusterSpec:  # fmt: skip
    """Decide a new cluster's addresses and ports. Pure but for looking at this machine's addresses and other clusters."""
    taken = {s.slot for _, s in all_clusters()} | network.taken_slots()
    slot = specs.free_slot(taken, default=name == "default")
    own = address or network.primary_address()
    bridge = ""
    if nodes > 1 or not own:
        bridge, own = network.bridge_name(slot), f"10.{160 + slot}.0.1"
    if nodes > 1:
        made = tuple(host(name, slot, i) for i in range(nodes))
    else:
        made = (NodeSpec(name=_host_name(name), address=own),) if nodes else ()
    return ClusterSpec(
        name=name, slot=slot, address=own, nodes=made, api_servers=api_servers, etcd_members=etcd_members,
        engine="host" if nodes != 1 or prepare.engine_answers() else "own",
        bridge=bridge, bridge_cidr=f"10.{160 + slot}.0.1/24" if bridge else "", flags=flags or {}, names=names,
        workloads=workloads,
    )  # fmt: skip


def host(cluster: str, slot: int, index: int) -> NodeSpec:
    """A worker host on this machine, in a network namespace."""
    return NodeSpec(
        name=f"node-{index + 1}", address=f"10.{160 + slot}.0.{11 + index}", netns=f"pk-{cluster}-{index + 1}"
    )


def _host_name(cluster: str) -> str:
    """This machine's name as a node's; clusters beside the default one add their own name, for one engine serves them all."""
    host = re.sub(r"[^a-z0-9-]+", "-", socket.gethostname().lower()).strip("-") or "node"
    return host if cluster == "default" else f"{host}-{cluster}"


def check_ports(spec: ClusterSpec) -> None:
    """Raise, naming who holds it, if a port that the cluster needs is taken."""
    for port, who in wanted_ports(spec).items():
        holder = processes.port_holder(port)
        if holder:
            raise ClusterError(f"port {port}, which the {who} needs, is in use by {holder}: stop that first")


def wanted_ports(spec: ClusterSpec) -> dict[int, str]:
    """Ports of this machine itself that the cluster listens on, and which component does."""
    wanted = {spec.port(10256): "proxy"}
    if any(not n.netns for n in spec.nodes):
        wanted.update({spec.port(10250): "kubelet", spec.port(10255): "kubelet"})
    if not spec.control_plane:
        return wanted
    wanted[spec.api_port] = "API server"
    for i in range(spec.etcd_members):
        wanted.update(dict.fromkeys(spec.etcd_ports(i), "etcd"))
    for i in range(spec.api_servers):
        wanted[spec.server_port(i)] = "API server"
        wanted.update({spec.replica_port(10259, i): "scheduler", spec.replica_port(10257, i): "controller manager"})
    return wanted
