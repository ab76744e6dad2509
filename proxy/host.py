"""What this host's kernel must be told once for service and pod traffic to pass, and how to take it back."""

from __future__ import annotations

import logging
import shutil
import subprocess
from pathlib import Path

log = logging.getLogger(__name__)

SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/route_localnet": "1",  # node ports answer on loopback too
    "net/bridge/bridge-nf-call-iptables": "1",  # a pod's answer to its neighbour must pass the translation back
    "net/netfilter/nf_conntrack_tcp_be_liberal": "1",
}
COMMENT = "pocketkube pods"


def prepare(*, cluster_cidr: str, dns_ip: str) -> None:
    """Safe to repeat. What this kernel lacks is logged and lived without."""
    for name, value in SYSCTLS.items():
        path = Path("/proc/sys", name)
        try:
            if path.read_text().strip() != value:
                path.write_text(value)
        except OSError as error:
            log.warning("cannot set %s: %s", name.replace("/", "."), error.strerror)
    if cluster_cidr:
        _accept(cluster_cidr)
    if dns_ip:
        _run("ip", "addr", "replace", f"{dns_ip}/32", "dev", "lo")


def cleanup(*, cluster_cidr: str, dns_ip: str) -> None:
    if dns_ip:
        _run("ip", "addr", "del", f"{dns_ip}/32", "dev", "lo")
    if cluster_cidr and shutil.which("iptables"):
        for rule in _rules(cluster_cidr):
            while _run("iptables", "-w", "-D", "FORWARD", *rule):
                pass


def _accept(cidr: str) -> None:
    """An engine that manages the firewall drops what it does not know: let pod traffic through, both ways."""
    if not shutil.which("iptables"):
        return
    for rule in _rules(cidr):
        if not _run("iptables", "-w", "-C", "FORWARD", *rule):
            _run("iptables", "-w", "-I", "FORWARD", *rule)


def _rules(cidr: str) -> list[list[str]]:
    tail = ["-m", "comment", "--comment", COMMENT, "-j", "ACCEPT"]
    return [["-s", cidr, *tail], ["-d", cidr, *tail]]


def _run(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False
