"""Each file that CONTRIBUTING.md shows is put into its package, found there by the scan, and does what it says."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from apiserver import admission
from apiserver.memory_cluster import MemoryCluster
from controller import manager
from controller.context import Context
from controller.options import Options
from kubectl import commands
from kubectl.__main__ import DEFAULTS, build_parser
from kubectl.session import Session
from kubelet.pods.environment import Surroundings
from kubelet.volumes.interface import Request, VolumeFailure
from kubelet.volumes.pod_volumes import types
from pocketkube.api import scheme
from pocketkube.api.meta import errors
from pocketkube.base import plugins, tasks
from pocketkube.base.clock import SystemClock
from pocketkube.client.config import ClientConfig
from pocketkube.client.events import EventRecorder
from pocketkube.client.informer import Informers
from pocketkube.client.memory_server import MemoryServer
from pocketkube.client.resources import NODES
from pocketkube.client.rest import Client
from proxy.__main__ import parser as proxy_parser
from proxy.backends import Backend, Host
from proxy.model import Endpoint, ServicePort
from scheduler.framework import Handle
from scheduler.profile import DEFAULT, Chosen, Profile, available
from tests.apiserver.admission.conftest import request as admission_request
from tests.docs.snippets import ROOT, added, titled
from tests.scheduler.conftest import Bench
from tests.scheduler.objects import make_node, make_pod

Obj = dict[str, Any]

SNIPPETS = titled("CONTRIBUTING.md")
CONSTANTS = {
    "pocketkube/api/kinds/tools/backup.py": "KIND",
    "controller/loops/node_zone.py": "CONTROLLER",
    "scheduler/plugins/quiet_nodes.py": "PLUGIN",
    "kubelet/volumes/plugins/gitrepo.py": "VOLUME",
    "apiserver/admission/plugins/namespace_owner.py": "ADMISSION",
    "kubectl/commands/hosts.py": "COMMAND",
    "proxy/backends/listing.py": "BACKEND",
}


@pytest.fixture
def add(tmp_path: Path) -> Iterator[Callable[[str], ModuleType]]:
    """`add(title)`: that file of the page, in its package until the test's end."""
    with contextlib.ExitStack() as stack:
        yield lambda title: stack.enter_context(added(title, SNIPPETS[title], tmp_path / "snippet"))


Add = Callable[[str], ModuleType]


@pytest.fixture
async def server() -> AsyncIterator[MemoryServer]:
    async with MemoryServer() as made:
        yield made


def test_every_file_on_the_page_is_tested_here() -> None:
    assert list(SNIPPETS) == list(CONSTANTS)


@pytest.mark.parametrize(("title", "constant"), CONSTANTS.items(), ids=CONSTANTS.values())
def test_the_scan_finds_it(title: str, constant: str, add: Add) -> None:
    package, _, stem = title.removesuffix(".py").replace("/", ".").rpartition(".")
    made = add(title)
    assert plugins.scan(package, constant)[stem] is getattr(made, constant)


