"""The hosts of a cluster on one machine: a bridge, and a network namespace with a veth for each node that is a host of its own."""

from __future__ import annotations

import ipaddress
import json
import socket
import subprocess
from pathlib import Path
from typing import Any

from pocketkube.cluster import processes
from pocketkube.cluster.errors import ClusterError
from pocketkube.cluster.spec import MAX_CLUSTERS, PORT_STRIDE, ClusterSpec, NodeSpec


def primary_address(towards: str = "192.0.2.1") -> str:
    """This machine's own IPv4 address towards another, by default towards its default route; "" if there is no route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((towards, 9))  # sends nothing: the kernel only picks the route
        except OSError:
            return ""
        address: str = probe.getsockname()[0]
        return address


def local_addresses() -> set[str]:
    return {a["local"] for link in _json("addr") for a in link.get("addr_info", ()) if a.get("family") == "inet"}


def local_networks() -> list[str]:
    """CIDRs that this machine has addresses in or routes to."""
    addresses = [
        f"{a['local']}/{a['prefixlen']}" for k in _json("addr") for a in k.get("addr_info", ()) if a["family"] == "inet"
    ]
    return addresses + [r["dst"] for r in _json("route") if r["dst"] != "default" and r.get("type") != "blackhole"]


def bridge_name(slot: int) -> str:
    return f"pk{slot}br"


def taken_slots() -> set[int]:
    """Slices of this machine's addresses that clusters kept elsewhere use: their bridge is there, or one of their ports is taken."""
    links = {link["ifname"] for link in _json("link")}
    busy = processes.listening()
    further = range(1, MAX_CLUSTERS + 1)
    return {s for s in further if bridge_name(s) in links or busy & {u + s * PORT_STRIDE for u in (6443, 10256, 12379)}}


def ensure(spec: ClusterSpec) -> None:
    """Make the bridge and namespaces that are missing. Safe to repeat; nothing that exists is touched."""
    if not spec.bridge:
        return
    links = {link["ifname"] for link in _json("link")}
    if spec.bridge not in links:
        _ip("link", "add", spec.bridge, "type", "bridge")
        _ip("addr", "add", spec.bridge_cidr, "dev", spec.bridge)
    _ip("link", "set", spec.bridge, "up")
    _firewall(spec, "-I")
    Path("/run/pocketkube").mkdir(mode=0o711, exist_ok=True)
    for index, node in enumerate(spec.nodes):
        if node.netns:
            _ensure_host(spec, node, f"{spec.bridge}-{index}")


def _ensure_host(spec: ClusterSpec, node: NodeSpec, veth: str) -> None:
    if not Path("/run/netns", node.netns).exists():
        _ip("netns", "add", node.netns)
    inside = ("-n", node.netns)
    _ip(*inside, "link", "set", "lo", "up")
    if any(link["ifname"] == "eth0" for link in _json("link", netns=node.netns)):
        return
    _ip("link", "add", veth, "type", "veth", "peer", "name", "eth0", "netns", node.netns)
    _ip("link", "set", veth, "master", spec.bridge, "up")
    prefix = spec.bridge_cidr.rsplit("/", 1)[1]
    _ip(*inside, "addr", "add", f"{node.address}/{prefix}", "dev", "eth0")
    _ip(*inside, "link", "set", "eth0", "up")
    _ip(*inside, "route", "add", "default", "via", spec.bridge_cidr.partition("/")[0])


def _firewall(spec: ClusterSpec, change: str) -> None:
    """Let the hosts' bridge through, whose frames an engine's firewall would drop, and give the hosts a way out of the machine."""
    rules = [["filter", "FORWARD", way, spec.bridge, "-j", "ACCEPT"] for way in ("-i", "-o")]
    source = str(ipaddress.ip_network(spec.bridge_cidr, strict=False))
    rules.append(["nat", "POSTROUTING", "-s", source, "!", "-o", spec.bridge, "-j", "MASQUERADE"])
    for table, chain, *rule in rules:
        there = subprocess.run(["iptables", "-w", "-t", table, "-C", chain, *rule], capture_output=True).returncode == 0
        if there == (change == "-D"):
            subprocess.run(["iptables", "-w", "-t", table, change, chain, *rule], capture_output=True)


def remove_host(node: NodeSpec) -> None:
    if node.netns and Path("/run/netns", node.netns).exists():
        _ip("netns", "del", node.netns)


def remove(spec: ClusterSpec) -> None:
    """Take away what `ensure` made."""
    for node in spec.nodes:
        remove_host(node)
    if spec.bridge and any(link["ifname"] == spec.bridge for link in _json("link")):
        _firewall(spec, "-D")
        _ip("link", "del", spec.bridge)


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode:
        raise ClusterError(f"`ip {' '.join(words)}` failed: {done.stderr.strip()}")


def _json(what: str, *, netns: str = "") -> list[dict[str, Any]]:
    scope = ["-n", netns] if netns else []
    done = subprocess.run(["ip", "-j", *scope, what], capture_output=True, text=True)
    found: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    return found
