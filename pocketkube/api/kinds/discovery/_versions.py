"""An EndpointSlice from v1 to v1beta1 and back: what v1 has fields for was once a map of labels."""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]

# v1beta1 label of the topology -> v1 field
_FIELDS = {"kubernetes.io/hostname": "nodeName", "topology.kubernetes.io/zone": "zone"}


def to_v1beta1(obj: Obj, version: str = "v1beta1") -> Obj:
    """The view that v1beta1 gives."""
    if obj.get("apiVersion") == "discovery.k8s.io/v1beta1":
        return obj
    endpoints = [_labelled(endpoint) for endpoint in obj.get("endpoints") or ()]
    return {**obj, "apiVersion": "discovery.k8s.io/v1beta1", "endpoints": endpoints}


def _labelled(endpoint: Obj) -> Obj:
    new = {name: value for name, value in endpoint.items() if name not in ("zone", "deprecatedTopology")}
    topology = dict(endpoint.get("deprecatedTopology") or {})
    topology |= {label: endpoint[name] for label, name in _FIELDS.items() if endpoint.get(name)}
    return {**new, "topology": topology} if topology else new


def to_v1(obj: Obj, version: str = "v1") -> Obj:
    """The stored form."""
    if obj.get("apiVersion") == "discovery.k8s.io/v1":
        return obj
    endpoints = [_placed(endpoint) for endpoint in obj.get("endpoints") or ()]
    return {**obj, "apiVersion": "discovery.k8s.io/v1", "endpoints": endpoints}


def _placed(endpoint: Obj) -> Obj:
    new = {name: value for name, value in endpoint.items() if name != "topology"}
    topology = dict(endpoint.get("topology") or {})
    for label, name in _FIELDS.items():
        if value := topology.pop(label, None):
            new.setdefault(name, value)
    return {**new, "deprecatedTopology": topology} if topology else new
