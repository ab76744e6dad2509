"""Ingress: HTTP routes from outside to services."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, load_balancers, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.meta import field, names
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.text("Class", "Which class of controller serves it."),
    columns.text("Hosts", "The hosts it answers for."),
    columns.text("Address", "Where it is reached."),
    columns.text("Ports", "The ports it opens."),
    columns.AGE,
)
_PATH_TYPES = ["Exact", "ImplementationSpecific", "Prefix"]
_SHOWN = 3


def _default(obj: Obj) -> None:
    workload.spec_of(obj)


def _validate(obj: Obj) -> Errors:
    spec = obj["spec"]
    wrong: Errors = []
    backend, rules = spec.get("defaultBackend"), spec.get("rules") or []
    if not rules and backend is None:
        wrong.append(field.invalid("spec", rules, "either `defaultBackend` or `rules` must be specified"))
    if backend is not None:
        wrong += _backend(backend, "spec.defaultBackend")
    for at, rule in enumerate(rules):
        wrong += _rule(rule, f"spec.rules[{at}]")
    for at, tls in enumerate(spec.get("tls") or ()):
        for number, host in enumerate(tls.get("hosts") or ()):
            wrong += _host(host, f"spec.tls[{at}].hosts[{number}]")
        if secret := tls.get("secretName"):
            wrong += [field.invalid(f"spec.tls[{at}].secretName", secret, why) for why in checks.dns_subdomain(secret)]
    if (name := spec.get("ingressClassName")) is not None:
        wrong += [field.invalid("spec.ingressClassName", name, why) for why in checks.dns_subdomain(name)]
    return wrong


def _rule(rule: Obj, path: str) -> Errors:
    wrong: Errors = []
    if host := rule.get("host"):
        if not names.is_ip(host):
            wrong.append(field.invalid(f"{path}.host", host, "must be a DNS name, not an IP address"))
        wrong += _host(host, f"{path}.host")
    http = rule.get("http")
    if http is None:
        return wrong
    paths = http.get("paths") or []
    if not paths:
        wrong.append(field.required(f"{path}.http.paths"))
    for at, each in enumerate(paths):
        wrong += _path(each, f"{path}.http.paths[{at}]")
    return wrong


def _host(host: str, path: str) -> Errors:
    if "*" not in host:
        return [field.invalid(path, host, why) for why in checks.dns_subdomain(host)]
    if host.startswith("*.") and not checks.dns_subdomain(host[2:]):
        return []
    form = r"\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
    words = (
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
        "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
    )
    return [field.invalid(path, host, names.shape(words, form, "*.example.com"))]


def _path(each: Obj, path: str) -> Errors:
    kind, where = each.get("pathType"), each.get("path", "")
    wrong: Errors = []
    if kind is None:
        wrong.append(field.required(f"{path}.pathType", "pathType must be specified"))
    elif kind not in _PATH_TYPES:
        wrong.append(field.not_supported(f"{path}.pathType", kind, _PATH_TYPES))
    elif kind == "ImplementationSpecific":
        if where and not where.startswith("/"):
            wrong.append(field.invalid(f"{path}.path", where, "must be an absolute path"))
    else:
        wrong += _absolute(where, f"{path}.path")
    return wrong + _backend(each.get("backend") or {}, f"{path}.backend")


def _absolute(where: str, path: str) -> Errors:
    if not where.startswith("/"):
        return [field.invalid(path, where, "must be an absolute path")]
    wrong = [
        field.invalid(path, where, f"must not contain '{bad}'")
        for bad in ("//", "/./", "/../", "%2f", "%2F")
        if bad in where
    ]
    return wrong + [
        field.invalid(path, where, f"cannot end with '{bad}'") for bad in ("/..", "/.") if where.endswith(bad)
    ]


def _backend(backend: Obj, path: str) -> Errors:
    service, resource = backend.get("service"), backend.get("resource")
    if resource is not None:
        if service is not None:
            why = "cannot set both resource and service backends"
            return [field.invalid(path, "", why)]
        return group(f"{path}.resource", resource) + checks.reference(f"{path}.resource", resource)
    if service is None:
        return [field.required(path, "resource or service backend is required")]
    name, port = service.get("name", ""), service.get("port") or {}
    wrong = [field.invalid(f"{path}.service.name", name, why) for why in names.is_dns1035(name)] if name else []
    if not name:
        wrong.append(field.required(f"{path}.service.name"))
    if port.get("name") and port.get("number"):
        wrong.append(field.invalid(path, "", "cannot set both port name & port number"))
    elif port.get("name"):
        wrong += checks.named(f"{path}.service.port.name", port["name"], names.is_port_name)
    elif port.get("number"):
        wrong += [
            field.invalid(f"{path}.service.port.number", port["number"], w)
            for w in names.is_port_number(port["number"])
        ]
    else:
        wrong.append(field.required(path, "port name or number is required"))
    return wrong


def group(path: str, reference: Obj) -> Errors:
    """The API group of a reference, which may be left out but not be empty."""
    name = reference.get("apiGroup")
    return [] if name is None else [field.invalid(f"{path}.apiGroup", name, why) for why in checks.dns_subdomain(name)]


def _row(obj: Obj, now: datetime) -> list[Any]:
    spec = obj["spec"]
    hosts = [rule["host"] for rule in spec.get("rules") or () if rule.get("host")]
    balancer = (obj.get("status") or {}).get("loadBalancer") or {}
    return [
        obj["metadata"]["name"],
        spec.get("ingressClassName") or columns.NONE,
        columns.joined(hosts, _SHOWN) or "*",
        ",".join(i.get("ip") or i.get("hostname") or "" for i in balancer.get("ingress") or ()),
        "80, 443" if spec.get("tls") else "80",
        columns.age(obj, now),
    ]


def _warnings(obj: Obj) -> list[str]:
    if _CLASS not in (obj["metadata"].get("annotations") or {}):
        return []
    return [f"annotation \"{_CLASS}\" is deprecated, please use 'spec.ingressClassName' instead"]


_CLASS = "kubernetes.io/ingress.class"


KIND = Kind(
    group="networking.k8s.io",
    version="v1",
    kind="Ingress",
    plural="ingresses",
    namespaced=True,
    schema=Schema.of("io.k8s.api.networking.v1.Ingress"),
    short_names=("ing",),
    subresources=(STATUS,),
    storage_prefix="ingress",
    priority=10,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    prepare_create=workload.begins({"loadBalancer": {}}),
    warnings=_warnings,
    validate=_validate,
    validate_update=checks.on_update(_validate),
    validate_status=lambda obj, old: load_balancers.validate(obj),
)
