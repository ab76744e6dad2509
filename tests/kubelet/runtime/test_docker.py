"""The Docker runtime on a real engine: pods get addresses, outlive their kubelet, and leave nothing behind."""

from __future__ import annotations

import asyncio
import io
import os
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kubelet.config import KubeletConfig
from kubelet.pods.host import Host
from kubelet.pods.manager import PodManager
from kubelet.runtime.docker import DockerRuntime
from kubelet.runtime.interface import LogOptions
from pocketkube.base.clock import SystemClock
from pocketkube.base.tasks import cancel
from tests.kubelet.world import Events, Objects, Statuses

pytestmark = pytest.mark.e2e

Obj = dict[str, Any]

SOCKET = "/var/run/docker.sock"
BUSYBOX = Path("/bin/busybox")
IMAGE = "pocketkube/test-busybox:1"
SECONDS = 60.0


def image() -> None:
    """A root file system with nothing but busybox."""
    from docker import APIClient

    client = APIClient(f"unix://{SOCKET}", version="auto")
    if client.images(IMAGE):
        client.close()
        return
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add(BUSYBOX, "bin/busybox")
        for name in ("sh", "sleep", "echo", "cat", "ping", "hostname", "nc", "id", "ls"):
            entry = tarfile.TarInfo(f"bin/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
    client.import_image_from_data(out.getvalue(), repository=IMAGE.split(":")[0], tag="1", changes=["ENV PATH=/bin"])
    client.close()


class Node:
    """A kubelet's pod manager over the real engine. `kill` leaves everything as kill -9 would."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.changed = asyncio.Event()
        self.statuses = Statuses(self.changed)
        self.pods: dict[str, Obj] = {}

    async def start(self) -> None:
        name = f"test-{os.getpid()}"
        self.runtime = DockerRuntime(
            SOCKET, kubelet=name, pause_image="pocketkube/pause:test", cluster_cidr="10.254.77.0/24"
        )
        self._running = asyncio.create_task(self.runtime.run())
        await asyncio.wait_for(self.runtime.wait_synced(), SECONDS)
        await self.runtime.ensure_network("10.254.77.0/24")
        assert self.runtime.problem == ""

        async def token(pod: Obj, source: Obj) -> str:
            return "token"

        host = Host(
            config=KubeletConfig(node_name="node-1", root_dir=self._root),
            runtime=self.runtime,
            clock=SystemClock(),
            objects=Objects(),
            statuses=self.statuses,
            recorder=Events(asyncio.Event()),
            token=token,
            host_ips=lambda: ("192.0.2.1",),
            machine_memory=8 << 30,
        )
        self.manager = PodManager(host, admit=lambda pod, others: None)
        for obj in self.pods.values():
            self.manager.on_api_pod({**obj, "status": self.statuses.now.get(obj["metadata"]["uid"], {})})
        self.manager.sources_ready()

    async def kill(self) -> None:
        await self.manager.stop()
        await cancel(self._running)
        await self.runtime.aclose()

    def add(self, name: str, *containers: Obj, **spec: Any) -> str:
        uid = f"e2e-{name}-{os.getpid()}"
        meta = {"name": name, "namespace": "default", "uid": uid}
        body = {"restartPolicy": "Always", "terminationGracePeriodSeconds": 1, "containers": list(containers), **spec}
        self.pods[uid] = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": body, "status": {}}
        self.manager.on_api_pod(self.pods[uid])
        return uid

    def delete(self, uid: str) -> None:
        gone = self.pods.pop(uid)
        meta = {**gone["metadata"], "deletionTimestamp": "now", "deletionGracePeriodSeconds": 1}
        self.manager.on_api_pod({**gone, "metadata": meta})

    async def until(self, holds: Any) -> None:
        async with asyncio.timeout(SECONDS):
            while not holds():
                self.changed.clear()
                await self.changed.wait()

    def ready(self, uid: str) -> bool:
        conditions = self.statuses.now.get(uid, {}).get("conditions") or ()
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    async def run(self, uid: str, *command: str) -> tuple[int, str]:
        record = self.runtime.records[uid].running()[0]
        code, output = await self.runtime.exec_command(record, list(command), seconds=SECONDS)
        return code, output.decode()


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    await asyncio.to_thread(image)
    made = Node(tmp_path)
    await made.start()
    yield made
    for uid in list(made.pods):
        made.delete(uid)
    await made.until(lambda: not made.manager.workers)
    assert not made.runtime.records
    await asyncio.to_thread(made.runtime.remove_network)
    await made.kill()


def sleeper(name: str = "c", **fields: Any) -> Obj:
    return {"name": name, "image": IMAGE, "command": ["sleep", "3600"], **fields}


async def test_pods_reach_each_other_and_themselves(node: Node) -> None:
    one, other = node.add("one", sleeper()), node.add("other", sleeper())
    await node.until(lambda: node.ready(one) and node.ready(other))
    ips = [node.statuses.now[uid]["podIP"] for uid in (one, other)]
    assert len(set(ips)) == 2
    for ip in ips:
        code, output = await node.run(one, "ping", "-c", "1", "-w", "5", ip)
        assert code == 0, output
    code, hosts = await node.run(one, "cat", "/etc/hosts")
    assert hosts.startswith("# Kubernetes-managed hosts file.") and f"{ips[0]}\tone" in hosts


async def test_containers_of_a_pod_share_network_volumes_and_see_their_limits(node: Node) -> None:
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    server = sleeper(
        "a", command=["sh", "-c", "echo hi > /v/f; while true; do echo answer | nc -l -p 8080; done"], **mount
    )
    uid = node.add("pair", sleeper("b", **mount), server, volumes=[{"name": "v", "emptyDir": {}}])
    await node.until(lambda: node.ready(uid))
    b = node.runtime.records[uid].latest("b")
    assert b is not None
    code, output = await node.runtime.exec_command(
        b, ["sh", "-c", "sleep 0.3; cat /v/f; nc 127.0.0.1 8080"], seconds=10
    )
    assert (code, output) == (0, b"hi\nanswer\n")


async def test_a_killed_kubelet_restarts_nothing(node: Node) -> None:
    uid = node.add("steady", sleeper())
    await node.until(lambda: node.ready(uid))
    before = node.runtime.records[uid].running()[0].id
    await node.kill()
    await node.start()
    await node.until(lambda: node.ready(uid))
    assert node.runtime.records[uid].running()[0].id == before
    assert node.statuses.now[uid]["containerStatuses"][0]["restartCount"] == 0


async def test_a_killed_container_comes_back_and_is_counted(node: Node) -> None:
    uid = node.add("fragile", sleeper())
    await node.until(lambda: node.ready(uid))
    await node.runtime.signal_container(node.runtime.records[uid].running()[0], "SIGKILL")
    await node.until(lambda: node.ready(uid) and node.statuses.now[uid]["containerStatuses"][0]["restartCount"] == 1)
    last = node.statuses.now[uid]["containerStatuses"][0]["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (137, "Error")


async def test_what_it_says_and_why_it_ended(node: Node) -> None:
    script = "echo out; echo err >&2; echo because > /dev/termination-log; exit 3"
    uid = node.add("short", sleeper(command=["sh", "-c", script]), restartPolicy="Never")
    await node.until(lambda: node.statuses.now.get(uid, {}).get("phase") == "Failed")
    ended = node.statuses.now[uid]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["message"]) == (3, "because\n")
    record = node.runtime.records[uid].latest("c")
    assert record is not None
    said = [chunk async for chunk in node.runtime.logs(record, LogOptions())]
    assert sorted(said) == [(1, b"out\n"), (2, b"err\n")]


async def test_a_command_that_is_not_there(node: Node) -> None:
    uid = node.add("typo", sleeper(command=["no-such-program"]))
    await node.until(lambda: "CrashLoopBackOff" in str(node.statuses.now.get(uid)))
    last = node.statuses.now[uid]["containerStatuses"][0]["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (128, "StartError")
    assert "no-such-program" in last["message"]
