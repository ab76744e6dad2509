from __future__ import annotations

from typing import Any

import pytest

from kubelet.pods import dns
from tests.kubelet.world import pod

HOST = dns.parse_resolver("# ours\nnameserver 192.0.2.53\nsearch example.org\noptions timeout:1\n")
CLUSTER = ("default.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.org")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, dns.Resolver(("10.96.0.10",), CLUSTER, ("ndots:5",)), id="cluster first"),
        pytest.param({"hostNetwork": True}, HOST, id="host network falls back to the host's"),
        pytest.param(
            {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"},
            dns.Resolver(("10.96.0.10",), CLUSTER, ("ndots:5",)),
            id="unless it asks",
        ),
        pytest.param({"dnsPolicy": "Default"}, HOST, id="default"),
        pytest.param(
            {
                "dnsPolicy": "None",
                "dnsConfig": {"nameservers": ["1.2.3.4"], "searches": ["a.b"], "options": [{"name": "debug"}]},
            },
            dns.Resolver(("1.2.3.4",), ("a.b",), ("debug",)),
            id="none",
        ),
        pytest.param(
            {"dnsConfig": {"nameservers": ["1.2.3.4", "10.96.0.10"], "options": [{"name": "ndots", "value": "2"}]}},
            dns.Resolver(("10.96.0.10", "1.2.3.4"), CLUSTER, ("ndots:2",)),
            id="merged",
        ),
        pytest.param(
            {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4"]}},
            dns.Resolver(("1.1.1.1", "2.2.2.2", "3.3.3.3"), (), ()),
            id="three nameservers at most",
        ),
    ],
)
def test_resolver(spec: dict[str, Any], expected: dns.Resolver) -> None:
    found = dns.resolver(pod("web", **spec), host=HOST, cluster_dns=["10.96.0.10"], domain="cluster.local")
    assert found == expected


def test_text() -> None:
    text = dns.Resolver(("10.96.0.10",), ("a", "b"), ("ndots:5",)).text()
    assert text == "search a b\nnameserver 10.96.0.10\noptions ndots:5\n"


def test_hosts_of_a_pod() -> None:
    obj = pod("web", subdomain="sub", hostAliases=[{"ip": "192.0.2.9", "hostnames": ["one", "two"]}])
    domain = dns.domain_of(obj, "cluster.local")
    text = dns.hosts(obj, ips=["10.0.0.7"], hostname="web", domain=domain, host_file="")
    assert text.startswith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n")
    assert "10.0.0.7\tweb.sub.default.svc.cluster.local\tweb\n" in text
    assert text.endswith("\n# Entries added by HostAliases.\n192.0.2.9\tone\ttwo\n")


def test_hosts_on_the_host_network() -> None:
    text = dns.hosts(pod("web", hostNetwork=True), ips=[], hostname="web", domain="", host_file="127.0.0.1 localhost\n")
    assert text == "# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n"
