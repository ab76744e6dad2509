"""API servers' Leases: made, renewed under one name after a restart, and removed when their server is long gone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from apiserver.presence import LABEL, Presence, expired, name_of
from pocketkube.api.meta import times
from pocketkube.base.clock import FakeClock
from tests.apiserver.server import Client

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"


async def leases(client: Client) -> dict[str, Any]:
    found = await client.ok("GET", f"{LEASES}?labelSelector={LABEL}%3Dkube-apiserver")
    return {lease["metadata"]["name"]: lease for lease in found["items"]}


def presence(client: Client, **named: str) -> Presence:
    return Presence(client.server.registry, client.server.cluster, **named)


async def test_a_server_keeps_its_lease_and_the_next_on_its_machine_takes_it_over(client: Client) -> None:
    clock = client.server.registry.clock = FakeClock(client.server.registry.clock.now())
    first = presence(client, hostname="m1")
    await first.renew()
    made = (await leases(client))[first.name]
    assert made["spec"] == {
        "holderIdentity": first.holder,
        "leaseDurationSeconds": 3600,
        "renewTime": times.micro(clock.now()),
    }
    assert made["metadata"]["labels"] == {LABEL: "kube-apiserver", "kubernetes.io/hostname": "m1"}
    clock.advance(10)
    await first.renew()
    assert (await leases(client))[first.name]["spec"]["renewTime"] == times.micro(clock.now())
    second = presence(client, hostname="m1")
    await second.renew()
    assert second.name == first.name and second.holder != first.holder
    assert (await leases(client))[first.name]["spec"]["holderIdentity"] == second.holder


async def test_processes_of_one_server_renew_once(client: Client) -> None:
    clock = client.server.registry.clock = FakeClock(client.server.registry.clock.now())
    one, two = (presence(client, hostname="m1", shared="folder") for _ in range(2))
    assert one.holder == two.holder
    await one.renew()
    before = (await leases(client))[one.name]
    await two.renew()
    assert (await leases(client))[one.name] == before
    clock.advance(10)
    await two.renew()
    assert (await leases(client))[one.name] != before


async def test_expired_leases_of_servers_are_removed(client: Client) -> None:
    own = presence(client, hostname="m1")
    await own.renew()
    long_ago = times.micro(client.server.registry.clock.now() - timedelta(hours=2))
    lately = times.micro(client.server.registry.clock.now() - timedelta(minutes=2))

    async def make(name: str, namespace: str = "kube-system", *, renewed: str = long_ago, label: bool = True) -> None:
        labels = {LABEL: "kube-apiserver"} if label else {}
        body = {
            "kind": "Lease",
            "apiVersion": "coordination.k8s.io/v1",
            "metadata": {"name": name, "labels": labels},
            "spec": {"holderIdentity": name, "leaseDurationSeconds": 3600, "renewTime": renewed},
        }
        await client.ok("POST", LEASES.replace("kube-system", namespace), body)

    await make("gone")
    await make("lives", renewed=lately)
    await make("other", label=False)
    await make("elsewhere", "default")
    await client.server.registry.cache.wait_fresh()
    await own.collect()
    found = await client.ok("GET", LEASES)
    assert {lease["metadata"]["name"] for lease in found["items"]} == {own.name, "lives", "other"}
    assert await client.ok("GET", f"{LEASES.replace('kube-system', 'default')}/elsewhere")


@pytest.mark.parametrize("spec", [{}, {"renewTime": "2026-11-21T00:00:00.000000Z"}, {"leaseDurationSeconds": 9}])
def test_a_lease_that_says_too_little_has_expired(spec: dict[str, Any]) -> None:
    assert expired({"spec": spec}, times.parse("2026-11-21T00:00:01Z"))


def test_a_name_is_of_a_machine() -> None:
    assert name_of("m1") == name_of("m1") != name_of("m2")
    assert len(name_of("m1")) == len("apiserver-") + 26