def test_the_files_are_clean(tmp_path: Path) -> None:
    for title, code in SNIPPETS.items():
        (tmp_path / Path(title).name).write_text(code)
    configuration = ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    for words in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *words, *configuration, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_kind(add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = add("pocketkube/api/kinds/tools/backup.py").KIND
    monkeypatch.setattr(scheme, "GROUP_FOLDERS", (*scheme.GROUP_FOLDERS, "tools"))
    assert [known for known in scheme.builtin().kinds() if known.plural == "backups"] == [kind]
    obj = {
        "apiVersion": "tools.example.org/v1",
        "kind": "Backup",
        "metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"claim": "data", "more": 1},
    }
    assert kind.schema.decode(obj, mode="Warn") == ['unknown field "spec.more"']
    kind.default(obj)
    assert obj["spec"] == {"claim": "data", "keep": 7}
    assert kind.validate(obj) == []
    assert kind.row(obj, datetime(2026, 1, 2, tzinfo=UTC)) == ["a", "data", "24h"]
    assert len(kind.validate({"spec": {"keep": 0}})) == 2


async def test_controller(add: Add, server: MemoryServer) -> None:
    loop = add("controller/loops/node_zone.py").CONTROLLER
    assert manager.known()["node-zone-controller"] is loop
    server.put(NODES, {"metadata": {"name": "n1", "labels": {"example.org/pool": "west"}}})
    client, clock = Client(ClientConfig(server=server.url)), SystemClock()
    informers, events = Informers(client), EventRecorder(client, loop.name)
    context = Context(client, informers, events, clock, Options(), client, set())
    done = asyncio.Event()
    running = tasks.run_tasks({"loop": loop.start(context), "informers": informers.run()}, stop=done)
    task = asyncio.create_task(running)
    await server.wait_for(
        lambda: server.all(NODES)[0]["metadata"]["labels"].get("topology.kubernetes.io/zone") == "west"
    )
    done.set()
    await task
    await client.aclose()


async def test_scheduler_plugin(add: Add) -> None:
    plugin = add("scheduler/plugins/quiet_nodes.py").PLUGIN
    assert available()["QuietNodes"] is plugin
    bench = Bench()
    handle = Handle(bench.snapshot, bench.client, bench.informers, EventRecorder(bench.client, "default-scheduler"))
    bench.profile = Profile(handle, [*DEFAULT, Chosen("QuietNodes")])
    bench.nodes(make_node("library", labels={"noise": "quiet"}))
    assert bench.where(make_pod("reader")) == "library"
    assert bench.where(make_pod("band", labels={"noise": "loud"})) == ""
    assert "node(s) wanted quiet pods" in bench.why(make_pod("band", labels={"noise": "loud"}))


async def test_volume_type(add: Add, tmp_path: Path) -> None:
    volume = add("kubelet/volumes/plugins/gitrepo.py").VOLUME
    types.cache_clear()
    try:
        assert types()["gitRepo"] is volume
    finally:
        types.cache_clear()
    repository, folder = tmp_path / "repository", tmp_path / "volume"
    git("init", "--quiet", str(repository))
    (repository / "page").write_text("hello")
    git("-C", str(repository), "add", "page")
    git("-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "page")
    first = await volume.set_up(mount({"repository": str(repository), "revision": "HEAD"}, folder))
    again = await volume.set_up(mount({"repository": str(repository)}, folder))
    assert first == again and (first.path / "page").read_text() == "hello"
    with pytest.raises(VolumeFailure, match="does not exist"):
        await volume.set_up(mount({"repository": str(tmp_path / "nothing")}, tmp_path / "other"))


def git(*words: str) -> None:
    subprocess.run(["git", *words], check=True, capture_output=True)


def mount(source: Obj, folder: Path) -> Request:
    async def token(body: Obj) -> str:
        raise AssertionError(body)

    async def lookup(kind: str, namespace: str, name: str) -> Obj | None:
        return None

    return Request(
        pod={"spec": {}}, name="site", source=source, folder=folder, around=Surroundings(), token=token, lookup=lookup
    )


async def test_admission_plugin(add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    add("apiserver/admission/plugins/namespace_owner.py")
    monkeypatch.setattr(admission, "ORDER", (*admission.ORDER, "NamespaceOwner"))
    assert "NamespaceOwner" not in [p.name for p in admission.build(MemoryCluster()).plugins]
    chain = admission.build(MemoryCluster(), ["NamespaceOwner"])
    owned: Obj = {"metadata": {"name": "shop", "labels": {"example.org/owner": "ada"}}}
    await chain.validate(admission_request("CREATE", "namespaces", owned))
    with pytest.raises(errors.Forbidden, match=r"a namespace must have the label example\.org/owner"):
        await chain.validate(admission_request("CREATE", "namespaces", {"metadata": {"name": "shop"}}))


async def test_cli_verb(add: Add, server: MemoryServer, tmp_path: Path) -> None:
    add("kubectl/commands/hosts.py")
    found = commands.find("hosts")
    assert found is not None and found[1].run is not None
    node = {"metadata": {"name": "n1"}, "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.7"}]}}
    server.put(NODES, node)
    config = tmp_path / "config"
    config.write_text(json.dumps(kubeconfig(server.url)))
    words = build_parser("hosts", found[1]).parse_args(["--kubeconfig", str(config)])
    out = io.StringIO()
    session = Session(argparse.Namespace(**{**DEFAULTS, **vars(words)}), out=out)
    assert await found[1].run(session, session.args) == 0
    await session.close()
    assert out.getvalue() == "10.0.0.7\tn1\n"


def kubeconfig(url: str) -> Obj:
    return {
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "contexts": [{"name": "c", "context": {"cluster": "c"}}],
        "current-context": "c",
    }


async def test_proxy_backend(add: Add, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = add("proxy/backends/listing.py").BACKEND
    assert proxy_parser().parse_args(["--proxy-mode", "listing"]).proxy_mode == "listing"
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    backend: Backend = make(Host(table="t"))
    listing = tmp_path / "t.services"
    web = ServicePort(
        name="shop/web:", protocol="TCP", port=80, cluster_ips=("10.96.0.9",), endpoints=(Endpoint("10.244.0.2", 8080),)
    )
    await backend.apply({"shop/web": [web]}, everything=True)
    assert listing.read_text() == "shop/web: TCP 10.96.0.9:80 10.244.0.2:8080\n"
    await backend.apply({"shop/web": []}, everything=False)
    assert listing.read_text() == ""
    await backend.cleanup()
    assert not listing.exists()
