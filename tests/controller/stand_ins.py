"""What a controller manager meets in a cluster: an API server on a socket (over a memory store), and a kubelet that pretends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from controller.manager import Manager
from controller.options import Options
from pocketkube.api.meta import errors
from pocketkube.api.meta.times import now_rfc3339
from pocketkube.base import serving, tasks
from pocketkube.client.config import ClientConfig
from pocketkube.client.informer import Informer
from pocketkube.client.resources import NODES, PODS, Resource
from pocketkube.client.rest import Client
from tests.apiserver.server import running
from tests.conftest import free_port

Obj = dict[str, Any]

WAIT_SECONDS = 15.0


class PretendKubelet:
    """Binds every pod to a node, makes it Running and Ready, and lets deleted ones go. Pods that do not restart succeed,
    or fail if their image is `fail`; the image `slow` never gets ready."""

    def __init__(self, client: Client, *nodes: str):
        self._client, self._nodes, self._count = client, nodes, 0
        self.pods = Informer(client, PODS)
        self.pods.add_handler(on_add=self._seen, on_update=lambda old, new: self._seen(new))

    async def run(self) -> None:
        for name in self._nodes:
            await self._client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
            await self.heartbeat(name)
        await self.pods.run()

    async def heartbeat(self, name: str) -> None:
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now_rfc3339()}
        await self._client.patch(
            NODES, name, {"status": {"conditions": [ready]}}, type="strategic", subresource="status"
        )

    def _seen(self, pod: Obj) -> None:
        tasks.spawn("pretend kubelet", self._step(pod))

    async def _step(self, pod: Obj) -> None:
        try:
            await self._advance(pod)
        except (errors.NotFound, errors.Conflict):
            return

    async def _advance(self, pod: Obj) -> None:
        metadata, phase = pod["metadata"], pod["status"].get("phase")
        name, namespace = metadata["name"], metadata["namespace"]
        if metadata.get("deletionTimestamp"):
            if phase not in ("Succeeded", "Failed"):
                await self._status(pod, phase="Failed")
            await self._client.delete(PODS, name, namespace, grace=0, uid=metadata["uid"])
        elif not pod["spec"].get("nodeName"):
            self._count += 1
            target = {"kind": "Node", "name": self._nodes[self._count % len(self._nodes)]}
            binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
            await self._client.create(PODS, binding, namespace, name=name, subresource="binding")
        elif phase == "Pending":
            image = pod["spec"]["containers"][0]["image"]
            self._count += 1
            ip = f"10.244.1.{self._count % 250}"
            await self._status(pod, phase="Running", podIP=ip, podIPs=[{"ip": ip}], ready=image != "slow")
        elif phase == "Running" and pod["spec"].get("restartPolicy") != "Always":
            failed = pod["spec"]["containers"][0]["image"] == "fail"
            await self._status(pod, phase="Failed" if failed else "Succeeded")

    async def _status(self, pod: Obj, *, ready: bool = False, **status: Any) -> None:
        condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": now_rfc3339()}
        patch = {"status": {**status, "startTime": now_rfc3339(), "conditions": [condition]}}
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        await self._client.patch(PODS, name, patch, namespace=namespace, type="strategic", subresource="status")


class Cluster:
    """An API server, the manager under test and two pretended nodes."""

    def __init__(self, client: Client, kubelet: PretendKubelet):
        self.client, self.kubelet = client, kubelet

    async def until(
        self, resource: Resource, name: str, holds: Callable[[Obj], Any], namespace: str = "default"
    ) -> Obj:
        """The object, once `holds` of it; watched, not polled."""
        found = Informer(self.client, resource, namespace=namespace if resource.namespaced else "", transform=None)
        done: asyncio.Future[Obj] = asyncio.get_running_loop().create_future()

        def look(obj: Obj) -> None:
            if obj["metadata"]["name"] == name and not done.done() and holds(obj):
                done.set_result(obj)

        found.add_handler(on_add=look, on_update=lambda old, new: look(new))
        await self._await(found, done, f"{resource.qualified} {name}")
        return done.result()

    async def until_gone(self, resource: Resource, namespace: str = "", *, name: str = "") -> None:
        """No object of the resource (or of that name) is left."""
        found = Informer(self.client, resource, namespace=namespace)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def look(old: Obj | None = None) -> None:
            left = [o for o in found.store.list() if not name or o["metadata"]["name"] == name]
            if not left and not done.done():
                done.set_result(None)

        async def after_sync() -> None:
            await found.wait_synced()
            look()

        found.add_handler(on_delete=look)
        checking = asyncio.create_task(after_sync())
        await self._await(found, done, f"no {resource.qualified}")
        await checking

    async def _await(self, informer: Informer, done: asyncio.Future[Any], what: str) -> None:
        running = asyncio.create_task(informer.run())
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await done
        except TimeoutError:
            raise AssertionError(f"never seen: {what}; last: {informer.store.list()}") from None
        finally:
            await tasks.cancel(running)


@asynccontextmanager
async def cluster(folder: Path, **options: Any) -> AsyncIterator[Cluster]:
    """`options` are the manager's flags."""
    port = free_port()
    key = _service_account_key(folder)
    async with running(folder, service_account_signing_key_file=str(key)) as inside:
        stop, ready = asyncio.Event(), asyncio.Event()
        serve = serving.serve(
            inside.server.app, host="127.0.0.1", port=port, stop=stop, on_ready=ready.set, shutdown_seconds=1
        )
        serving_task = asyncio.create_task(serve)
        await ready.wait()
        client = Client(ClientConfig(server=f"http://127.0.0.1:{port}", token="admin-token"))
        wanted = {"leader_elect": False, "secure_port": 0, "use_service_account_credentials": True, **options}
        manager = Manager(client, Options(service_account_private_key_file=str(key), **wanted))
        kubelet = PretendKubelet(client, "node-1", "node-2")
        working = [asyncio.create_task(manager.run(stop)), asyncio.create_task(kubelet.run())]
        try:
            yield Cluster(client, kubelet)
        finally:
            await tasks.cancel(*working)
            stop.set()
            await client.aclose()
            await serving_task


def _service_account_key(folder: Path) -> Path:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    path = folder / "sa.key"
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return path
