"""The environment of a container: services, envFrom, env with valueFrom, expanded in that order. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubelet.pods.expansion import expand
from kubelet.pods.fields import FieldUnknown, field_value, resource_value
from kubelet.volumes.content import data_of

Obj = dict[str, Any]
Reference = tuple[str, str]  # ("configmap" or "secret", name)

_NAME = re.compile(r"^[^=\x00-\x1f\x7f-\U0010ffff]+$")
MASTER_SERVICES = ("kubernetes",)


class ConfigError(Exception):
    """The container cannot be configured: status shows CreateContainerConfigError with this text."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a pod's environment and downward volumes draw on. `objects` lacks what does not exist."""

    objects: Mapping[Reference, Obj] = field(default_factory=dict)
    services: Iterable[Obj] = ()
    ips: list[str] = field(default_factory=list)
    host_ips: list[str] = field(default_factory=list)
    allocatable: Mapping[str, str] = field(default_factory=dict)


def references(container: Obj) -> set[Reference]:
    """The ConfigMaps and Secrets that a container's environment needs."""
    found: set[Reference] = set()
    for source in container.get("envFrom") or ():
        for kind, key in (("configmap", "configMapRef"), ("secret", "secretRef")):
            if source.get(key):
                found.add((kind, source[key].get("name", "")))
    for entry in container.get("env") or ():
        origin = entry.get("valueFrom") or {}
        for kind, key in (("configmap", "configMapKeyRef"), ("secret", "secretKeyRef")):
            if origin.get(key):
                found.add((kind, origin[key].get("name", "")))
    return found


def container_environment(pod: Obj, container: Obj, around: Surroundings) -> dict[str, str]:
    """Name -> value in definition order. Raises ConfigError."""
    namespace = pod["metadata"].get("namespace", "default")
    links = pod["spec"].get("enableServiceLinks")
    services = service_environment(around.services, namespace, links=links is None or bool(links))
    result: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        result.update(_from(source, namespace, around))
    known: dict[str, str] = {}
    for entry in container.get("env") or ():
        name = entry["name"]
        if entry.get("valueFrom"):
            value = _value_from(pod, container, entry, around)
            if value is None:
                continue
        else:
            value = expand(entry.get("value") or "", {**services, **result, **known})
        known[name] = result[name] = value
    for name, value in services.items():
        result.setdefault(name, value)
    return result


def _from(source: Obj, namespace: str, around: Surroundings) -> dict[str, str]:
    kind, reference = (
        ("configmap", source["configMapRef"]) if source.get("configMapRef") else ("secret", source["secretRef"])
    )
    obj = around.objects.get((kind, reference.get("name", "")))
    if obj is None:
        if reference.get("optional"):
            return {}
        raise ConfigError(f'{kind} "{reference.get("name", "")}" not found')
    prefix = source.get("prefix") or ""
    data = {prefix + key: value for key, value in data_of(obj).items()}
    return {name: value.decode(errors="replace") for name, value in data.items() if _NAME.match(name)}


def _value_from(pod: Obj, container: Obj, entry: Obj, around: Surroundings) -> str | None:
    """None for an optional source that is not there."""
    origin = entry["valueFrom"]
    try:
        if reference := origin.get("fieldRef"):
            return field_value(pod, reference["fieldPath"], ips=around.ips, host_ips=around.host_ips)
        if reference := origin.get("resourceFieldRef"):
            return resource_value(pod, reference, own=container["name"], allocatable=around.allocatable)
    except FieldUnknown as e:
        raise ConfigError(str(e)) from e
    for kind, key in (("configmap", "configMapKeyRef"), ("secret", "secretKeyRef")):
        if origin.get(key):
            return _key(pod, kind, origin[key], around)
    return ""


def _key(pod: Obj, kind: str, reference: Obj, around: Surroundings) -> str | None:
    name, key, optional = reference.get("name", ""), reference["key"], reference.get("optional")
    obj = around.objects.get((kind, name))
    if obj is None:
        if optional:
            return None
        raise ConfigError(f'{kind} "{name}" not found')
    value = data_of(obj).get(key)
    if value is None:
        if optional:
            return None
        title = "ConfigMap" if kind == "configmap" else "Secret"
        raise ConfigError(f"couldn't find key {key} in {title} {pod['metadata'].get('namespace', 'default')}/{name}")
    return value.decode(errors="replace")


def service_environment(services: Iterable[Obj], namespace: str, *, links: bool) -> dict[str, str]:
    """`NAME_SERVICE_HOST` and the Docker-link variables of the namespace's services, and always of default/kubernetes."""
    result: dict[str, str] = {}
    for service in sorted(services, key=lambda s: str(s["metadata"]["name"])):
        meta, body = service["metadata"], service["spec"]
        address = body.get("clusterIP") or ""
        if address in ("", "None") or not body.get("ports"):
            continue
        master = meta["namespace"] == "default" and meta["name"] in MASTER_SERVICES
        if master or (links and meta["namespace"] == namespace):
            result.update(_service_variables(meta["name"], address, body["ports"]))
    return result


def _service_variables(name: str, address: str, ports: list[Obj]) -> dict[str, str]:
    prefix = name.upper().replace("-", "_")
    host = f"[{address}]" if ":" in address else address
    first = ports[0]
    result = {f"{prefix}_SERVICE_HOST": address, f"{prefix}_SERVICE_PORT": str(first["port"])}
    for port in ports:
        if port.get("name"):
            result[f"{prefix}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
    for index, port in enumerate(ports):
        protocol = (port.get("protocol") or "TCP").lower()
        url = f"{protocol}://{host}:{port['port']}"
        if index == 0:
            result[f"{prefix}_PORT"] = url
        link = f"{prefix}_PORT_{port['port']}_{protocol.upper()}"
        result |= {link: url, f"{link}_PROTO": protocol, f"{link}_PORT": str(port["port"]), f"{link}_ADDR": address}
    return result
