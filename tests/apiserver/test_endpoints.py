"""The endpoints of the `kubernetes` service follow the servers that live."""

from __future__ import annotations

from typing import Any

from apiserver.endpoints import Endpoints
from tests.apiserver.server import Client


async def addresses(client: Client) -> dict[str, list[str]]:
    """Addresses by what holds them."""
    path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io/service-name%3Dkubernetes"
    slices = (await client.ok("GET", path))["items"]
    endpoints: Any = await client.ok("GET", "/api/v1/namespaces/default/endpoints/kubernetes")
    subsets = endpoints["subsets"]
    return {
        **{s["metadata"]["name"]: [a for e in s["endpoints"] for a in e["addresses"]] for s in slices},
        "subsets": [f"{a['ip']}:{s['ports'][0]['port']}" for s in subsets for a in s["addresses"]],
    }


async def test_servers_come_and_go(client: Client) -> None:
    server = client.server
    other = Endpoints(server.store, server.cluster, "192.0.2.2", 6443)
    await other.renew()
    assert await addresses(client) == {
        "kubernetes": ["192.0.2.1", "192.0.2.2"],
        "subsets": ["192.0.2.1:6443", "192.0.2.2:6443"],
    }
    await other.renew()
    await other.leave()
    assert (await addresses(client))["kubernetes"] == ["192.0.2.1"]


async def test_servers_on_ports_of_their_own(client: Client) -> None:
    server = client.server
    other = Endpoints(server.store, server.cluster, "192.0.2.1", 7443)
    await other.renew()
    assert await addresses(client) == {
        "kubernetes": ["192.0.2.1"],
        "kubernetes-7443": ["192.0.2.1"],
        "subsets": ["192.0.2.1:6443", "192.0.2.1:7443"],
    }
    await other.leave()
    assert (await addresses(client))["kubernetes-7443"] == []


async def test_loopback_is_not_published(client: Client) -> None:
    server = client.server
    await Endpoints(server.store, server.cluster, "127.0.0.1", 6443).renew()
    assert (await addresses(client))["kubernetes"] == ["192.0.2.1"]


async def test_subsets_stand_in_the_order_of_addresses(client: Client) -> None:
    server = client.server
    other = Endpoints(server.store, server.cluster, "192.0.2.2", 443)
    await other.renew()
    assert (await addresses(client))["subsets"] == ["192.0.2.1:6443", "192.0.2.2:443"]


async def test_a_server_may_keep_out_of_the_endpoints(client: Client) -> None:
    server = client.server
    await Endpoints(server.store, server.cluster, "192.0.2.9", 6443, shown=False).renew()
    assert (await addresses(client))["subsets"] == ["192.0.2.1:6443"]
