"""Rules that the pod bridge needs on its host: source NAT for what leaves the pod network, leave to be forwarded, host ports.

All of ours live in one nftables table, replaced in one transaction. Another table's FORWARD chain that drops (Docker's) cannot be
overruled from ours, so the bridge is also accepted in iptables where such a chain exists.
"""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

log = logging.getLogger(__name__)

SECONDS = 10
REPEATED = 8  # times that a rule may stand in a chain, of kubelets that started at once


@dataclass(frozen=True, slots=True, order=True)
class HostPort:
    """A port of this host that leads to a pod. `host_ip` "" is any address of the host."""

    protocol: str
    host_ip: str
    host_port: int
    pod_ip: str
    pod_port: int


def ruleset(table: str, *, bridge: str, pod_cidr: str, cluster_cidr: str, ports: Iterable[HostPort]) -> str:
    """The text for `nft -f`: our table, from nothing."""
    forward = [f"    {_match(p)} dnat to {p.pod_ip}:{p.pod_port}" for p in sorted(ports)]
    chain = "\n".join(forward)
    return f"""add table ip {table}
delete table ip {table}
table ip {table} {{
  chain hostports {{
{chain}
  }}
  chain prerouting {{
    type nat hook prerouting priority dstnat - 5; policy accept;
    fib daddr type local jump hostports
  }}
  chain output {{
    type nat hook output priority -105; policy accept;
    fib daddr type local jump hostports
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat - 5; policy accept;
    ct status dnat ip saddr {pod_cidr} ip daddr {pod_cidr} masquerade
    ct status dnat fib saddr type local oifname "{bridge}" masquerade
    ip saddr {pod_cidr} ip daddr != {cluster_cidr} ip daddr != 224.0.0.0/4 oifname != "{bridge}" masquerade
  }}
}}
"""


def _match(port: HostPort) -> str:
    address = f"ip daddr {port.host_ip} " if port.host_ip not in ("", "0.0.0.0") else ""
    return f"{address}{port.protocol.lower()} dport {port.host_port}"


def apply(rules: str) -> str:
    """Replace our table. Returns what went wrong, "" if nothing."""
    return _run(["nft", "-f", "-"], rules)


def accept_bridge(bridge: str) -> None:
    """Let the bridge's traffic pass iptables' FORWARD chain, first in it. Safe to repeat."""
    for way in ("-i", "-o"):
        rule = ["FORWARD", way, bridge, "-j", "ACCEPT"]
        if _run(["iptables", "-w", "-C", *rule]):
            problem = _run(["iptables", "-w", "-I", *rule])
            if problem and "not found" not in problem:
                log.warning("iptables does not accept the pod bridge: %s", problem)


def withdraw(bridge: str, table: str) -> None:
    """Take away our table and what accepts the bridge."""
    _run(["nft", "delete", "table", "ip", table])
    for way in ("-i", "-o"):
        for _ in range(REPEATED):
            if _run(["iptables", "-w", "-D", "FORWARD", way, bridge, "-j", "ACCEPT"]):
                break


def _run(command: list[str], text: str = "") -> str:
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=SECONDS)
    except FileNotFoundError:
        return f"{command[0]}: not found"
    except subprocess.TimeoutExpired:
        return f"{command[0]}: no answer within {SECONDS} s"
    return "" if done.returncode == 0 else done.stderr.strip() or f"{command[0]}: exit code {done.returncode}"
