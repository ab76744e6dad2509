"""Three of everything in the control plane: any one dies and the cluster goes on. And its state survives in a file."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Cluster, until


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory, kubectl_program: str) -> Iterator[Cluster]:
    made = Cluster("replicas", tmp_path_factory.mktemp("replicas"), kubectl_program)
    made.pk("up", "--nodes", "0", "--api-servers", "3", "--etcd-members", "3", timeout=300)
    try:
        yield made
    finally:
        made.pk("down")


@pytest.mark.parametrize("part", ["balancer-0", "apiserver-0", "apiserver-2", "etcd-0", "etcd-1", "controller-0"])
def test_any_one_may_be_killed(replicas: Cluster, part: str) -> None:
    """Writes go on at once or at the next try, and what was acknowledged is there."""
    pid = next(c["pid"] for c in replicas.status()["components"] if c["id"] == part)
    os.kill(pid, signal.SIGKILL)
    names = [f"{part}-{i}" for i in range(3)]
    for name in names:
        until("a write", lambda name=name: _written(replicas, name), seconds=20)  # type: ignore[misc]
    found = replicas.kubectl("get", "configmaps", "-o", "name").split()
    assert {f"configmap/{name}" for name in names} <= set(found)
    until("it runs again", lambda: _running(replicas, part), seconds=30)


def _written(cluster: Cluster, name: str) -> str:
    return cluster.apply(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n")


def _running(cluster: Cluster, part: str) -> bool:
    return any(c["id"] == part and c["state"] == "running" for c in cluster.status()["components"])


def test_leaders_are_replaced_when_all_were_killed(replicas: Cluster) -> None:
    for pid in [c["pid"] for c in replicas.status()["components"] if c["name"] in ("controller", "scheduler")]:
        os.kill(pid, signal.SIGKILL)
    replicas.kubectl("create", "namespace", "late")
    until("a leader's work", lambda: replicas.kubectl("-n", "late", "get", "serviceaccount", "default"), seconds=60)


def test_a_snapshot_is_the_whole_cluster(replicas: Cluster, tmp_path: Path) -> None:
    saved = tmp_path / "cluster.tar"
    replicas.kubectl("create", "configmap", "before")
    replicas.pk("snapshot", "save", str(saved))
    assert saved.stat().st_mode & 0o077 == 0
    replicas.kubectl("create", "configmap", "after")
    replicas.pk("down")
    replicas.pk("snapshot", "restore", str(saved))
    found = replicas.kubectl("get", "configmaps", "-o", "name").split()
    assert "configmap/before" in found and "configmap/after" not in found
