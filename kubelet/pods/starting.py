"""Starts containers of a pod in its sandbox: image, environment, volumes and creation side by side, starts in order.

Nothing here waits for what could go on beside it: while the infra container starts, images are checked, volumes are set up and the
containers are created; only the starts themselves wait for the sandbox.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from kubelet import metrics
from kubelet.pods import dns, environment, messages, spec
from kubelet.pods.container_config import Making, container_config
from kubelet.pods.environment import ConfigError, Surroundings
from kubelet.pods.hooks import HookFailure
from kubelet.pods.host import Host
from kubelet.pods.images import ImageProblem
from kubelet.pods.killing import Deadline
from kubelet.pods.paths import PodPaths
from kubelet.pods.plan import Start
from kubelet.runtime.interface import (
    ContainerRecord,
    EngineDown,
    ImageRecord,
    PortMapping,
    RuntimeFailure,
    SandboxConfig,
    SandboxRecord,
)
from kubelet.volumes import pod_volumes
from kubelet.volumes.interface import VolumeFailure

log = logging.getLogger(__name__)

Obj = dict[str, Any]
HOSTS = Path("/etc/hosts")
CONFIG_RETRY = 10.0  # seconds until a container that could not be configured is tried again


class Unready(Exception):
    """The pod cannot go on now; try again in `retry` seconds. What there is to tell has been told."""

    def __init__(self, retry: float) -> None:
        super().__init__()
        self.retry = retry


class Starter:
    """Of one pod. `waiting` is what its status shows of containers that do not run; `retry` seconds until the next try is due."""

    def __init__(self, host: Host, paths: PodPaths, volumes: pod_volumes.PodVolumes) -> None:
        self._host, self._paths, self._volumes = host, paths, volumes
        self.waiting: dict[str, tuple[str, str]] = {}
        self.retry: float | None = None
        self._mount_retry = 0.5

    def sandbox_config(self, pod: Obj, attempt: int, ip: str) -> SandboxConfig:
        body = pod["spec"]
        context = body.get("securityContext") or {}
        return SandboxConfig(
            pod_uid=spec.uid(pod),
            pod_name=pod["metadata"]["name"],
            pod_namespace=pod["metadata"].get("namespace", "default"),
            attempt=attempt,
            hostname=self._hostname(pod),
            host_network=spec.host_network(pod),
            host_pid=bool(body.get("hostPID")),
            host_ipc=bool(body.get("hostIPC")),
            sysctls={entry["name"]: entry["value"] for entry in context.get("sysctls") or ()},
            ports=tuple(_ports(pod)),
            ip=ip,
        )

    def _hostname(self, pod: Obj) -> str:
        name = spec.hostname(pod)
        domain = dns.domain_of(pod, self._host.config.cluster_domain)
        return f"{name}.{domain}"[:64] if domain and pod["spec"].get("setHostnameAsFQDN") else name

    async def surroundings(self, pod: Obj, sandbox: SandboxRecord | None) -> Surroundings:
        """With every object that the pod's volumes and environments name. Raises what a request raises."""
        wanted = pod_volumes.references(pod)
        for container in spec.all_containers(pod):
            wanted |= environment.references(container)
        meta = pod["metadata"]
        objects = (
            await self._host.objects.fetch(spec.uid(pod), meta.get("namespace", "default"), wanted) if wanted else {}
        )
        host_ips = list(self._host.host_ips())
        ips = [sandbox.ip] if sandbox is not None and sandbox.ip else host_ips if spec.host_network(pod) else []
        return Surroundings(
            objects=objects,
            services=self._host.services(),
            ips=ips,
            host_ips=host_ips,
            allocatable=self._host.allocatable(),
        )

    async def start(
        self,
        pod: Obj,
        starts: Sequence[Start],
        sandbox: SandboxRecord,
        *,
        running: Awaitable[None] | None,
        publish: Callable[[], None],
    ) -> int:
        """Returns how many were started, in vain or not. `running`, of a new sandbox, ends once it runs.

        Problems of single containers end up in `waiting` and as events. Raises Unready.
        """
        self.retry, started = None, 0
        around = await self.set_up_volumes(pod, sandbox)
        prepared = [asyncio.create_task(self._prepare(pod, s, sandbox, around)) for s in starts]
        try:
            if running is not None:
                await running
            for start, task in zip(starts, prepared, strict=True):
                record = await task
                if record is not None:
                    started += 1
                    await self._run(pod, start.container, record, publish)
            return started
        finally:
            for task in prepared:
                if not task.done():
                    task.cancel()
            await asyncio.gather(*prepared, return_exceptions=True)

    async def set_up_volumes(self, pod: Obj, sandbox: SandboxRecord) -> Surroundings:
        try:
            around = await self.surroundings(pod, sandbox)
            self._write_files(pod, around)
            await self._volumes.set_up(pod, around)
        except VolumeFailure as e:
            self._host.recorder.event(pod, "Warning", "FailedMount", str(e))
            retry, self._mount_retry = self._mount_retry, min(self._mount_retry * 2, 122.0)
            raise Unready(retry) from e
        self._mount_retry = 0.5
        return around

    def _write_files(self, pod: Obj, around: Surroundings) -> None:
        """/etc/hosts, resolv.conf and hostname of the pod, as they must be now."""
        config = self._host.config
        self._paths.pod.mkdir(parents=True, exist_ok=True)
        hostname, domain = spec.hostname(pod), dns.domain_of(pod, config.cluster_domain)
        host_file = HOSTS.read_text() if spec.host_network(pod) and HOSTS.exists() else ""
        _write(self._paths.hosts, dns.hosts(pod, ips=around.ips, hostname=hostname, domain=domain, host_file=host_file))
        try:
            own = dns.parse_resolver(config.resolv_conf.read_text())
        except OSError:
            own = dns.Resolver()
        resolver = dns.resolver(pod, host=own, cluster_dns=config.cluster_dns, domain=config.cluster_domain)
        _write(self._paths.resolver, resolver.text())
        _write(self._paths.hostname, self._hostname(pod) + "\n")

    async def _prepare(
        self, pod: Obj, start: Start, sandbox: SandboxRecord, around: Surroundings
    ) -> ContainerRecord | None:
        """Everything up to the created container; None if it must wait, for a reason that is then in `waiting`."""
        container, name = start.container, start.container["name"]
        tell = self._teller(pod, container)
        try:
            if start.stale is not None:
                await self._host.runtime.remove_container(start.stale)
            image = await self._host.images.ensure(pod, container, await self._pull_secrets(pod), tell)
            record = await self._create(pod, start, sandbox, around, image)
        except ImageProblem as e:
            self._wait(name, e.reason, e.message, e.retry)
        except ConfigError as e:
            tell("Warning", "Failed", f"Error: {e}")
            self._wait(name, "CreateContainerConfigError", str(e), CONFIG_RETRY)
        except EngineDown:
            raise
        except (RuntimeFailure, OSError) as e:
            tell("Warning", "Failed", f"Error: {e}")
            self._wait(name, "CreateContainerError", str(e), CONFIG_RETRY)
        else:
            tell("Normal", "Created", f"Created container: {name}")
            return record
        return None

    def _wait(self, name: str, reason: str, message: str, retry: float) -> None:
        self.waiting[name] = reason, message
        self.retry = min(retry, self.retry) if self.retry is not None else retry

    async def _pull_secrets(self, pod: Obj) -> list[Obj]:
        names = [entry.get("name", "") for entry in pod["spec"].get("imagePullSecrets") or ()]
        if not names:
            return []
        namespace = pod["metadata"].get("namespace", "default")
        found = await self._host.objects.fetch(spec.uid(pod), namespace, {("secret", name) for name in names})
        return list(found.values())

    async def _create(
        self, pod: Obj, start: Start, sandbox: SandboxRecord, around: Surroundings, image: ImageRecord
    ) -> ContainerRecord:
        container = start.container
        config = self._host.config
        making = Making(
            pod=pod,
            paths=self._paths,
            around=around,
            image=image,
            attempt=start.attempt,
            sandbox_attempt=sandbox.attempt,
            mount_path=lambda mount, index, env: self._volumes.path(container, mount, index, env),
            extra_groups=self._volumes.groups,
            machine_memory=self._host.machine_memory,
            pids=max(config.pod_pids_limit, 0),
            seccomp_default=config.seccomp_default,
            read_profile=lambda name: (config.root_dir / "seccomp" / name).read_text(),
            target=self._target(pod, container),
        )
        wanted = container_config(container, making)
        messages.prepare(self._paths.termination_message(container["name"], start.attempt))
        return await self._host.runtime.create_container(sandbox, wanted)

    def _target(self, pod: Obj, container: Obj) -> str:
        """The container whose processes an ephemeral one looks at."""
        name = container.get("targetContainerName")
        records = self._host.runtime.records.get(spec.uid(pod))
        found = records.latest(name) if name and records else None
        return found.id if found is not None and found.state == "running" else ""

    async def _run(self, pod: Obj, container: Obj, record: ContainerRecord, publish: Callable[[], None]) -> None:
        name, tell = container["name"], self._teller(pod, container)
        try:
            await self._host.runtime.start_container(record)
        except EngineDown:
            raise
        except RuntimeFailure as e:
            metrics.START_ERRORS.inc()
            tell("Warning", "Failed", f"Error: failed to start container {name!r}: {e}")
            self.waiting[name] = "RunContainerError", str(e)
            return
        self.waiting.pop(name, None)
        metrics.STARTED_CONTAINERS.inc()
        tell("Normal", "Started", f"Started container {name}")
        publish()
        if handler := (container.get("lifecycle") or {}).get("postStart"):
            await self._post_start(pod, container, record, handler)

    async def _post_start(self, pod: Obj, container: Obj, record: ContainerRecord, handler: Obj) -> None:
        try:
            await self._host.hooks.run(pod, container, record, handler)
        except HookFailure as e:
            tell = self._teller(pod, container)
            tell("Warning", "FailedPostStartHook", f"PostStartHook failed: {e}")
            tell("Normal", "Killing", "FailedPostStartHook")
            grace = spec.grace_seconds(pod)
            await self._host.killer.kill(pod, record, grace=grace, deadline=Deadline())
            self.waiting[container["name"]] = "PostStartHookError", str(e)

    def _teller(self, pod: Obj, container: Obj) -> Callable[[str, str, str], None]:
        path = spec.field_path(pod, container["name"])
        return lambda type, reason, message: self._host.recorder.event(pod, type, reason, message, field_path=path)


def _ports(pod: Obj) -> list[PortMapping]:
    if spec.host_network(pod):
        return []
    return [
        PortMapping(
            container_port=int(port["containerPort"]),
            host_port=int(port["hostPort"]),
            protocol=port.get("protocol") or "TCP",
            host_ip=port.get("hostIP") or "",
        )
        for container in (*spec.init_containers(pod), *spec.containers(pod))
        for port in container.get("ports") or ()
        if port.get("hostPort")
    ]


def _write(path: Path, text: str) -> None:
    """In place: the file may be bound into containers."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
        path.chmod(0o644)
