"""A container of a pod as the engine is asked to create it. Pure, but for creating what is bound in (in files.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kubelet.pods import resources, security, spec
from kubelet.pods.environment import ConfigError, Surroundings, container_environment
from kubelet.pods.expansion import expand
from kubelet.pods.paths import PodPaths
from kubelet.pods.plan import HASH
from kubelet.runtime.interface import ContainerConfig, ImageRecord, Mount

Obj = dict[str, Any]

DEFAULT_MESSAGE_PATH = "/dev/termination-log"
PROPAGATIONS = {"HostToContainer": "rslave", "Bidirectional": "rshared"}


@dataclass(frozen=True, kw_only=True)
class Making:
    """What making a container of a pod needs. `mount_path(mount, index)` gives the host path of a volume mount."""

    pod: Obj
    paths: PodPaths
    around: Surroundings
    image: ImageRecord
    attempt: int
    sandbox_attempt: int
    mount_path: Callable[[Obj, int, Mapping[str, str]], str]
    extra_groups: tuple[int, ...] = ()
    machine_memory: int = 0
    pids: int = 0
    seccomp_default: bool = False
    read_profile: Callable[[str], str] = lambda path: ""
    target: str = ""
    cgroup_parent: str = ""


def container_config(container: Obj, making: Making) -> ContainerConfig:
    """Raises ConfigError."""
    pod, meta = making.pod, making.pod["metadata"]
    env = container_environment(pod, container, making.around)
    body = pod["spec"]
    command, args = _words(container, "command", env), _words(container, "args", env)
    if not command and not args and not making.image.has_command:
        raise ConfigError("no command specified")
    return ContainerConfig(
        pod_uid=spec.uid(pod),
        pod_name=meta["name"],
        pod_namespace=meta.get("namespace", "default"),
        name=container["name"],
        image=container.get("image", ""),
        image_id=making.image.id,
        attempt=making.attempt,
        sandbox_attempt=making.sandbox_attempt,
        command=command,
        args=args,
        env=tuple(f"{name}={value}" for name, value in env.items()),
        working_dir=expand(container.get("workingDir") or "", env),
        mounts=(*_own_mounts(container, making), *_volume_mounts(container, making, env)),
        tty=bool(container.get("tty")),
        stdin=bool(container.get("stdin")),
        stdin_once=bool(container.get("stdinOnce")),
        host_pid=bool(body.get("hostPID")),
        host_ipc=bool(body.get("hostIPC")),
        share_pid=bool(body.get("shareProcessNamespace")),
        target=making.target,
        resources=resources.of_container(pod, container, machine_memory=making.machine_memory, pids=making.pids),
        security=security.of_container(
            pod,
            container,
            image_user=making.image.user,
            extra_groups=making.extra_groups,
            read_profile=making.read_profile,
            seccomp_default=making.seccomp_default,
        ),
        cgroup_parent=making.cgroup_parent,
        labels={HASH: spec.container_hash(container)},
    )


def _words(container: Obj, name: str, env: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(expand(word, env) for word in container.get(name) or ())


def message_path(container: Obj) -> str:
    return str(container.get("terminationMessagePath") or DEFAULT_MESSAGE_PATH)


def _own_mounts(container: Obj, making: Making) -> list[Mount]:
    """What every container gets, unless one of its volumes is mounted there."""
    paths = making.paths
    own = [
        Mount(str(paths.hosts), "/etc/hosts"),
        Mount(str(paths.resolver), "/etc/resolv.conf"),
        Mount(str(paths.hostname), "/etc/hostname"),
    ]
    if spec.host_network(making.pod):
        own.pop()
    message = paths.termination_message(container["name"], making.attempt)
    own.append(Mount(str(message), message_path(container)))
    taken = {m["mountPath"].rstrip("/") for m in container.get("volumeMounts") or ()}
    return [mount for mount in own if mount.container_path not in taken]


def _volume_mounts(container: Obj, making: Making, env: Mapping[str, str]) -> list[Mount]:
    found = []
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        path = making.mount_path(mount, index, env)
        target = mount["mountPath"] if mount["mountPath"].startswith("/") else "/" + mount["mountPath"]
        propagation = PROPAGATIONS.get(mount.get("mountPropagation") or "", "")
        found.append(Mount(path, target, bool(mount.get("readOnly")), propagation))
    return found
