"""Routes to other nodes' pods: the plan by tables, the kernel's side between two network namespaces."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from proxy import routes
from proxy.routes import Route, plan

Obj = dict[str, Any]


def node(name: str, address: str, cidr: str) -> Obj:
    spec = {"podCIDR": cidr, "podCIDRs": [cidr]} if cidr else {}
    addresses = [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": address}] if address else []
    return {"metadata": {"name": name}, "spec": spec, "status": {"addresses": addresses}}


A, B = node("a", "10.0.0.1", "10.244.0.0/24"), node("b", "10.0.0.2", "10.244.1.0/24")
FAR = node("far", "10.7.0.9", "10.244.9.0/24")


@pytest.mark.parametrize(
    ("nodes", "wanted"),
    [
        pytest.param([A], [], id="alone"),
        pytest.param([A, B], [Route("10.244.1.0/24", "10.0.0.2")], id="neighbour"),
        pytest.param([A, FAR], [Route("10.244.9.0/24", "10.7.0.9", tunnel=True)], id="behind a router"),
        pytest.param([A, node("b", "10.0.0.2", "")], [], id="no pod CIDR yet"),
        pytest.param([A, node("b", "", "10.244.1.0/24")], [], id="no address yet"),
        pytest.param([A, node("b", "10.0.0.1", "10.244.1.0/24")], [], id="our own address under another name"),
    ],
)
def test_plan(nodes: list[Obj], wanted: list[Route]) -> None:
    assert plan(nodes, own_name="a", own_address="10.0.0.1", networks=["10.0.0.1/24", "127.0.0.1/8"]) == wanted


def test_a_host_that_is_no_node_reaches_all() -> None:
    found = plan([A, B], own_name="control-plane", own_address="10.0.0.254", networks=["10.0.0.254/24"])
    assert [r.gateway for r in found] == ["10.0.0.1", "10.0.0.2"]


def test_both_ends_of_a_tunnel_compute_the_same() -> None:
    assert routes.mac_of("10.244.9.0/24") == routes.mac_of("10.244.9.0/24") != routes.mac_of("10.244.8.0/24")
    assert int(routes.mac_of("10.244.9.0/24")[:2], 16) & 3 == 2  # locally administered, not multicast
    assert Route("10.244.9.0/24", "10.7.0.9", tunnel=True).gateway == "10.244.9.0"


SYNC = """
import asyncio, json, sys
from types import SimpleNamespace
from pocketkube.base.clock import SystemClock
from proxy.routes import Router
name, address, nodes = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
informer = SimpleNamespace(store=SimpleNamespace(list=lambda: nodes), add_handler=lambda **handlers: None)
router = Router(informer, name=name, address=address, cluster_cidr="10.244.0.0/16", clock=SystemClock())
asyncio.run(router.sync())
asyncio.run(router.sync())
"""


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


@pytest.mark.e2e
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("tunnelled", [pytest.param(False, id="one L2"), pytest.param(True, id="across a router")])
def test_pods_reach_each_other_with_their_own_addresses(tunnelled: bool) -> None:
    """Two namespaces, joined directly or by a third that routes; a dummy pod address on each answers the other's ping."""
    tag = f"pkr{os.getpid()}"
    names = [f"{tag}{x}" for x in "abr"]
    second = "10.7.0.9" if tunnelled else "10.0.0.2"
    nodes = json.dumps([node("a", "10.0.0.1", "10.244.0.0/24"), node("b", second, "10.244.1.0/24")])
    try:
        for name in names:
            _run("ip", "netns", "add", name)
            _run("ip", "-n", name, "link", "set", "lo", "up")
        _wire(names, tunnelled=tunnelled)
        for name, pod in zip(names, ("10.244.0.5", "10.244.1.5"), strict=False):
            _run("ip", "-n", name, "addr", "add", f"{pod}/32", "dev", "lo")
        for namespace, (name, address) in zip(names, (("a", "10.0.0.1"), ("b", second)), strict=False):
            _run("nsenter", f"--net=/run/netns/{namespace}", sys.executable, "-c", SYNC, name, address, nodes)
        assert ("dev pkvx" in _run("ip", "-n", names[0], "route")) == tunnelled
        seen = _exchange(names[0], names[1], source="10.244.0.5", target="10.244.1.5")
        assert seen == "10.244.0.5"
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def _wire(names: list[str], *, tunnelled: bool) -> None:
    a, b, router = names
    if not tunnelled:
        _run("ip", "-n", a, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", b)
        links = [(a, "eth0", "10.0.0.1/24"), (b, "eth0", "10.0.0.2/24")]
    else:
        _run("ip", "-n", a, "link", "add", "eth0", "type", "veth", "peer", "name", "left", "netns", router)
        _run("ip", "-n", b, "link", "add", "eth0", "type", "veth", "peer", "name", "right", "netns", router)
        _run("nsenter", f"--net=/run/netns/{router}", "sysctl", "-qw", "net.ipv4.ip_forward=1")
        links = [
            (a, "eth0", "10.0.0.1/24"), (b, "eth0", "10.7.0.9/24"),
            (router, "left", "10.0.0.254/24"), (router, "right", "10.7.0.254/24"),
        ]  # fmt: skip
    for name, link, address in links:
        _run("ip", "-n", name, "addr", "add", address, "dev", link)
        _run("ip", "-n", name, "link", "set", link, "up")
    if tunnelled:
        _run("ip", "-n", a, "route", "add", "default", "via", "10.0.0.254")
        _run("ip", "-n", b, "route", "add", "default", "via", "10.7.0.254")


SERVE = """
import socket
server = socket.create_server(("0.0.0.0", 8080))
print("ready", flush=True)
connection, (address, _) = server.accept()
connection.sendall(address.encode())
"""
ASK = """
import socket, sys
with socket.create_connection((sys.argv[2], 8080), timeout=10, source_address=(sys.argv[1], 0)) as connection:
    print(connection.recv(64).decode())
"""


def _exchange(here: str, there: str, *, source: str, target: str) -> str:
    """The address that a server in `there` sees when asked from `source` in `here`."""
    enter = ["nsenter", f"--net=/run/netns/{there}", sys.executable, "-c", SERVE]
    with subprocess.Popen(enter, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout and server.stdout.readline() == "ready\n"
        try:
            return _run("nsenter", f"--net=/run/netns/{here}", sys.executable, "-c", ASK, source, target).strip()
        finally:
            server.kill()


async def test_a_missing_program_is_named() -> None:
    with pytest.raises(routes.RouteError, match="no-such-program is not on this host"):
        await routes._run(["no-such-program"])
    assert await asyncio.wait_for(routes._run(["true"]), 10) == ""
