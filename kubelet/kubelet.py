"""The kubelet put together: what runs in this process, and what feeds what."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from kubelet import flags
from kubelet.certificates import rotation
from kubelet.certificates.self_signed import self_signed
from kubelet.config import KubeletConfig
from kubelet.node import machine
from kubelet.node.agent import NodeAgent
from kubelet.node.eviction import EvictionManager, Signal
from kubelet.node.garbage import GarbageCollector
from kubelet.node.local_storage import LocalStorage
from kubelet.objects import Objects
from kubelet.pods import admission, spec
from kubelet.pods.host import Host
from kubelet.pods.manager import PodManager
from kubelet.pods.mirror import Mirrors
from kubelet.pods.static import StaticPods
from kubelet.runtime.docker import DockerRuntime
from kubelet.runtime.interface import Runtime
from kubelet.server.app import KubeletServer
from kubelet.server.authentication import Gate
from kubelet.stats.summary import Stats
from kubelet.statuses import Statuses
from kubelet.tokens import Tokens
from pocketkube.api.meta import times
from pocketkube.base import serving, tasks, tls
from pocketkube.base.clock import Clock, SystemClock
from pocketkube.client.config import ClientConfig
from pocketkube.client.events import EventRecorder
from pocketkube.client.informer import Informer
from pocketkube.client.resources import NODES, PODS, SERVICES
from pocketkube.client.rest import Client

log = logging.getLogger(__name__)

Obj = dict[str, Any]

SERVICES_SECONDS = 10.0  # that first pods wait for the list of services
NETWORK_SECONDS = 30.0  # between two looks at the pod network's bridge and rules
KEPT_CIDR = "pod-cidr"


class Kubelet:
    def __init__(
        self,
        config: KubeletConfig,
        client_config: ClientConfig,
        *,
        runtime: Runtime | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.config = config
        self.clock = clock or SystemClock()
        self.client = Client(client_config, user_agent="kubelet")
        self.runtime = runtime or docker_runtime(config)
        self.recorder = EventRecorder(self.client, "kubelet", config.node_name)
        self.node = NodeAgent(
            config,
            self.client,
            self.runtime,
            self.clock,
            pressure=lambda: self.eviction.pressure(),
            tell=self._tell_of_node,
        )
        self._renewed_serving: Callable[[], None] = lambda: None
        self._objects = Objects(self.client)
        self._tokens = Tokens(self.client, self.clock)
        own = f"metadata.name={config.node_name}"
        self._nodes = Informer(self.client, NODES, field_selector=own)
        self._pods = Informer(self.client, PODS, field_selector=f"spec.nodeName={config.node_name}")
        self._services = Informer(self.client, SERVICES)
        self.statuses = Statuses(self.client, lambda uid: self.manager.api_pod(uid))
        self.host = Host(
            config=config,
            runtime=self.runtime,
            clock=self.clock,
            objects=self._objects,
            statuses=self.statuses,
            recorder=self.recorder,
            token=self._tokens.get,
            forget_tokens=self._tokens.forget,
            services=self._services.store.list,
            allocatable=self.node.allocatable,
            host_ips=lambda: self.node.addresses,
            machine_memory=self.node.memory,
        )
        self.manager = PodManager(self.host, admit=self._admit)
        self._objects.changed = self.manager.objects_changed
        self.mirrors = Mirrors(self.client, self.manager, self.statuses, lambda: self.node.node)

        self.stats = Stats(
            self.runtime, self.manager, self.node, self.clock, root=config.root_dir, name=config.node_name
        )
        self.garbage = GarbageCollector(config, self.runtime, self.manager, self.clock, disk=self._disk)
        self.eviction = EvictionManager(
            config,
            self.clock,
            measure=self._measure,
            usage=self.stats.usage_of_pods,
            reclaim=self.garbage.reclaim,
            workers=lambda: list(self.manager.workers.values()),
            changed=self.node.poke,
            tell=self._warn,
        )
        self.local_storage = LocalStorage(
            self.stats.storage, self.clock, workers=lambda: list(self.manager.workers.values()), tell=self._warn
        )

    def _warn(self, pod: Obj, reason: str, message: str) -> None:
        self.recorder.event(pod, "Warning", reason, message)

    def _tell_of_node(self, reason: str, message: str) -> None:
        """An event about this node; its name stands for the uid, as upstream, since it may not be registered yet."""
        name = self.config.node_name
        node = {"kind": "Node", "name": name, "uid": name}
        self.recorder.event(node, "Normal", reason, message)

    def _disk(self) -> machine.Disk:
        return machine.disk(self.config.root_dir)

    def _measure(self) -> dict[str, Signal]:
        memory, disk = machine.memory(), self._disk()
        running, limit = machine.processes()
        return {
            "memory.available": Signal(memory.available, memory.total),
            "nodefs.available": Signal(disk.available, disk.capacity),
            "nodefs.inodesFree": Signal(disk.inodes_free, disk.inodes),
            "imagefs.available": Signal(disk.available, disk.capacity),
            "imagefs.inodesFree": Signal(disk.inodes_free, disk.inodes),
            "pid.available": Signal(limit - running, limit),
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; the pods go on without us."""
        (self.config.root_dir / "pods").mkdir(parents=True, exist_ok=True)
        (self.config.root_dir / "pods").chmod(0o750)  # what pods keep there is not for other users of the host
        self._nodes.add_handler(on_add=self._on_node, on_update=lambda old, new: self._on_node(new))
        work = {
            "runtime": self.runtime.run(),
            "network": self._keep_network(),
            "node informer": self._nodes.run(),
            "pod informer": self._pods.run(),
            "service informer": self._services.run(),
            "node status": self.node.run_status(),
            "node lease": self.node.run_lease(),
            "pod sources": self._run_sources(),
            "garbage collector": self.garbage.run(),
            "eviction": self.eviction.run(),
            "local storage": self.local_storage.run(),
            **self._certificates(),
            **self._servers(stop),
        }
        try:
            await tasks.run_tasks(work, stop=stop)
        finally:
            await self.manager.stop()
            await self.runtime.aclose()
            await self.client.aclose()

    def _servers(self, stop: asyncio.Event) -> dict[str, Coroutine[Any, Any, None]]:
        """The authenticated one, the read-only one, the health one."""
        config, stats = self.config, self.stats

        def app(gate: Gate | None) -> KubeletServer:
            return KubeletServer(
                self.runtime, self.manager, stats, self.clock, gate=gate, settings=lambda: flags.to_file(config)
            )

        gate = Gate(config, self.client, self.clock)
        secure = tls.server_context(*self._serving_files(), config.client_ca)
        if self._requests_serving_certificate:
            self._renewed_serving = lambda: secure.load_cert_chain(*self._serving_files())
        servers = {"server": serving.serve(app(gate), host=config.address, port=config.port, tls=secure, stop=stop)}
        for name, host, port in (
            ("read-only server", "127.0.0.1", config.read_only_port),
            ("health server", config.healthz_address, config.healthz_port),
        ):
            if port:
                servers[name] = serving.serve(app(None), host=host, port=port, stop=stop)
        return servers

    @property
    def _requests_serving_certificate(self) -> bool:
        return self.config.rotate_server_certificates and self.config.tls_cert is None

    def _serving_files(self) -> tuple[Path, Path]:
        """Given, or got from the cluster, or made here."""
        config = self.config
        if config.tls_cert is not None and config.tls_key is not None:
            return config.tls_cert, config.tls_key
        got = config.cert_dir / rotation.SERVING
        if self._requests_serving_certificate and got.exists():
            return got, got
        return self_signed(config.cert_dir, name=config.node_name, addresses=self.node.addresses)

    def _certificates(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Renewal of what the cluster has signed for us."""
        config, work = self.config, {}
        client_pem = config.cert_dir / rotation.CURRENT
        if config.rotate_certificates and client_pem.exists():
            wanted = rotation.client_certificate(config.node_name)
            work["client certificate"] = rotation.keep_fresh(self.client, client_pem, wanted, clock=self.clock)
        if self._requests_serving_certificate:
            work["serving certificate"] = rotation.keep_fresh(
                self.client,
                config.cert_dir / rotation.SERVING,
                rotation.serving_certificate(config.node_name, self.node.addresses),
                clock=self.clock,
                renewed=lambda: self._renewed_serving(),
            )
        return work

    def _admit(self, pod: Obj, others: list[Obj]) -> tuple[str, str] | None:
        node = self.node.node
        if node is None:
            return None
        return admission.admit(
            pod,
            others,
            node=node,
            allocatable=self.node.allocatable(),
            unsafe_sysctls=self.config.allowed_unsafe_sysctls,
        )

    # the node

    def _on_node(self, node: Obj) -> None:
        self.node.seen(node)
        cidr = self.config.pod_cidr or (node.get("spec") or {}).get("podCIDR") or ""
        if cidr:
            tasks.spawn("pod network", self._use_cidr(cidr))

    async def _use_cidr(self, cidr: str) -> None:
        kept = self.config.root_dir / KEPT_CIDR
        if not kept.exists() or kept.read_text() != cidr:
            kept.write_text(cidr)
        if self.runtime.problem:
            await self.runtime.ensure_network(cidr)

    async def _keep_network(self) -> None:
        """Begin with the CIDR of last time, for pods that run while no API server answers; then repair what others break."""
        kept = self.config.root_dir / KEPT_CIDR
        while True:
            cidr = self.config.pod_cidr or (kept.read_text() if kept.exists() else "")
            if cidr:
                await self.runtime.ensure_network(cidr)
            await self.clock.sleep(NETWORK_SECONDS)

    def _on_api_pod(self, pod: Obj) -> None:
        self.manager.on_api_pod(pod)
        self.statuses.seen(pod)

    # sources of pods

    async def _run_sources(self) -> None:
        await self.runtime.wait_synced()
        work = {"api pods": self._follow_api()}
        if self.config.static_pod_path is not None:
            static = StaticPods(
                self.config.static_pod_path,
                node=self.config.node_name,
                now=times.now_rfc3339,
                apply=self.manager.apply,
                remove=self._remove_static,
                seconds=self.config.file_check_seconds,
            )
            static.look()
            work |= {"static pods": static.run(), "mirror pods": self.mirrors.run()}
        await tasks.run_tasks(work)

    def _remove_static(self, pod: Obj) -> None:
        self.manager.remove(spec.uid(pod), grace=spec.grace_seconds(pod))
        tasks.spawn("mirror pod", self.mirrors.remove(pod))

    async def _follow_api(self) -> None:
        await self._pods.wait_synced()
        await self._nodes.wait_synced()
        try:
            await asyncio.wait_for(self._services.wait_synced(), SERVICES_SECONDS)
        except TimeoutError:
            log.warning("the services are not known yet: pods start without their variables")
        self._pods.add_handler(
            on_add=self.manager.on_api_pod,
            on_update=lambda old, new: self._on_api_pod(new),
            on_delete=self.manager.on_api_pod_gone,
        )
        self.manager.sources_ready()


def docker_runtime(config: KubeletConfig) -> DockerRuntime:
    endpoint = config.runtime_endpoint
    path = endpoint.removeprefix("unix://")
    # the label by which this node's containers are known on an engine that others use too
    return DockerRuntime(
        path,
        kubelet=str(config.root_dir),
        pause_image=config.infra_image,
        cluster_cidr=config.cluster_cidr,
        mtu=config.mtu,
    )
