"""Containers, init containers and ephemeral containers of a pod spec."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from pocketkube.api.kinds import checks
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.podspec import environment, probes, requirements, security, volumes
from pocketkube.api.meta import field, names

Obj = dict[str, Any]

_PROTOCOLS = ["SCTP", "TCP", "UDP"]
_PULL = ["Always", "IfNotPresent", "Never"]
_MESSAGES = ["File", "FallbackToLogsOnError"]
_NOT_INIT = "may not be set for init containers without restartPolicy=Always"
_NOT_EPHEMERAL = "cannot be set for an Ephemeral Container"
_EPHEMERAL_FIELDS = frozenset(
    (
        "name", "targetContainerName", "image", "command", "args", "workingDir", "envFrom", "env", "volumeMounts",
        "volumeDevices", "imagePullPolicy", "terminationMessagePath", "terminationMessagePolicy", "securityContext", "stdin",
        "stdinOnce", "tty",
    )
)  # fmt: skip
_ONLY_RUNNING = ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe")


class Surroundings(NamedTuple):
    """What a container's checks need of its pod."""

    volumes: Mapping[str, Obj]
    claims: Collection[str]
    grace: int | None
    restart_policy: str
    host_users: bool


def containers(found: list[Obj], path: str, pod: Surroundings) -> Errors:
    if not found:
        return [field.required(path)]
    wrong: Errors = []
    seen: set[str] = set()
    ports = False
    for at, container in enumerate(found):
        where = f"{path}[{at}]"
        wrong += _container(container, where, pod)
        name = container.get("name", "")
        if name in seen:
            wrong.append(field.duplicate(f"{where}.name", name))
        seen.add(name)
        wrong += _running(container, where, pod)
        ports = ports or bool(container.get("ports"))
    return wrong + _host_port_conflicts(found, path) if ports else wrong


def _running(container: Obj, path: str, pod: Surroundings) -> Errors:
    """What only containers that go on running may have."""
    wrong: Errors = []
    if (hooks := container.get("lifecycle")) is not None:
        wrong += probes.lifecycle(hooks, f"{path}.lifecycle", grace=pod.grace)
    return wrong + probes.probes(container, path)


def init_containers(found: list[Obj], regular: list[Obj], path: str, pod: Surroundings) -> Errors:
    wrong: Errors = []
    seen = {container.get("name") for container in regular}
    for at, container in enumerate(found):
        where = f"{path}[{at}]"
        wrong += _container(container, where, pod)
        name = container.get("name", "")
        if name in seen:
            wrong.append(field.duplicate(f"{where}.name", name))
        elif name:
            seen.add(name)
        wrong += _host_port_conflicts([container], path)
        if container.get("restartPolicy") == "Always":
            wrong += _running(container, where, pod)
        else:
            wrong += [field.forbidden(f"{where}.{x}", _NOT_INIT) for x in _ONLY_RUNNING if container.get(x) is not None]
    return wrong


def ephemeral_containers(found: list[Obj], others: list[Obj], path: str, pod: Surroundings) -> Errors:
    """Containers added to a running pod for a look around."""
    wrong: Errors = []
    targets = {container.get("name") for container in others}
    seen = set(targets)
    for at, container in enumerate(found):
        where = f"{path}[{at}]"
        name, target = container.get("name", ""), container.get("targetContainerName")
        wrong += _container(container, where, pod)
        if name in seen:
            wrong.append(field.duplicate(f"{where}.name", name))
        seen.add(name)
        if target and target not in targets:
            wrong.append(field.not_found(f"{where}.targetContainerName", target))
        wrong += [
            field.forbidden(f"{where}.{x}", _NOT_EPHEMERAL)
            for x, v in container.items()
            if v and x not in _EPHEMERAL_FIELDS
        ]
        for mounted, mount in enumerate(container.get("volumeMounts") or ()):
            spot = f"{where}.volumeMounts[{mounted}]"
            wrong += [
                field.forbidden(f"{spot}.{x}", _NOT_EPHEMERAL) for x in ("subPath", "subPathExpr") if mount.get(x)
            ]
    return wrong


