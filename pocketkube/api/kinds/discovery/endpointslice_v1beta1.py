"""EndpointSlice in v1beta1, which components of v1.20 ask for: a view of what is kept in v1."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.discovery import endpointslice as stored
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

# v1beta1 label of the topology -> v1 field
_FIELDS = {"kubernetes.io/hostname": "nodeName", "topology.kubernetes.io/zone": "zone"}


def _from_v1(obj: Obj, version: str) -> Obj:
    if obj.get("apiVersion") == "discovery.k8s.io/v1beta1":
        return obj
    endpoints = [_labelled(endpoint) for endpoint in obj.get("endpoints") or ()]
    return {**obj, "apiVersion": "discovery.k8s.io/v1beta1", "endpoints": endpoints}


def _labelled(endpoint: Obj) -> Obj:
    new = {name: value for name, value in endpoint.items() if name not in ("zone", "deprecatedTopology")}
    topology = dict(endpoint.get("deprecatedTopology") or {})
    topology |= {label: endpoint[name] for label, name in _FIELDS.items() if endpoint.get(name)}
    return {**new, "topology": topology} if topology else new


def to_v1(obj: Obj) -> Obj:
    """The stored form of a v1beta1 object."""
    endpoints = [_placed(endpoint) for endpoint in obj.get("endpoints") or ()]
    return {**obj, "apiVersion": "discovery.k8s.io/v1", "endpoints": endpoints}


def _placed(endpoint: Obj) -> Obj:
    new = {name: value for name, value in endpoint.items() if name != "topology"}
    topology = dict(endpoint.get("topology") or {})
    for label, name in _FIELDS.items():
        if value := topology.pop(label, None):
            new.setdefault(name, value)
    return {**new, "deprecatedTopology": topology} if topology else new


def _validate(obj: Obj) -> Errors:
    return stored.KIND.validate(to_v1(obj)) if stored.KIND.validate else []


def _validate_update(obj: Obj, old: Obj) -> Errors:
    return stored.KIND.validate_update(to_v1(obj), to_v1(old)) if stored.KIND.validate_update else []


KIND = replace(
    stored.KIND,
    version="v1beta1",
    schema=Schema.of("io.k8s.api.discovery.v1beta1.EndpointSlice"),
    storage_version="v1",
    priority=4,
    validate=_validate,
    validate_update=_validate_update,
    convert=_from_v1,
)
