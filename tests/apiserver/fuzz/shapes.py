"""Random values of an OpenAPI schema: mostly of its shape, sometimes of another, with the odd and the hostile in every leaf."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

Obj = dict[str, Any]

NAMES = ("a", "b", "web", "default", "kube-system")
_STRINGS = (
    *NAMES, "", " ", "app", "example.com/x", "/", ".", "..", "a/b/c", "A_b", "-", "x" * 64, "x" * 254, "é", "\x00", "\ud7ff",
    "\U0001f600", '"', "\\",
    "100m", "1Gi", "-1", "1e400", "0.0000000001", "1.5Ei", "NaN", "10.0.0.1", "10.0.0.0/8", "::1", "fd00::/64", "999.0.0.1", "0.0.0.0/0",
    "2026-11-21T03:00:00Z", "2026-13-41T25:61:61Z", "2026-11-21T03:00:00.000000Z", "1h0m", "5s", "* * * * *", "@daily",
    "0 0 31 2 *", "80", "http", "TCP", "UDP",
    "Always", "Never", "Delete", "Retain", "ClusterIP", "NodePort", "ExternalName", "None", "In", "Exists", "NoSchedule",
    "RollingUpdate", "Recreate", "50%", "101%", "-5%",
    "v1", "apps/v1", "Pod", "self == oldSelf", "object.spec.", "[", "(a+)+$", "^a$", "{}", "null", "true", "$patch",
    "metadata.name", "spec.nodeName", "pods", "*",
)  # fmt: skip
_INTEGERS = (0, 1, 2, 3, 80, 443, 30000, 65535, 65536, -1, -(2**31), 2**31 - 1, 2**31, 2**63 - 1, -(2**63), 1000)
_NUMBERS = (0.0, -0.5, 1.5, 1e300, -1e300)
_DEEP = 9


class Shapes:
    """One source of values. `components` are the document's schemas by name; `wildness` is the share of wrong types."""

    def __init__(self, rng: Random, components: Mapping[str, Obj], *, wildness: float = 0.02):
        self._rng = rng
        self._components = components
        self._wildness = wildness

    def value(self, schema: Obj, depth: int = 0) -> Any:
        if self._rng.random() < self._wildness:
            return self.anything()
        schema = self._resolved(schema)
        kind = schema.get("type", "")
        if kind == "object" or "properties" in schema:
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, depth)
        return self._leaf(schema, kind)

    def anything(self) -> Any:
        """A value of no particular type."""
        pick = self._rng.choice
        leaves: list[Any] = [None, True, False, pick(_INTEGERS), pick(_NUMBERS), pick(_STRINGS), [], {}]
        return pick([*leaves, [pick(leaves)], {pick(_STRINGS): pick(leaves)}, [[{"a": pick(leaves)}]]])

    def text(self) -> str:
        return self._rng.choice(_STRINGS)

    def _resolved(self, schema: Obj) -> Obj:
        for _ in range(5):
            if "$ref" in schema:
                schema = self._components.get(schema["$ref"].rpartition("/")[2], {})
            elif schema.get("allOf"):
                schema = schema["allOf"][0]
            elif schema.get("oneOf"):
                schema = self._rng.choice(schema["oneOf"])
            else:
                break
        return schema

    def _object(self, schema: Obj, depth: int) -> Obj:
        rng = self._rng
        found: Obj = {}
        share = 0.6 / (depth + 1)
        for name, child in (schema.get("properties") or {}).items():
            needed = name in (schema.get("required") or ()) and rng.random() < 0.97
            if needed or (depth < _DEEP and rng.random() < max(share, 0.12)):
                found[name] = self.value(child, depth + 1)
        more = schema.get("additionalProperties")
        if more:
            for _ in range(rng.choice((0, 1, 1, 2))):
                found[self.text()] = self.value(more if isinstance(more, dict) else {}, depth + 1)
        if rng.random() < self._wildness:
            found[self.text()] = self.anything()
        return found

    def _array(self, schema: Obj, depth: int) -> list[Any]:
        many = self._rng.choice((0, 1, 1, 1, 2, 3)) if depth < _DEEP else 0
        items = [self.value(schema.get("items") or {}, depth + 1) for _ in range(many)]
        return items + items[:1] if items and self._rng.random() < 0.05 else items

    def _leaf(self, schema: Obj, kind: str) -> Any:
        pick = self._rng.choice
        if schema.get("enum"):
            return pick(schema["enum"])
        if kind == "integer":
            return pick(_INTEGERS)
        if kind == "number":
            return pick((*_NUMBERS, *_INTEGERS))
        if kind == "boolean":
            return pick((True, False))
        if kind == "string":
            return pick(("2026-11-21T03:00:00Z", self.text())) if schema.get("format") == "date-time" else self.text()
        return self.anything()
