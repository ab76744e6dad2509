"""Random objects of any kind, well typed by its schema and otherwise arbitrary: what a decoder may hand to a kind's hooks."""

from __future__ import annotations

import random
from typing import Any

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_TEXTS = (
    "", "a", "web", "default", "1", "0", "-1", "10%", "80", "TCP", "Always", "Never", "a/b", "UPPER", "a..b", "10.0.0.1", "fd00::1",
    "10.0.0.0/8", "*", "*.example.com", "None", "kubernetes.io/x", "example.com/thing", "2026-11-21T03:00:00Z", "x" * 70,
    "requests.cpu", "cpu", "RollingUpdate", "Recreate", "OnDelete", "ExternalName", "NodePort", "LoadBalancer", "Indexed",
    "Resource", "Pods", "Container", "Limited", "Exempt", "Queue", "Local", "Exists", "In", "CREATE", "https://a.example.com/x",
)  # fmt: skip
_QUANTITIES = ("0", "1", "100m", "64Mi", "1e3", "-1", "1.5Gi")


def value(schema: Schema, rng: random.Random, depth: int) -> Any:
    kind = schema.type
    if kind == "object":
        return mapping(schema, rng, depth)
    if kind == "array":
        return [value(schema.items, rng, depth - 1) for _ in range(rng.choice((0, 1, 2)))] if schema.items else []
    if kind in ("time", "microtime"):
        return "2026-11-21T03:00:00Z" if kind == "time" else "2026-11-21T03:00:00.000000Z"
    choices: dict[str, Any] = {
        "boolean": (True, False),
        "integer": (0, 1, -1, 2, 80, 65536),
        "number": (0, 0.5, -1.5),
        "quantity": _QUANTITIES,
        "int-or-string": (0, 1, -1, "25%", "http", ""),
        "bytes": ("", "YQ==", "e30="),
        "any": ({}, {"a": 1}),
    }
    return rng.choice(choices.get(kind, _TEXTS))


def mapping(schema: Schema, rng: random.Random, depth: int) -> Obj:
    if depth <= 0:
        return {}
    if schema.map_values is not None:
        return {rng.choice(_TEXTS): value(schema.map_values, rng, depth - 1) for _ in range(rng.choice((0, 1, 2)))}
    chance = rng.choice((0.15, 0.4, 0.9))
    found = {}
    for name, child in schema.fields.items():
        if name in schema.required or rng.random() < chance:
            found[name] = value(child, rng, depth - 1)
    return found


def sample(kind: Kind, rng: random.Random, *, depth: int = 8) -> Obj:
    obj = mapping(kind.schema, rng, depth)
    obj |= {"apiVersion": kind.api_version, "kind": kind.kind}
    meta = obj["metadata"] = {"name": rng.choice(("web", "a.b", "x" * 60)), "uid": "u-1"}
    if kind.namespaced:
        meta["namespace"] = "default"
    if rng.random() < 0.5:
        meta["creationTimestamp"] = "2026-11-21T03:00:00Z"
    if rng.random() < 0.3:
        meta["labels"] = {"app": "web"}
    if rng.random() < 0.2:
        meta["deletionTimestamp"] = "2026-11-21T04:00:00Z"
    return obj
