"""The rules in a real kernel, each test in a network namespace of its own, and what a real connection meets."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from proxy.backends import Host
from proxy.backends.nftables import Difference, Rules, base_table
from proxy.model import Endpoint, ServicePort

HOST = Host(table="t", cluster_cidr="10.244.0.0/16")


def port(*endpoints: Endpoint, affinity: int = 0, node_port: int = 0) -> ServicePort:
    return ServicePort(
        name="shop/web:http", protocol="TCP", port=80, cluster_ips=("10.96.0.7",), node_port=node_port,
        endpoints=endpoints, external_endpoints=endpoints, affinity_seconds=affinity,
    )  # fmt: skip


A, B = Endpoint("10.244.0.5", 8080), Endpoint("10.244.0.6", 8080)


def change(old: list[ServicePort], new: list[ServicePort]) -> list[str]:
    difference = Difference("t")
    difference.service(Rules.of(old, HOST), Rules.of(new, HOST))
    return difference.lines()


def test_a_change_of_endpoints_touches_only_the_services_chain() -> None:
    lines = change([port(A)], [port(A, B)])
    assert all(" svc-" in line for line in lines), lines
    assert "10.244.0.5 . 8080" in lines[-1] and "10.244.0.6 . 8080" in lines[-1]


def test_nothing_changed_is_no_transaction() -> None:
    assert change([port(A, B)], [port(A, B)]) == []


def test_losing_the_last_endpoint_refuses_and_drops_the_chain_last() -> None:
    lines = change([port(A)], [port()])
    assert "add element ip t refused { 10.96.0.7 . tcp . 80 : goto reject-it }" in lines
    assert lines[-1].startswith("delete chain")


SCRIPT = """
import asyncio, socket, subprocess
from proxy import flows
from proxy.backends import Host
from proxy.backends.nftables import Nftables
from proxy.model import Endpoint, ServicePort

def ip(*words):
    subprocess.run(["ip", *words], check=True)

def port(*endpoints, affinity=0):
    return ServicePort(name="shop/web:http", protocol="TCP", port=80, cluster_ips=("10.96.0.7",), node_port=30080,
                       endpoints=endpoints, external_endpoints=endpoints, affinity_seconds=affinity)

async def serve(name, address):
    async def answer(reader, writer):
        writer.write(name); await writer.drain(); writer.close()
    return await asyncio.start_server(answer, address, 8080)

async def ask(address="10.96.0.7", number=80):
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(address, number), 3)
    except ConnectionRefusedError:
        return b"refused"
    data = await reader.read(); writer.close()
    return data

A, B = Endpoint("10.244.0.5", 8080), Endpoint("10.244.0.6", 8080)

async def main():
    ip("link", "set", "lo", "up")
    for address in ("10.244.0.5", "10.244.0.6", "192.168.7.7"):
        ip("addr", "add", address + "/32", "dev", "lo")
    ip("route", "add", "default", "dev", "lo")
    servers = [await serve(b"a", "10.244.0.5"), await serve(b"b", "10.244.0.6")]
    backend = Nftables(Host(table="t", cluster_cidr="10.244.0.0/16"))
{body}
    for server in servers: server.close()

asyncio.run(main())
"""


def in_namespace(body: str) -> None:
    """Run a body of the script above in a new network namespace; its assertions are the test's."""
    code = SCRIPT.replace("{body}", textwrap.indent(textwrap.dedent(body), "    "))
    root = Path(__file__).parents[2]
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.e2e
def test_connections_spread_over_endpoints_and_follow_changes() -> None:
    in_namespace("""
        await backend.apply({"shop/web": [port(A, B)]}, everything=True)
        assert {await ask() for _ in range(40)} == {b"a", b"b"}
        await backend.apply({"shop/web": [port(B)]}, everything=False)
        assert {await ask() for _ in range(10)} == {b"b"}
        assert await ask("192.168.7.7", 30080) == b"b"
        await backend.apply({"shop/web": [port()]}, everything=False)
        assert await ask() == b"refused"
        assert await ask("192.168.7.7", 30080) == b"refused"
        await backend.apply({"shop/web": [port(A)]}, everything=False)
        assert await ask() == b"a"
        await backend.apply({}, everything=True)
        out = subprocess.run(["nft", "list", "table", "ip", "t"], capture_output=True, text=True).stdout
        assert "10.96.0.7" not in out and "svc-" not in out, out
        await backend.cleanup()
        assert subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout == ""
    """)


@pytest.mark.e2e
def test_a_client_with_affinity_stays_until_it_is_switched_off() -> None:
    in_namespace("""
        await backend.apply({"shop/web": [port(A, B, affinity=60)]}, everything=True)
        assert len({await ask() for _ in range(20)}) == 1
        await backend.apply({"shop/web": [port(A, B)]}, everything=False)
        assert len({await ask() for _ in range(40)}) == 2
        await backend.apply({"shop/web": [port(A, B, affinity=30)]}, everything=False)
        assert len({await ask() for _ in range(20)}) == 1
    """)


