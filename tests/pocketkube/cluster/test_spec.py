"""What a cluster is made of, decided without a machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from pocketkube.cluster import components, pki
from pocketkube.cluster.errors import ClusterError
from pocketkube.cluster.layout import Layout
from pocketkube.cluster.spec import ClusterSpec, Joined, NodeSpec, free_slot


def spec(*, slot: int = 0, nodes: int = 1, **more: Any) -> ClusterSpec:
    hosts = tuple(
        NodeSpec(name=f"n{i}", address=f"10.9.0.{i + 2}", netns=f"ns{i}" if nodes > 1 else "") for i in range(nodes)
    )
    return ClusterSpec(name="t", slot=slot, address="10.9.0.1", nodes=hosts, **more)


def test_a_spec_survives_its_file() -> None:
    made = spec(nodes=2)
    assert ClusterSpec.from_json(made.to_json()) == made


def test_clusters_beside_each_other_share_no_port_and_no_address() -> None:
    specs = [spec(slot=i, api_servers=3, etcd_members=3) for i in range(5)]
    ports = [
        p
        for s in specs
        for p in (s.api_port, s.server_port(1), s.server_port(2), *(x for i in range(3) for x in s.etcd_ports(i)))
    ]
    assert len(ports) == len(set(ports))
    assert len({s.pod_cidr for s in specs}) == len({s.dns_ip for s in specs}) == 5


@pytest.mark.parametrize(
    ("taken", "default", "slot"),
    [(set(), True, 0), ({0}, True, 1), (set(), False, 1), ({1, 2}, False, 3)],
)
def test_slots(taken: set[int], default: bool, slot: int) -> None:
    assert free_slot(taken, default=default) == slot


def test_components_start_in_order_and_carry_their_own_identity(tmp_path: Path) -> None:
    found = components.components(Layout("t", tmp_path), spec())
    assert [c.name for c in found] == ["etcd", "apiserver", "scheduler", "controller", "kubelet", "proxy"]
    configs = [next(a for a in c.argv if a.startswith("--kubeconfig=")) for c in found[2:]]
    assert len(set(configs)) == 4


def test_nodes_in_namespaces_have_an_engine_each(tmp_path: Path) -> None:
    found = components.components(Layout("t", tmp_path), spec(nodes=2))
    engines = [c for c in found if c.name == "engine"]
    assert [e.command()[:2] for e in engines] == [
        ["nsenter", "--net=/run/netns/ns0"],
        ["nsenter", "--net=/run/netns/ns1"],
    ]
    assert len({c.id for c in found}) == len(found)


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_certificates_name_their_subject_and_are_signed_by_the_ca(tmp_path: Path) -> None:
    assert pki.ensure(tmp_path, spec())
    kubelet, ca = load(tmp_path / "kubelet-n0.crt"), load(tmp_path / "ca.crt")
    kubelet.verify_directly_issued_by(ca)
    names = {a.oid: a.value for a in kubelet.subject}
    assert names == {NameOID.COMMON_NAME: "system:node:n0", NameOID.ORGANIZATION_NAME: "system:nodes"}
    assert all(p.stat().st_mode & 0o077 == 0 for p in tmp_path.iterdir())
    assert not pki.ensure(tmp_path, spec()), "a second time makes nothing"


def test_a_server_certificate_is_renewed_when_the_address_changes(tmp_path: Path) -> None:
    pki.ensure(tmp_path, spec())
    before, ca = load(tmp_path / "apiserver.crt"), load(tmp_path / "ca.crt")
    moved = ClusterSpec(name="t", slot=0, address="10.9.9.9", nodes=spec().nodes)
    assert pki.ensure(tmp_path, moved)
    assert load(tmp_path / "apiserver.crt").serial_number != before.serial_number
    assert load(tmp_path / "ca.crt") == ca


@pytest.mark.parametrize("name", ["", "UPPER", "a/b", "-x", "x" * 40, ".."])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ClusterError, match="is no cluster name"):
        Layout.of(name)


def test_replicas_of_all_clusters_have_ports_of_their_own() -> None:
    """Three of everything in every slice: no two processes of one machine want the same port."""
    ports: list[int] = []
    for slot in range(15):
        s = spec(slot=slot, api_servers=3, etcd_members=3)
        ports += [s.api_port, *(s.server_port(i) for i in range(3))]
        ports += [s.replica_port(usual, i) for usual in (10257, 10259) for i in range(3)]
        ports += [p for i in range(3) for p in s.etcd_ports(i)]
    assert len(ports) == len(set(ports))


def test_a_machine_that_joined_runs_no_control_plane(tmp_path: Path) -> None:
    joined = Joined(
        server="https://10.0.0.1:6443", pod_cidr="10.50.0.0/16", service_cidr="10.60.0.0/16", dns_ip="10.60.0.10",
        domain="x.local",
    )  # fmt: skip
    made = ClusterSpec.from_json(spec(joined=joined).to_json())
    found = components.components(Layout("t", tmp_path), made)
    assert [c.name for c in found] == ["kubelet", "proxy"]
    assert {"--cluster-dns=10.60.0.10", "--cluster-domain=x.local"} <= set(found[0].argv)


def test_a_control_plane_that_runs_no_workloads_is_tainted(tmp_path: Path) -> None:
    found = components.components(Layout("t", tmp_path), spec(workloads=False))
    (kubelet,) = (c for c in found if c.name == "kubelet")
    assert "--register-with-taints=node-role.kubernetes.io/control-plane:NoSchedule" in kubelet.argv
    (usual,) = (c for c in components.components(Layout("t", tmp_path), spec()) if c.name == "kubelet")
    assert not any("taint" in a for a in usual.argv)


def test_labels_reach_the_kubelet_and_survive_the_file(tmp_path: Path) -> None:
    made = ClusterSpec.from_json(spec(labels={"a/b": "1", "c": ""}).to_json())
    (kubelet,) = (c for c in components.components(Layout("t", tmp_path), made) if c.name == "kubelet")
    assert "--node-labels=a/b=1,c=" in kubelet.argv


def test_flags_of_a_component_can_be_set(tmp_path: Path) -> None:
    found = components.components(Layout("t", tmp_path), spec(flags={"controller.node-monitor-grace-period": "9s"}))
    assert [c.name for c in found if c.argv[-1] == "--node-monitor-grace-period=9s"] == ["controller"]