def _container(container: Obj, path: str, pod: Surroundings) -> Errors:
    get = container.get
    wrong: Errors = []
    name = get("name", "")
    if not name:
        wrong.append(field.required(f"{path}.name"))
    elif why := checks.dns_label(name):
        wrong += [field.invalid(f"{path}.name", name, each) for each in why]
    if not get("image"):
        wrong.append(field.required(f"{path}.image"))
    if (policy := get("terminationMessagePolicy")) not in _MESSAGES:
        wrong += checks.one_of(f"{path}.terminationMessagePolicy", policy, _MESSAGES)
    if ports := get("ports"):
        wrong += _ports(ports, f"{path}.ports")
    if env := get("env"):
        wrong += environment.variables(env, f"{path}.env")
    if sources := get("envFrom"):
        wrong += environment.sources(sources, f"{path}.envFrom")
    if mounts := get("volumeMounts"):
        wrong += volumes.mounts(mounts, f"{path}.volumeMounts", pod.volumes, container)
    if devices := get("volumeDevices"):
        mounted = {mount.get("name", "") for mount in mounts or ()}
        wrong += volumes.devices(devices, f"{path}.volumeDevices", pod.volumes, mounted)
    if (policy := get("imagePullPolicy")) not in _PULL:
        wrong += checks.one_of(f"{path}.imagePullPolicy", policy, _PULL)
    if resources := get("resources"):
        wrong += requirements.requirements(resources, f"{path}.resources", pod.claims)
    if policies := get("resizePolicy"):
        wrong += _resize(policies, f"{path}.resizePolicy", pod.restart_policy)
    if (context := get("securityContext")) is not None:
        wrong += security.container(context, f"{path}.securityContext", host_users=pod.host_users)
    if (policy := get("restartPolicy")) not in (None, "Always", "Never", "OnFailure"):
        wrong.append(field.not_supported(f"{path}.restartPolicy", policy, ["Always", "Never", "OnFailure"]))
    return wrong


def _ports(ports: list[Obj], path: str) -> Errors:
    wrong: Errors = []
    seen: set[str] = set()
    for at, port in enumerate(ports):
        where = f"{path}[{at}]"
        if name := port.get("name"):
            if faults := names.is_port_name(name):
                wrong += [field.invalid(f"{where}.name", name, why) for why in faults]
            elif name in seen:
                wrong.append(field.duplicate(f"{where}.name", name))
            seen.add(name)
        number, host, protocol = port.get("containerPort", 0), port.get("hostPort"), port.get("protocol")
        if not number:
            wrong.append(field.required(f"{where}.containerPort"))
        elif not 1 <= number <= 65535:
            wrong += [field.invalid(f"{where}.containerPort", number, why) for why in names.is_port_number(number)]
        if host and not 1 <= host <= 65535:
            wrong += [field.invalid(f"{where}.hostPort", host, why) for why in names.is_port_number(host)]
        if protocol not in _PROTOCOLS:
            wrong += checks.one_of(f"{where}.protocol", protocol, _PROTOCOLS)
    return wrong


def _host_port_conflicts(found: list[Obj], path: str) -> Errors:
    wrong: Errors = []
    seen: set[str] = set()
    for at, container in enumerate(found):
        for number, port in enumerate(container.get("ports") or ()):
            if host := port.get("hostPort"):
                key = f"{port.get('protocol', '')}/{port.get('hostIP', '')}/{host}"
                if key in seen:
                    wrong.append(field.duplicate(f"{path}[{at}].ports[{number}].hostPort", key))
                seen.add(key)
    return wrong


def _resize(policies: list[Obj], path: str, restart_policy: str) -> Errors:
    wrong = checks.unique(path, [policy.get("resourceName") for policy in policies])
    for policy in policies:
        wrong += checks.one_of(path, policy.get("resourceName"), ["cpu", "memory"])
        wrong += checks.one_of(path, policy.get("restartPolicy"), ["NotRequired", "RestartContainer"])
        if restart_policy == "Never" and policy.get("restartPolicy") != "NotRequired":
            why = "must be 'NotRequired' when `restartPolicy` is 'Never'"
            wrong.append(field.invalid(path, policy.get("restartPolicy"), why))
    return wrong
