"""Environment variables of a container and where their values come from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pocketkube.api.kinds.checks import Errors, dns_subdomain, named, qualified
from pocketkube.api.meta import field, names

Obj = dict[str, Any]

_ENV_FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP",
    "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
VOLUME_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_RESOURCES = tuple(
    f"{which}.{name}" for which in ("limits", "requests") for name in ("cpu", "ephemeral-storage", "memory")
)
_DIVISORS = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_NONE = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
_MANY = "may not have more than one field specified at a time"


def variables(env: list[Obj], path: str) -> Errors:
    found: Errors = []
    for at, variable in enumerate(env):
        name = variable.get("name", "")
        if not name:
            found.append(field.required(f"{path}[{at}].name"))
        elif not name.isidentifier():
            found += named(f"{path}[{at}].name", name, names.is_env_name)
        if (source := variable.get("valueFrom")) is not None:
            found += _source(variable, source, f"{path}[{at}].valueFrom")
    return found


def _source(variable: Obj, source: Obj, path: str) -> Errors:
    found: Errors = []
    if (ref := source.get("fieldRef")) is not None:
        found += field_ref(ref, f"{path}.fieldRef", _ENV_FIELDS)
    if (ref := source.get("resourceFieldRef")) is not None:
        found += resource_ref(ref, f"{path}.resourceFieldRef", volume=False)
    for name in ("configMapKeyRef", "secretKeyRef"):
        if (ref := source.get(name)) is not None:
            found += _key_ref(ref, f"{path}.{name}")
    if not source:
        found.append(field.invalid(path, "", _NONE))
    elif variable.get("value"):
        found.append(field.invalid(path, "", "may not be specified when `value` is not empty"))
    elif len(source) > 1:
        found.append(field.invalid(path, "", _MANY))
    return found


def _key_ref(ref: Obj, path: str) -> Errors:
    name, key = ref.get("name", ""), ref.get("key", "")
    found = [field.invalid(f"{path}.name", name, why) for why in dns_subdomain(name)]
    if not key:
        return [*found, field.required(f"{path}.key")]
    return found + named(f"{path}.key", key, names.is_config_key)


def field_ref(ref: Obj, path: str, allowed: Collection[str]) -> Errors:
    """A fieldRef; `allowed` paths besides metadata.labels['x'] and metadata.annotations['x']."""
    if not ref.get("apiVersion"):
        return [field.required(f"{path}.apiVersion")]
    where = ref.get("fieldPath", "")
    if not where:
        return [field.required(f"{path}.fieldPath")]
    head, bracket, rest = where.partition("['")
    if bracket and rest.endswith("']"):
        key = rest[:-2]
        if head == "metadata.annotations":
            return [field.invalid(path, key.lower(), why) for why in qualified(key.lower())]
        if head == "metadata.labels":
            return [field.invalid(path, key, why) for why in qualified(key)]
        return [field.invalid(path, head, "does not support subscript")]
    if where in allowed:
        return []
    if (
        where in _ENV_FIELDS
        or where in VOLUME_FIELDS
        or where in ("status.phase", "spec.restartPolicy", "spec.schedulerName")
    ):
        return [field.not_supported(f"{path}.fieldPath", where, sorted(allowed))]
    why = f"error converting fieldPath: field label not supported: {where}"
    return [field.invalid(f"{path}.fieldPath", where, why)]


def resource_ref(ref: Obj, path: str, *, volume: bool) -> Errors:
    """A resourceFieldRef; in a volume it must name the container."""
    resource = ref.get("resource", "")
    found: Errors = []
    if volume and not ref.get("containerName"):
        found.append(field.required(f"{path}.containerName"))
    elif not resource:
        found.append(field.required(f"{path}.resource"))
    elif resource not in _RESOURCES and not resource.startswith(("requests.hugepages-", "limits.hugepages-")):
        found.append(field.not_supported(f"{path}.resource", resource, list(_RESOURCES)))
    return found + _divisor(resource, str(ref.get("divisor") or "0"), path)


def _divisor(resource: str, divisor: str, path: str) -> Errors:
    if divisor == "0" or not resource:
        return []
    if resource.endswith(".cpu"):
        why = "only divisor's values 1m and 1 are supported with the cpu resource"
        return [] if divisor in ("1m", "1") else [field.invalid(f"{path}.divisor", resource, why)]
    if divisor in _DIVISORS:
        return []
    what = {"memory": "memory", "ephemeral-storage": "local ephemeral storage"}.get(
        resource.partition(".")[2], "hugepages"
    )
    why = f"only divisor's values {', '.join(_DIVISORS)} are supported with the {what} resource"
    return [field.invalid(f"{path}.divisor", resource, why)]


def sources(env_from: list[Obj], path: str) -> Errors:
    """envFrom."""
    found: Errors = []
    for at, source in enumerate(env_from):
        if prefix := source.get("prefix"):
            found += named(f"{path}[{at}].prefix", prefix, names.is_env_name)
        refs = [name for name in ("configMapRef", "secretRef") if source.get(name) is not None]
        for name in refs:
            found += _object_ref(source[name], f"{path}[{at}].{name}")
        if not refs:
            found.append(field.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(refs) > 1:
            found.append(field.invalid(path, "", _MANY))
    return found


def _object_ref(ref: Mapping[str, Any], path: str) -> Errors:
    name = ref.get("name", "")
    if not name:
        return [field.required(f"{path}.name")]
    return [field.invalid(f"{path}.name", name, why) for why in dns_subdomain(name)]
