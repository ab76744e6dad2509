"""nftables: two verdict maps, one lookup a packet, however many services there are.

    prerouting, output ──▶ @services    (address . protocol . port : goto chain)      cluster and external addresses
                       └─▶ @nodeports   (protocol . port : goto chain)                this host's own addresses
    chain of a service ──▶ dnat to numgen random mod N map { 0 : ip . port, ... }
                          with ClientIP affinity: first to the endpoint whose set holds the client, else a random one
    @refused ──▶ reject, for services without endpoints, in the filter hooks
    postrouting ──▶ masquerade what was marked, or what a pod sent to itself through a service (@hairpin)

Each change is one transaction of `nft -f -`, made of just what differs: the kernel swaps it in whole or not at all.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import logging
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from proxy import conntrack
from proxy.backends import Backend, BackendError, Host, Table
from proxy.flows import Target
from proxy.model import Endpoint, ServicePort

log = logging.getLogger(__name__)

MARK = "0x4000"  # masquerade on the way out


@dataclass
class Rules:
    """What one service wants in the table. Elements are keyed, so that two states can be compared."""

    chains: dict[str, tuple[str, ...]] = field(default_factory=dict)  # name: rules
    sets: dict[str, str] = field(default_factory=dict)  # name: definition
    services: dict[str, str] = field(default_factory=dict)  # element key: verdict
    nodeports: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    refused_nodeports: dict[str, str] = field(default_factory=dict)
    hairpin: frozenset[str] = frozenset()
    ways: dict[conntrack.Way, frozenset[Target]] = field(default_factory=dict)  # where the kernel may remember flows to

    @classmethod
    def of(cls, ports: Iterable[ServicePort], host: Host) -> Rules:
        rules = cls()
        for port in ports:
            _add_port(rules, port, host)
        return rules


def _add_port(rules: Rules, port: ServicePort, host: Host) -> None:
    protocol = port.protocol.lower()
    internal = _chain_name("svc", port.name, protocol)
    external = _chain_name("ext", port.name, protocol)
    _add_way(rules, internal, port.endpoints, port=port, protocol=protocol, mark=_unless_pod(host))
    reaches_out = bool(port.node_port or port.external_ips)
    if reaches_out:
        mark = () if port.keeps_source else (f"meta mark set meta mark or {MARK}",)
        _add_way(rules, external, port.external_endpoints, port=port, protocol=protocol, mark=mark)
    for ip in port.cluster_ips:
        _add_address(rules, f"{ip} . {protocol} . {port.port}", internal, port.endpoints)
    for ip in port.external_ips:
        _add_address(rules, f"{ip} . {protocol} . {port.port}", external, port.external_endpoints)
    if port.node_port:
        key = f"{protocol} . {port.node_port}"
        if port.external_endpoints:
            rules.nodeports[key] = f"goto {external}"
        else:
            rules.refused_nodeports[key] = "goto reject-it"
    if port.protocol in conntrack.PROTOCOLS:
        _add_flows(rules, port)
    every = {*port.endpoints, *port.external_endpoints}
    rules.hairpin |= {f"{e.ip} . {e.ip}" for e in every}


def _add_flows(rules: Rules, port: ServicePort) -> None:
    internal, external = (
        frozenset(conntrack.target(e.ip, e.port) for e in found) for found in (port.endpoints, port.external_endpoints)
    )
    rules.ways |= {conntrack.way(port.protocol, ip, port.port): internal for ip in port.cluster_ips}
    rules.ways |= {conntrack.way(port.protocol, ip, port.port): external for ip in port.external_ips}
    if port.node_port:
        rules.ways[conntrack.way(port.protocol, "", port.node_port)] = external


def _add_address(rules: Rules, key: str, chain: str, endpoints: Sequence[Endpoint]) -> None:
    if endpoints:
        rules.services[key] = f"goto {chain}"
    else:
        rules.refused[key] = "goto reject-it"


def _unless_pod(host: Host) -> tuple[str, ...]:
    """Mark what comes from outside the pod network, so that answers come back through this host."""
    return (f"ip saddr != {host.cluster_cidr} meta mark set meta mark or {MARK}",) if host.cluster_cidr else ()


def _add_way(
    rules: Rules, chain: str, endpoints: Sequence[Endpoint], *, port: ServicePort, protocol: str, mark: tuple[str, ...]
) -> None:
    """The chain that spreads connections over endpoints."""
    if not endpoints:
        return
    if not port.affinity_seconds:
        rules.chains[chain] = (*mark, _spread(endpoints, protocol))
        return
    sticky, ways = [], []
    for index, endpoint in enumerate(endpoints):
        own = _chain_name("ep", f"{chain}/{endpoint.ip}:{endpoint.port}", protocol)
        clients = own.replace("ep-", "aff-", 1)
        rules.sets[clients] = f"type ipv4_addr; flags dynamic,timeout; timeout {port.affinity_seconds}s;"
        rules.chains[own] = (
            f"update @{clients} {{ ip saddr timeout {port.affinity_seconds}s }}",
            f"meta l4proto {protocol} dnat to {endpoint.ip}:{endpoint.port}",
        )
        sticky.append(f"ip saddr @{clients} goto {own}")
        ways.append(f"{index} : goto {own}")
    rules.chains[chain] = (*mark, *sticky, f"numgen random mod {len(ways)} vmap {{ {', '.join(ways)} }}")


def _spread(endpoints: Sequence[Endpoint], protocol: str) -> str:
    if len(endpoints) == 1:
        return f"meta l4proto {protocol} dnat to {endpoints[0].ip}:{endpoints[0].port}"
    ways = ", ".join(f"{i} : {e.ip} . {e.port}" for i, e in enumerate(endpoints))
    return f"meta l4proto {protocol} dnat to numgen random mod {len(endpoints)} map {{ {ways} }}"


def _chain_name(kind: str, text: str, protocol: str) -> str:
    digest = hashlib.sha256(f"{text}/{protocol}".encode()).hexdigest()[:12]
    readable = "".join(c if c.isalnum() else "-" for c in text)[:60]
    return f"{kind}-{digest}-{readable}"


def base_table(host: Host) -> list[str]:
    """The fixed part: maps, hooks, and an empty table in one transaction even where an older one stood."""
    t = host.table
    lookup = "ip daddr . meta l4proto . th dport vmap"
    local = "fib daddr type local meta l4proto . th dport vmap"
    lines = [f"add table ip {t}", f"delete table ip {t}", f"add table ip {t}"]
    lines += [
        f"add map ip {t} {name} {{ type {kind} : verdict; }}"
        for name, kind in (
            ("services", "ipv4_addr . inet_proto . inet_service"),
            ("refused", "ipv4_addr . inet_proto . inet_service"),
            ("nodeports", "inet_proto . inet_service"),
            ("refused-nodeports", "inet_proto . inet_service"),
        )
    ]
    lines.append(f"add set ip {t} hairpin {{ type ipv4_addr . ipv4_addr; }}")
    lines += [f"add chain ip {t} {name}" for name in ("reject-it", "to-services", "refuse")]
    lines += [
        f"add rule ip {t} reject-it meta l4proto tcp reject with tcp reset",
        f"add rule ip {t} reject-it reject",
        f"add rule ip {t} to-services {lookup} @services",
        f"add rule ip {t} to-services {local} @nodeports",
        f"add rule ip {t} refuse {lookup} @refused",
        f"add rule ip {t} refuse {local} @refused-nodeports",
    ]
    for name, kind, priority, target in (
        ("prerouting", "nat", "-100", "jump to-services"),
        ("output", "nat", "-100", "jump to-services"),
        ("filter-input", "filter", "-110", "ct state new jump refuse"),
        ("filter-forward", "filter", "-110", "ct state new jump refuse"),
        ("filter-output", "filter", "-110", "ct state new jump refuse"),
    ):
        hook = name.removeprefix("filter-")
        lines.append(f"add chain ip {t} {name} {{ type {kind} hook {hook} priority {priority}; policy accept; }}")
        lines.append(f"add rule ip {t} {name} {target}")
    lines += [
        f"add chain ip {t} postrouting {{ type nat hook postrouting priority 100; policy accept; }}",
        f"add rule ip {t} postrouting ct status dnat ip saddr . ip daddr @hairpin masquerade fully-random",
        f"add rule ip {t} postrouting meta mark & {MARK} == 0 return",
        f"add rule ip {t} postrouting meta mark set meta mark xor {MARK}",
        f"add rule ip {t} postrouting masquerade fully-random",
    ]
    return lines


class Difference:
    """The transaction from one state to another. Order matters to the kernel: what is referred to comes first and goes last."""

    def __init__(self, table: str):
        self._t = f"ip {table}"
        self._make: list[str] = []
        self._fill: list[str] = []
        self._unlink: list[str] = []
        self._drop: list[str] = []

    def service(self, old: Rules, new: Rules) -> None:
        for name, definition in new.sets.items():
            if name not in old.sets:
                self._make.append(f"add set {self._t} {name} {{ {definition} }}")
            elif (
                old.sets[name] != definition
            ):  # the timeout changed: the set's own default stays, rules carry the new one
                self._make.append(f"flush set {self._t} {name}")
        for name, rules in new.chains.items():
            if old.chains.get(name) != rules:
                self._make.append(f"add chain {self._t} {name}")
                self._fill.append(f"flush chain {self._t} {name}")
                self._fill += [f"add rule {self._t} {name} {rule}" for rule in rules]
        for kind in ("services", "nodeports", "refused", "refused_nodeports"):
            self._elements(kind.replace("_", "-"), getattr(old, kind), getattr(new, kind))
        self._drop += [f"flush chain {self._t} {name}" for name in old.chains if name not in new.chains]
        self._drop += [f"delete chain {self._t} {name}" for name in _leaves_last(old.chains) if name not in new.chains]
        self._drop += [f"delete set {self._t} {name}" for name in old.sets if name not in new.sets]

    def hairpin(self, gone: Iterable[str], come: Iterable[str]) -> None:
        self._unlink += [f"delete element {self._t} hairpin {{ {e} }}" for e in gone]
        self._unlink += [f"add element {self._t} hairpin {{ {e} }}" for e in come]

    def _elements(self, name: str, old: dict[str, str], new: dict[str, str]) -> None:
        gone = [k for k in old if new.get(k) != old[k]]
        come = [k for k in new if old.get(k) != new[k]]
        self._unlink += [f"delete element {self._t} {name} {{ {k} }}" for k in gone]
        self._unlink += [f"add element {self._t} {name} {{ {k} : {new[k]} }}" for k in come]

    def lines(self) -> list[str]:
        deletes = [x for x in self._unlink if x.startswith("delete")]
        adds = [x for x in self._unlink if x.startswith("add")]
        return [*self._make, *self._fill, *deletes, *adds, *self._drop]


def _leaves_last(chains: Iterable[str]) -> list[str]:
    """Chains that jump to others go before those."""
    return sorted(chains, key=lambda name: name.startswith("ep-"))


class Nftables:
    """Keeps what it applied, so that a change costs what changed."""

    def __init__(self, host: Host):
        self._host = host
        self._applied: dict[str, Rules] | None = None  # None: nothing of ours is known to be in the kernel
        self._hairpins: dict[str, int] = {}

    async def apply(self, changed: Table, *, everything: bool) -> None:
        fresh = self._applied is None
        old: dict[str, Rules] = {} if self._applied is None else self._applied
        if fresh and not everything:
            raise BackendError("the first apply must name every service")
        wanted = {key: Rules.of(ports, self._host) for key, ports in changed.items()}
        if everything:
            wanted.update({key: Rules() for key in old if key not in changed})
        difference = Difference(self._host.table)
        for key, rules in wanted.items():
            difference.service(old.get(key, Rules()), rules)
        hairpins = self._count_hairpins(old, wanted)
        difference.hairpin(self._hairpins.keys() - hairpins.keys(), hairpins.keys() - self._hairpins.keys())
        lines = [*(base_table(self._host) if fresh else []), *difference.lines()]
        if lines:
            try:
                await nft(lines)
            except BackendError:
                self._applied, self._hairpins = None, {}  # unknown state: the next apply starts over
                raise
        self._applied = {k: r for k, r in {**old, **wanted}.items() if r.chains or r.refused or r.refused_nodeports}
        self._hairpins = hairpins
        if not fresh:
            states = ((old.get(key, Rules()).ways, new.ways) for key, new in wanted.items())
            await conntrack.forget(conntrack.stale(states))

    def _count_hairpins(self, old: dict[str, Rules], wanted: dict[str, Rules]) -> dict[str, int]:
        """A pod behind several services has one element: counted, so that it goes with the last."""
        counts = dict(self._hairpins)
        for key, rules in wanted.items():
            for element in rules.hairpin:
                counts[element] = counts.get(element, 0) + 1
            for element in old[key].hairpin if key in old else ():
                counts[element] -= 1
        return {e: n for e, n in counts.items() if n > 0}

    async def close(self) -> None:
        pass

    async def cleanup(self) -> None:
        await nft([f"add table ip {self._host.table}", f"delete table ip {self._host.table}"])


async def nft(lines: Sequence[str]) -> None:
    """Run one transaction. Raises BackendError with the kernel's words."""
    text = "\n".join(lines) + "\n"
    run = functools.partial(subprocess.run, ["nft", "-f", "-"], input=text, capture_output=True, text=True)
    done = await asyncio.to_thread(run)  # a refused transaction closes its input early, which a thread's pipe forgives
    if done.returncode:
        raise BackendError(f"nft refused: {done.stderr.strip()[:500]}")


def build(host: Host) -> Backend:
    return Nftables(host)


BACKEND = build
