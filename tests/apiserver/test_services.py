"""Service addresses and node ports: claimed once, given back, kept over updates."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from apiserver.registry.strategies.services import Services
from tests.apiserver.server import Client, running

PATH = "/api/v1/namespaces/default/services"


def service(name: str = "s", **spec: Any) -> Any:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"a": "b"}, "ports": [{"port": 80}], **spec},
    }


async def test_an_address_is_chosen(client: Client) -> None:
    spec = (await client.ok("POST", PATH, service()))["spec"]
    assert spec["clusterIP"].startswith("10.")
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert spec["ipFamilies"] == ["IPv4"]
    assert spec["type"] == "ClusterIP"


async def test_an_address_is_held_by_one(client: Client) -> None:
    await client.ok("POST", PATH, service(clusterIP="10.96.7.7"))
    second = await client("POST", PATH, service("other", clusterIP="10.96.7.7"))
    assert second.status == 422
    assert "provided IP is already allocated" in second.message
    await client.ok("DELETE", f"{PATH}/s")
    await client.ok("POST", PATH, service("other", clusterIP="10.96.7.7"))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param({"clusterIP": "192.168.1.1"}, "not in the valid range", id="outside"),
        pytest.param(
            {"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]},
            "range of valid ports is 30000-32767",
            id="port",
        ),
    ],
)
async def test_refusals(client: Client, spec: Any, words: str) -> None:
    answer = await client("POST", PATH, service(**spec))
    assert answer.status == 422
    assert words in answer.message


async def test_a_refused_service_holds_nothing(client: Client) -> None:
    answer = await client("POST", PATH, service("Bad", clusterIP="10.96.7.8"))
    assert answer.status == 422
    await client.ok("POST", PATH, service(clusterIP="10.96.7.8"))


async def test_headless_and_external(client: Client) -> None:
    assert (await client.ok("POST", PATH, service("h", clusterIP="None")))["spec"]["clusterIP"] == "None"
    external = await client.ok("POST", PATH, service("e", type="ExternalName", externalName="example.com"))
    assert not external["spec"].get("clusterIP")


async def test_node_ports_live_with_the_type(client: Client) -> None:
    """behaviour 70"""
    made = await client.ok("POST", PATH, service(type="NodePort"))
    port = made["spec"]["ports"][0]["nodePort"]
    assert 30000 <= port <= 32767
    taken = await client("POST", PATH, service("t", type="NodePort", ports=[{"port": 1, "nodePort": port}]))
    assert "provided port is already allocated" in taken.message
    del (
        made["metadata"]["resourceVersion"],
        made["spec"]["ports"][0]["nodePort"],
        made["spec"]["clusterIP"],
        made["spec"]["clusterIPs"],
    )
    kept = await client.ok("PUT", f"{PATH}/s", made)
    assert kept["spec"]["ports"][0]["nodePort"] == port
    assert kept["spec"]["clusterIP"]
    kept["spec"]["type"] = "ClusterIP"
    inside = await client.ok("PUT", f"{PATH}/s", kept)
    assert "nodePort" not in inside["spec"]["ports"][0]
    await client.ok("POST", PATH, service("t", type="NodePort", ports=[{"port": 1, "nodePort": port}]))


async def test_to_external_name_and_back(client: Client) -> None:
    """line 70: addresses go and come with the type."""
    await client.ok("POST", PATH, service(type="NodePort"))
    merge = "application/merge-patch+json"
    patch = {"spec": {"type": "ExternalName", "externalName": "example.com"}}
    outside = await client.ok("PATCH", f"{PATH}/s", patch, media=merge)
    assert not outside["spec"].get("clusterIP")
    assert "nodePort" not in outside["spec"]["ports"][0]
    back = await client.ok("PATCH", f"{PATH}/s", {"spec": {"type": "ClusterIP", "externalName": None}}, media=merge)
    assert back["spec"]["clusterIP"]


async def test_two_servers_never_hand_out_the_same(client: Client, tmp_path: Path) -> None:
    async with running(tmp_path, client.server.store, service_cluster_ip_range="10.96.0.0/26") as other:
        made = await asyncio.gather(
            *(
                one.ok("POST", PATH, service(f"{name}{i}", type="NodePort"))
                for i in range(25)
                for name, one in (("a", client), ("b", other))
            )
        )
    addresses = [s["spec"]["clusterIP"] for s in made]
    ports = [s["spec"]["ports"][0]["nodePort"] for s in made]
    assert len(set(addresses)) == len(set(ports)) == 50


async def test_dry_run_claims_nothing(client: Client) -> None:
    await client.ok("POST", f"{PATH}?dryRun=All", service(clusterIP="10.96.7.9"))
    await client.ok("POST", PATH, service(clusterIP="10.96.7.9"))


async def test_repair_releases_what_nobody_holds(client: Client) -> None:
    strategy = client.server.registry.by_plural("", "services").strategy
    assert isinstance(strategy, Services)
    await strategy._addresses.claim("10.96.7.10", "default/lost/")
    made = await client.ok("POST", PATH, service())
    assert await strategy.repair() == 0
    assert await strategy.repair() == 1
    await client.ok("POST", PATH, service("t", clusterIP="10.96.7.10"))
    await strategy._addresses.release(
        made["spec"]["clusterIP"], (await strategy._addresses.held())[made["spec"]["clusterIP"]][0]
    )
    await strategy.repair()
    again = await client("POST", PATH, service("u", clusterIP=made["spec"]["clusterIP"]))
    assert "already allocated" in again.message


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        pytest.param({"clusterIPs": ["a"]}, ["spec.clusterIPs[0]"] * 3, id="list"),
        pytest.param({"clusterIP": "a"}, ["spec.clusterIPs[0]"] * 2, id="no address"),
        pytest.param({"clusterIP": "10.96.7.8"}, ["spec.clusterIPs[0]"], id="another address"),
        pytest.param({"clusterIP": "", "clusterIPs": None}, [], id="left out"),
        pytest.param({"ports": [None]}, ["spec.ports[0].port", "spec.ports[0].targetPort"], id="nothing for a port"),
    ],
)
async def test_what_an_update_says_of_addresses_is_checked(client: Client, spec: Any, fields: list[str]) -> None:
    """line 17"""
    made = await client.ok("POST", PATH, service(clusterIP="10.96.7.7"))
    made["spec"] |= spec
    answer = await client("PUT", f"{PATH}/s", made)
    if not fields:
        assert answer.json()["spec"]["clusterIPs"] == ["10.96.7.7"]
        return
    assert (answer.status, [c["field"] for c in answer.json()["details"]["causes"]]) == (422, fields)


async def test_finalizers_of_an_update_are_checked(client: Client) -> None:
    made = await client.ok("POST", PATH, service())
    made["metadata"]["finalizers"] = ["mine"]
    answer = await client("PUT", f"{PATH}/s", made)
    assert (answer.status, answer.json()["details"]["causes"][0]["field"]) == (422, "metadata.finalizers[0]")
