"""Versions that upstream's newest release no longer publishes, and components of its earlier ones still ask for.

A v1.20 scheduler does not start without policy/v1beta1, a v1.20 proxy not without discovery.k8s.io/v1beta1.
"""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]

_GVK = "x-kubernetes-group-version-kind"
_KINDS = ("policy.{}.PodDisruptionBudget", "batch.{}.CronJob", "discovery.{}.EndpointSlice")
_TOPOLOGY = {
    "type": ["object", "null"],
    "additionalProperties": {"type": ["string", "null"]},
    "description": "Where the endpoint is: labels of its node, such as its host name and its zone.",
}


def derive(published: dict[str, Obj]) -> dict[str, Obj]:
    """Definition name -> raw schema of each such kind and its list, made from those of v1."""
    found = {}
    for kind in _KINDS:
        item = f"io.k8s.api.{kind}"
        for name in (item, item + "List"):
            schema = published[name.format("v1")]
            gvks = [{**gvk, "version": "v1beta1"} for gvk in schema[_GVK]]
            found[name.format("v1beta1")] = {**schema, _GVK: gvks}
        _refer(found[item.format("v1beta1") + "List"], "items", item.format("v1beta1"))
    endpoint = "io.k8s.api.discovery.v1beta1.Endpoint"
    _refer(found["io.k8s.api.discovery.v1beta1.EndpointSlice"], "endpoints", endpoint)
    found[endpoint] = _endpoint(published["io.k8s.api.discovery.v1.Endpoint"])
    return found


def _refer(schema: Obj, field: str, name: str) -> None:
    """Let the items of a list be another definition's."""
    items = {"$ref": f"#/$defs/{name}"}
    schema["properties"] = {**schema["properties"], field: {**schema["properties"][field], "items": items}}


def _endpoint(schema: Obj) -> Obj:
    """Until v1 the zone was one of the labels of `topology`."""
    kept = {name: value for name, value in schema["properties"].items() if name not in ("zone", "deprecatedTopology")}
    return {**schema, "properties": {**kept, "topology": _TOPOLOGY}}
