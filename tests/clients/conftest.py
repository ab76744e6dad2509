"""One API server and its etcd for the programs of others: they get a kubeconfig and nothing else."""

from __future__ import annotations

import gc
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pocketkube.cluster import pki
from pocketkube.cluster.spec import ClusterSpec, NodeSpec
from tests.apiserver.test_process import Process
from tests.conftest import ETCD, Etcd


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/clients" in str(item.path):
            item.add_marker(pytest.mark.integration)
            # what their authors have not mended yet is not for our tests to refuse
            item.add_marker(pytest.mark.filterwarnings("default"))


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """What a client leaves open is told of within its own test, which forgives it, and not within the next."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    if not Path(ETCD).exists():
        pytest.skip("etcd is not installed")
    folder = tmp_path_factory.mktemp("clients")
    (folder / "pki").mkdir()
    node = NodeSpec(name="n1", address="127.0.0.1")
    pki.ensure(folder / "pki", ClusterSpec(name="t", slot=0, address="127.0.0.1", nodes=(node,)))
    etcd = Etcd(folder / "etcd")
    etcd.start()
    process = Process(folder, etcd)
    try:
        process.start()
        yield process
    finally:
        process.end(signal.SIGTERM)
        etcd.stop()


@pytest.fixture(scope="session")
def kubeconfig(server: Process) -> str:
    return str(server.kubeconfig())


@pytest.fixture
def environment(kubeconfig: str, tmp_path: Path) -> dict[str, str]:
    """Of a program that keeps what it remembers in a folder of its own."""
    return {**os.environ, "KUBECONFIG": kubeconfig, "HOME": str(tmp_path)}


@pytest.fixture
def namespace(server: Process, request: pytest.FixtureRequest) -> str:
    """A namespace for one test; all of them end with the server."""
    name = re.sub("[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:60]
    with server.client() as client:
        assert client.post("/api/v1/namespaces", json={"metadata": {"name": name}}).status_code == 201
    return name