@pytest.mark.e2e
def test_a_restarted_proxy_takes_over_the_table_without_a_gap() -> None:
    in_namespace("""
        await backend.apply({"shop/web": [port(A)]}, everything=True)
        second = Nftables(Host(table="t", cluster_cidr="10.244.0.0/16"))
        await second.apply({"shop/web": [port(B)]}, everything=True)
        assert await ask() == b"b"
    """)


def test_the_fixed_part_replaces_an_older_table_in_the_same_transaction() -> None:
    lines = base_table(HOST)
    assert lines[:3] == ["add table ip t", "delete table ip t", "add table ip t"]


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("address", "number"),
    [pytest.param("10.96.0.7", 53, id="address"), pytest.param("192.168.7.7", 30053, id="node port")],
)
def test_a_udp_flow_leaves_only_an_endpoint_that_went(address: str, number: int) -> None:
    """One client socket for all: its packets are one flow, which lasts as long as it sends."""
    in_namespace(f"""
        import os
        loop = asyncio.get_running_loop()

        class Answer(asyncio.DatagramProtocol):
            def __init__(self, name): self.name = name
            def connection_made(self, transport): self.transport = transport
            def datagram_received(self, data, sender): self.transport.sendto(self.name, sender)

        for name, at in ((b"a", "10.244.0.5"), (b"b", "10.244.0.6")):
            await loop.create_datagram_endpoint(lambda name=name: Answer(name), local_addr=(at, 8080))
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.setblocking(False)
        client.bind(("192.168.7.7", 12345))

        async def say():
            for _ in range(20):
                client.sendto(b"?", ("{address}", {number}))
                try:
                    return (await asyncio.wait_for(loop.sock_recvfrom(client, 10), 1))[0]
                except (TimeoutError, OSError):
                    continue
            return b"nothing"

        def dns(*endpoints):
            return ServicePort(name="kube/dns:udp", protocol="UDP", port=53, cluster_ips=("10.96.0.7",),
                               node_port=30053, endpoints=endpoints, external_endpoints=endpoints)

        await backend.apply({{"kube/dns": [dns()]}}, everything=True)
        try:
            client.sendto(b"?", ("{address}", {number}))
        except OSError:
            pass
        await backend.apply({{"kube/dns": [dns(A)]}}, everything=False)
        assert await say() == b"a"
        await backend.apply({{"kube/dns": [dns(A, B)]}}, everything=False)
        assert {{await say() for _ in range(10)}} == {{b"a"}}
        await backend.apply({{"kube/dns": [dns(B)]}}, everything=False)
        assert {{await say() for _ in range(3)}} == {{b"b"}}
        client.close()
    """)


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("address", "number"),
    [pytest.param("10.96.0.7", 80, id="address"), pytest.param("192.168.7.7", 30080, id="node port")],
)
def test_an_unanswered_connection_leaves_an_endpoint_that_went_and_an_open_one_stays(address: str, number: int) -> None:
    """The client comes from the same port again, as it does when it has few; the endpoint that went answers nothing."""
    in_namespace(f"""
        async def hold(reader, writer):
            while data := await reader.read(100):
                writer.write(data)
                await writer.drain()
            writer.close()

        holders = [await asyncio.start_server(hold, at, 8081) for at in ("10.244.0.5", "10.244.0.6")]
        held = ServicePort(name="shop/held:", protocol="TCP", port=81, cluster_ips=("10.96.0.7",),
                           endpoints=(Endpoint("10.244.0.5", 8081),))
        await backend.apply({{"shop/web": [port(A)], "shop/held": [held]}}, everything=True)
        reader, writer = await asyncio.open_connection("10.96.0.7", 81)
        subprocess.run(["iptables", "-A", "INPUT", "-d", "10.244.0.5", "-p", "tcp", "--dport", "8080",
                        "-j", "DROP"], check=True)  # the endpoint dies without a word

        def begin(source):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            client.bind(("192.168.7.7", source))
            client.setblocking(False)
            client.connect_ex(("{address}", {number}))
            return client

        waiting = [begin(12000 + i) for i in range(40)]
        for i in range(1200):  # clients that gave up
            begin(20000 + i).close()
        unanswered = []
        flows.forget([socket.IPPROTO_TCP], lambda flow: unanswered.append(flow) if flow.opening else None)
        assert len(unanswered) == 1240
        # all go at once, two services change, and each client that waits is answered by its next SYN
        await backend.apply({{"shop/web": [port(B)], "shop/held": []}}, everything=False)
        loop = asyncio.get_running_loop()
        again = begin(20000)
        assert await asyncio.wait_for(loop.sock_recv(again, 10), 3) == b"b"
        for client in waiting:
            assert await asyncio.wait_for(loop.sock_recv(client, 10), 10) == b"b"
        writer.write(b"still here")
        assert await asyncio.wait_for(reader.readexactly(10), 3) == b"still here"
        writer.close()
        for client in (*waiting, again): client.close()
        for server in holders: server.close()
    """)
