"""IngressClass: which controller serves an Ingress."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.kinds.networking.ingress import group
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.text("Controller", "Who serves Ingresses of this class."),
    columns.text("Parameters", "What the controller is told."),
    columns.AGE,
)


def _default(obj: Obj) -> None:
    parameters = (obj.get("spec") or {}).get("parameters")
    if parameters is not None and parameters.get("scope") is None:
        parameters["scope"] = "Cluster"


def _validate(obj: Obj) -> Errors:
    spec = obj.get("spec") or {}
    wrong = _controller(spec.get("controller", ""))
    parameters = spec.get("parameters")
    if parameters is None:
        return wrong
    path = "spec.parameters"
    wrong += group(path, parameters) + checks.reference(path, parameters)
    scope, namespace = parameters.get("scope"), parameters.get("namespace")
    if scope not in ("Cluster", "Namespace"):
        wrong.append(field.not_supported(f"{path}.scope", scope, ["Cluster", "Namespace"]))
    if scope == "Namespace" and not namespace:
        wrong.append(field.required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'"))
    if scope == "Cluster" and namespace:
        wrong.append(field.forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'"))
    return wrong


def _controller(name: str) -> Errors:
    path = "spec.controller"
    if not name:
        return [field.required(path)]
    if len(name) > 250:
        return [field.too_long(path, 250)]
    domain, slash, rest = name.partition("/")
    if not slash or not domain or not rest:
        return [field.invalid(path, name, 'must be a domain-prefixed path (such as "acme.io/foo")')]
    return [field.invalid(path, domain, why) for why in checks.dns_subdomain(domain)]


def _validate_update(obj: Obj, old: Obj) -> Errors:
    new, before = (x.get("spec") or {} for x in (obj, old))
    return _validate(obj) + checks.immutable("spec.controller", new.get("controller"), before.get("controller"))


def _row(obj: Obj, now: datetime) -> list[Any]:
    spec = obj.get("spec") or {}
    parameters = spec.get("parameters")
    shown = columns.NONE
    if parameters:
        group = f".{parameters['apiGroup']}" if parameters.get("apiGroup") else ""
        shown = f"{parameters.get('kind', '')}{group}/{parameters.get('name', '')}"
    return [obj["metadata"]["name"], spec.get("controller", ""), shown, columns.age(obj, now)]


KIND = Kind(
    group="networking.k8s.io",
    version="v1",
    kind="IngressClass",
    plural="ingressclasses",
    namespaced=False,
    schema=Schema.of("io.k8s.api.networking.v1.IngressClass"),
    priority=10,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    validate=_validate,
    validate_update=_validate_update,
)
