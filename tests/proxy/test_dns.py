"""Cluster names by the DNS specification, and the wire in front of them."""

from __future__ import annotations

from typing import Any

import pytest
from dnslib import QTYPE, RCODE, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.base.clock import SystemClock
from proxy.dns import records
from proxy.dns.forward import Forwarder, resolvers
from proxy.dns.records import View
from proxy.dns.server import Resolver

Obj = dict[str, Any]
HTTP = {"name": "http", "port": 80, "protocol": "TCP"}
SERVICES: dict[str, Obj] = {
    "shop/web": {"metadata": {"namespace": "shop", "name": "web"}, "spec": {"clusterIP": "10.96.0.7", "ports": [HTTP]}},
    "shop/db": {"metadata": {"namespace": "shop", "name": "db"}, "spec": {"clusterIP": "None", "ports": [HTTP]}},
    "shop/out": {
        "metadata": {"namespace": "shop", "name": "out"},
        "spec": {"type": "ExternalName", "externalName": "a.example"},
    },
    "shop/empty": {"metadata": {"namespace": "shop", "name": "empty"}, "spec": {"clusterIP": "None"}},
}
SLICE: Obj = {
    "addressType": "IPv4",
    "metadata": {"namespace": "shop", "labels": {"kubernetes.io/service-name": "db"}},
    "ports": [{"name": "http", "port": 5432, "protocol": "TCP"}],
    "endpoints": [
        {"addresses": ["10.244.0.5"], "hostname": "db-0", "conditions": {"ready": True}},
        {"addresses": ["10.244.0.6"], "conditions": {"ready": True}},
        {"addresses": ["10.244.0.9"], "hostname": "db-9", "conditions": {"ready": False}},
    ],
}
VIEW = View(
    domain="cluster.local",
    service=SERVICES.get,
    slices=lambda key: [SLICE] if key == "shop/db" else [],
    namespace_exists=lambda name: name == "shop",
    services_by_ip=lambda ip: [s for s in SERVICES.values() if s["spec"].get("clusterIP") == ip],
    endpoints_by_ip=lambda ip: [SLICE] if any(ip in e["addresses"] for e in SLICE["endpoints"]) else [],
)


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        pytest.param("web.shop.svc.cluster.local", "A", ["10.96.0.7"], id="cluster IP"),
        pytest.param("web.shop.svc.cluster.local", "AAAA", [], id="no IPv6 is an empty answer"),
        pytest.param("db.shop.svc.cluster.local", "A", ["10.244.0.5", "10.244.0.6"], id="headless: ready endpoints"),
        pytest.param("db-0.db.shop.svc.cluster.local", "A", ["10.244.0.5"], id="hostname of an endpoint"),
        pytest.param("10-244-0-6.db.shop.svc.cluster.local", "A", ["10.244.0.6"], id="endpoint by its address"),
        pytest.param("db-9.db.shop.svc.cluster.local", "A", None, id="endpoint that is not ready"),
        pytest.param("empty.shop.svc.cluster.local", "A", None, id="headless without endpoints"),
        pytest.param("_http._tcp.web.shop.svc.cluster.local", "SRV", [(0, 100, 80, "web.shop.svc.cluster.local")], id="srv"),
        pytest.param(
            "_http._tcp.db.shop.svc.cluster.local", "SRV",
            [(0, 50, 5432, "db-0.db.shop.svc.cluster.local"), (0, 50, 5432, "10-244-0-6.db.shop.svc.cluster.local")],
            id="srv of a headless service",
        ),
        pytest.param("_no._tcp.web.shop.svc.cluster.local", "SRV", None, id="srv of no such port"),
        pytest.param("10-244-3-4.shop.pod.cluster.local", "A", ["10.244.3.4"], id="pod"),
        pytest.param("nonsense.shop.pod.cluster.local", "A", None, id="pod with no address"),
        pytest.param("out.shop.svc.cluster.local", "A", ["a.example"], id="external name"),
        pytest.param("missing.shop.svc.cluster.local", "A", None, id="no such service"),
        pytest.param("web.other.svc.cluster.local", "A", None, id="no such namespace"),
        pytest.param("shop.svc.cluster.local", "A", [], id="a namespace exists"),
        pytest.param("dns-version.cluster.local", "TXT", ["1.1.0"], id="version"),
    ],
)  # fmt: skip
def test_resolve(name: str, kind: str, expected: list[Any] | None) -> None:
    answer = records.resolve(name, kind, VIEW)
    assert answer.exists == (expected is not None)
    assert [r.data for r in answer.records] == (expected or [])


@pytest.mark.parametrize(
    ("address", "name"),
    [
        pytest.param("10.96.0.7", "web.shop.svc.cluster.local", id="service"),
        pytest.param("10.244.0.5", "db-0.db.shop.svc.cluster.local", id="endpoint"),
    ],
)
def test_reverse(address: str, name: str) -> None:
    assert [r.data for r in records.reverse(address, VIEW).records] == [name]


def resolver() -> Resolver:
    return Resolver(VIEW, Forwarder([], SystemClock()))


async def ask(name: str, kind: str = "A") -> DNSRecord:
    data = await resolver().answer(DNSRecord.question(name, kind).pack(), tcp=False)
    assert data is not None
    return DNSRecord.parse(data)


async def test_names_are_found_in_any_case_and_answered_as_authority() -> None:
    reply = await ask("WEB.Shop.svc.cluster.local")
    assert [str(r.rdata) for r in reply.rr] == ["10.96.0.7"] and reply.header.aa


async def test_a_missing_name_carries_the_zones_authority() -> None:
    reply = await ask("missing.shop.svc.cluster.local")
    assert reply.header.rcode == RCODE.NXDOMAIN and reply.auth[0].rtype == QTYPE.SOA


async def test_without_resolvers_the_world_outside_is_a_server_failure() -> None:
    assert (await ask("pocketkube.example")).header.rcode == RCODE.SERVFAIL


@given(st.binary(max_size=80))
async def test_malformed_messages_never_raise(data: bytes) -> None:
    reply = await resolver().answer(data, tcp=False)
    assert reply is None or reply[:2] == data[:2]


def test_resolvers_leave_out_ourselves(tmp_path: Any) -> None:
    (tmp_path / "resolv.conf").write_text("search x\nnameserver 10.96.0.10\nnameserver 9.9.9.9\nnameserver ::1\n")
    assert resolvers(tmp_path / "resolv.conf", exclude=frozenset({"10.96.0.10"})) == ["9.9.9.9"]
