"""What a policy's expressions get wrong about the kinds it is for: warnings in its status, which change nothing else.

When a policy is stored `object` is anything. Here it is an object of each kind that the policy names outright, ten at most.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pocketkube.api.cel.environment import Checker
from pocketkube.api.cel.schematypes import PLAIN
from pocketkube.api.cel.variables import Composed, of_policy, typed
from pocketkube.api.cel.words import CompileError

Obj = dict[str, Any]

MOST_TYPES = 10
_PREFIX = "compilation failed: "


class Typed(NamedTuple):
    """A kind with the schema of its objects."""

    group: str
    version: str
    kind: str
    schema: Obj

    def __str__(self) -> str:
        return f"{self.group}/{self.version}, Kind={self.kind}"


def resources(policy: Obj) -> list[tuple[str, str, str]]:
    """(group, version, resource) that the rules name without a `*`; subresources are left out."""
    found: dict[tuple[str, str, str], None] = {}
    constraints = (policy.get("spec") or {}).get("matchConstraints") or {}
    for rule in constraints.get("resourceRules") or ():
        groups, versions = rule.get("apiGroups") or (), rule.get("apiVersions") or ()
        if any("*" in name for name in (*groups, *versions)):
            continue
        named = sorted(name for name in rule.get("resources") or () if "*" not in name and "/" not in name)
        found |= dict.fromkeys((g, v, r) for g in sorted(groups) for v in sorted(versions) for r in named)
    return list(found)


def warnings(policy: Obj, kinds: Sequence[Typed], params: Obj | None) -> list[Obj]:
    """`expressionWarnings` of a policy's status. `params` is the schema of its parameters, where that is known."""
    spec = policy.get("spec") or {}
    checks = [_Check(spec, kind, params) for kind in sorted(kinds, key=lambda kind: kind[:3])[:MOST_TYPES]]
    found = []
    for path, expression in _expressions(spec):
        said = [f"{check.kind}: {why}\n" for check in checks if (why := check.wrong(expression))]
        if said:
            found.append({"fieldRef": path, "warning": "\n".join(said)})
    return found


def _expressions(spec: Obj) -> Iterator[tuple[str, str]]:
    for at, validation in enumerate(spec.get("validations") or ()):
        for name in ("expression", "messageExpression"):
            if validation.get(name):
                yield f"spec.validations[{at}].{name}", validation[name]


class _Check:
    """A policy's expressions about one kind."""

    def __init__(self, spec: Obj, kind: Typed, params: Obj | None):
        self.kind = kind
        self._schema, self._params = _plain(kind.schema), params and _plain(params)
        self._has_params = spec.get("paramKind") is not None
        self._composed: Composed = ()
        for variable in spec.get("variables") or ():
            self._composed = (*self._composed, (variable["name"], self._type(variable["expression"])))
        self._checker = self._made()

    def _made(self) -> Checker:
        variables = typed(of_policy(params=self._has_params), self._composed)
        variables |= {"object": self._schema, "oldObject": self._schema}
        if self._params:
            variables["params"] = self._params
        return Checker(variables)

    def _type(self, expression: str) -> str:
        from pocketkube.api.cel import signature

        try:
            return signature(self._made().compile(expression).return_type())
        except CompileError:
            return "dyn"

    def wrong(self, expression: str) -> str:
        try:
            self._checker.compile(expression)
        except CompileError as wrong:
            return str(wrong).removeprefix(_PREFIX)
        return ""


def _plain(raw: Obj) -> Obj:
    """A schema whose properties are named as objects have them: what a policy sees is JSON."""
    seen: dict[int, Obj] = {}

    def of(schema: Obj) -> Obj:
        if id(schema) in seen:
            return seen[id(schema)]
        made = seen[id(schema)] = {**schema, PLAIN: True}
        if schema.get("properties"):
            made["properties"] = {name: of(child) for name, child in schema["properties"].items()}
        for name in ("items", "additionalProperties"):
            if isinstance(schema.get(name), dict):
                made[name] = of(schema[name])
        return made

    return of(raw)
