from __future__ import annotations

from kubelet.network.firewall import HostPort, ruleset


def test_rules() -> None:
    ports = [HostPort("TCP", "", 8080, "10.1.0.5", 80), HostPort("UDP", "192.0.2.1", 53, "10.1.0.6", 5353)]
    text = ruleset("t", bridge="br", pod_cidr="10.1.0.0/24", cluster_cidr="10.1.0.0/16", ports=ports)
    assert text.startswith("add table ip t\ndelete table ip t\n")
    assert "    tcp dport 8080 dnat to 10.1.0.5:80" in text
    assert "    ip daddr 192.0.2.1 udp dport 53 dnat to 10.1.0.6:5353" in text
    assert 'ip saddr 10.1.0.0/24 ip daddr != 10.1.0.0/16 ip daddr != 224.0.0.0/4 oifname != "br" masquerade' in text
