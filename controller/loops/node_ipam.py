"""Node IPAM: gives every node a pod CIDR (a /24 of --cluster-cidr by default) that no other node has."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any

from controller.context import Context, Controller, Run
from controller.options import Options
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors
from pocketkube.client.resources import NODES

Obj = dict[str, Any]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_DEFAULT_MASK = {4: 24, 6: 64}


def mask(network: Network, options: Options) -> int:
    """The prefix length of one node's part."""
    if network.version == 4:
        return options.node_cidr_mask_size_ipv4 or options.node_cidr_mask_size or _DEFAULT_MASK[4]
    return options.node_cidr_mask_size_ipv6 or _DEFAULT_MASK[6]


class Pool:
    """One cluster CIDR cut into equal parts. `Pool(10.244.0.0/16, 24).free({10.244.0.0/24})` is 10.244.1.0/24."""

    def __init__(self, network: Network, prefix: int):
        if not network.prefixlen <= prefix <= network.max_prefixlen:
            raise ValueError(f"--cluster-cidr {network} cannot be cut into /{prefix} networks")
        self.network, self.prefix = network, prefix
        self.count = 1 << (prefix - network.prefixlen)
        self._next = 0

    def part(self, index: int) -> Network:
        start = int(self.network.network_address) + (index << (self.network.max_prefixlen - self.prefix))
        return type(self.network)((start, self.prefix))

    def free(self, used: Iterable[Network]) -> Network | None:
        """The next part that overlaps none of `used`, going round; None if all are taken."""
        taken: set[int] = set()
        for network in used:
            taken.update(self._covered(network))
        for step in range(self.count):
            index = (self._next + step) % self.count
            if index not in taken:
                self._next = (index + 1) % self.count
                return self.part(index)
        return None

    def _covered(self, network: Network) -> range:
        """The parts that a network touches."""
        if network.version != self.network.version or not network.overlaps(self.network):
            return range(0)
        base, shift = int(self.network.network_address), self.network.max_prefixlen - self.prefix
        first = max(0, (int(network.network_address) - base) >> shift)
        return range(first, min(self.count - 1, (int(network.broadcast_address) - base) >> shift) + 1)


def networks_of(node: Obj) -> list[Network]:
    spec = node.get("spec") or {}
    return [ipaddress.ip_network(c, strict=False) for c in spec.get("podCIDRs") or filter(None, [spec.get("podCIDR")])]


def plan(node: Obj, others: Iterable[Obj], pools: Sequence[Pool], reserved: Iterable[Network]) -> list[Network] | None:
    """The networks to give to `node`; [] if it has its own, None if a pool is empty. `reserved` are services' and the like."""
    if networks_of(node) or node["metadata"].get("deletionTimestamp"):
        return []
    used = [*(n for other in others for n in networks_of(other)), *reserved]
    found = [pool.free(used) for pool in pools]
    return None if None in found else [n for n in found if n is not None]


async def _nothing() -> None:
    """Another allocator, or none, gives nodes their pod CIDRs."""


def start(context: Context) -> Run:
    options = context.options
    if not options.allocate_node_cidrs or not options.cluster_cidr:
        return _nothing()
    networks: list[Network] = [ipaddress.ip_network(c) for c in options.cluster_cidr.split(",")]
    pools = [Pool(n, mask(n, options)) for n in networks]
    services = [ipaddress.ip_network(c) for c in options.service_cluster_ip_range.split(",") if c]
    nodes = context.informer(NODES)
    given: dict[str, list[Network]] = {}  # node uid -> written, but not yet seen in the cache

    async def reconcile(name: str) -> None:
        node = nodes.store.get(name)
        if node is None:
            return
        unseen = [n for uid, some in given.items() for n in some if uid != node["metadata"]["uid"]]
        wanted = given.get(node["metadata"]["uid"]) or plan(node, nodes.store.list(), pools, [*services, *unseen])
        if networks_of(node) or wanted == []:
            given.pop(node["metadata"]["uid"], None)
            return
        if wanted is None:
            text = f"Node {name} status is now: CIDRNotAvailable"
            context.event(NODES, node, "Normal", "CIDRNotAvailable", text)
            raise errors.TooManyRequests(f"no pod CIDR is left for node {name}")
        given[node["metadata"]["uid"]] = wanted
        cidrs = [str(n) for n in wanted]
        patch = {"metadata": {"uid": node["metadata"]["uid"]}, "spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs}}
        try:
            await context.client.patch(NODES, name, patch, type="strategic")
        except errors.StatusError:
            given.pop(node["metadata"]["uid"], None)
            raise

    def node_deleted(node: Obj) -> None:
        given.pop(node["metadata"]["uid"], None)
        for other in nodes.store.list():  # one that waited may have its part now
            if not networks_of(other):
                work.add(other["metadata"]["name"])

    work = Reconciler("node-ipam", reconcile, clock=context.clock, workers=1)
    nodes.add_handler(
        on_add=lambda new: work.add(new["metadata"]["name"]),
        on_update=lambda old, new: work.add(new["metadata"]["name"]) if not networks_of(new) or given else None,
        on_delete=node_deleted,
    )
    return work.run((nodes,))


CONTROLLER = Controller("node-ipam-controller", "node-controller", start, aliases=("nodeipam",), events="cidrAllocator")
