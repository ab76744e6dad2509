"""Policies with their bindings, compiled: what a stored policy says, ready to be asked about requests.

A policy does nothing without a binding; a binding narrows it and says what happens when it is broken.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from apiserver.admission.conditions import Conditions
from apiserver.admission.matching import GROUP, Constraints
from apiserver.admission.plugin import Setup
from apiserver.interfaces import AdmissionRequest
from pocketkube.api import cel
from pocketkube.api.cel.budget import Budget
from pocketkube.api.cel.times import as_given
from pocketkube.api.cel.variables import Composed, of_policy
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta.selectors import from_label_selector

log = logging.getLogger(__name__)

Obj = dict[str, Any]


class Unusable(Exception):
    """The binding's parameters are not there and must be, or the policy does not compile."""


class Policy:
    """What both kinds of policy share: constraints, conditions, variables, parameters, failure policy."""

    def __init__(self, stored: Obj):
        spec = stored.get("spec") or {}
        self.name: str = stored["metadata"]["name"]
        self.spec = spec
        self.ignores_failure = spec.get("failurePolicy", "Fail") == "Ignore"
        self.failure = ""  # why it cannot be used: it then fails wherever it would have been asked
        self.constraints = _constraints(spec.get("matchConstraints") or {})
        self._params = spec.get("paramKind") is not None
        seen = (*cel.CONDITION, "params") if self._params else cel.CONDITION
        self.conditions = Conditions(spec.get("matchConditions") or (), seen)
        self._composed: Composed = ()
        self.variables = [(v["name"], self._variable(v)) for v in spec.get("variables") or ()]

    def _variable(self, spec: Obj) -> cel.Program:
        program = self.compiled(spec["expression"])
        run = self.compiled(cel.as_list(spec["expression"])) if cel.is_optional(program.signature) else program
        self._composed = (*self._composed, (spec["name"], program.signature))
        return run

    def compiled(self, expression: str, *, authorizer: bool = True) -> cel.Program:
        """An expression that sees the policy's variables so far. Raises cel.CompileError."""
        seen = of_policy(params=self._params, authorizer=authorizer)
        return cel.compile_expression(expression, seen, self._composed)

    def with_variables(self, given: Obj, budget: Budget) -> Obj:
        """`given` and the policy's own variables, each seeing those before it. Raises OutOfBudget.

        One that fails is left out: only an expression that needs it fails with it, as where variables are lazy."""
        found: Obj = {}
        for name, program in self.variables:
            try:
                found[name] = as_given(program.run({**given, "variables": found}, budget=budget))
            except cel.EvaluationError as failure:
                log.debug("variable %s of policy %s: %s", name, self.name, failure)
        return {**given, "variables": found}


P = TypeVar("P", bound=Policy)


class Bound(NamedTuple, Generic[P]):
    """A policy and one of its bindings."""

    policy: P
    binding: Obj
    constraints: Constraints | None


class Policies(Generic[P]):
    """Every bound policy of a kind. One that does not compile is kept as its failure: it refuses what it would look at."""

    def __init__(self, setup: Setup, plural: str, make: Callable[[Obj], P]):
        self._setup, self._make = setup, make
        self._plurals = (f"{plural}policies", f"{plural}policybindings")
        self._revisions = (-1, -1)
        self._bound: tuple[Bound[P], ...] = ()

    def concerned(self, request: AdmissionRequest) -> list[tuple[Bound[P], Kind]]:
        cluster = self._setup.cluster
        now = (cluster.revision(GROUP, self._plurals[0]), cluster.revision(GROUP, self._plurals[1]))
        if now != self._revisions:
            self._bound = tuple(self._compile())
            self._revisions = now
        return list(self._match(request)) if self._bound else []

    def _match(self, request: AdmissionRequest) -> Iterator[tuple[Bound[P], Kind]]:
        cluster, kind_of = self._setup.cluster, self._setup.kind_of
        for bound in self._bound:
            kind = bound.policy.constraints.match(request, cluster, kind_of)
            if kind is None:
                continue
            if bound.constraints is None or bound.constraints.match(request, cluster, kind_of) is not None:
                yield bound, kind

    def _compile(self) -> Iterator[Bound[P]]:
        policies = {p["metadata"]["name"]: p for p in self._setup.cluster.list(GROUP, self._plurals[0])}
        made: dict[str, P] = {}
        for binding in sorted(
            self._setup.cluster.list(GROUP, self._plurals[1]), key=lambda b: str(b["metadata"]["name"])
        ):
            spec = binding.get("spec") or {}
            name = spec.get("policyName", "")
            if name not in policies:
                continue
            if name not in made:
                made[name] = self._made(policies[name])
            narrowed = spec.get("matchResources")
            yield Bound(made[name], binding, _constraints(narrowed, narrows=True) if narrowed else None)

    def _made(self, stored: Obj) -> P:
        try:
            return self._make(stored)
        except cel.CompileError as failure:
            log.warning("Policy %s cannot be compiled: %s", stored["metadata"]["name"], failure)
            kept = ("matchConstraints", "failurePolicy")
            policy = self._make({**stored, "spec": {k: stored["spec"][k] for k in kept if k in stored["spec"]}})
            policy.failure = str(failure)
            return policy

    def parameters(self, bound: Bound[P], namespace: str) -> list[Obj | None]:
        """What `params` is, once for each parameter object; [None] for a policy that takes none. Raises Unusable."""
        if bound.policy.failure:
            raise Unusable(bound.policy.failure)
        wanted = bound.policy.spec.get("paramKind")
        reference = (bound.binding.get("spec") or {}).get("paramRef")
        if not wanted or not reference:
            return [None]
        group, _, version = wanted.get("apiVersion", "").rpartition("/")
        kind = self._setup.kind_of(group, version, wanted.get("kind", "")) if self._setup.kind_of else None
        if kind is None:
            raise Unusable(
                f"failed to find resource referenced by paramKind: '{wanted.get('apiVersion')}, Kind={wanted.get('kind')}'"
            )
        where = (reference.get("namespace") or namespace) if kind.namespaced else ""
        found = self._find(kind, where, reference)
        if not found and reference.get("parameterNotFoundAction", "Deny") == "Deny":
            raise Unusable("no params found for policy binding with `Deny` parameterNotFoundAction")
        return list(found)

    def _find(self, kind: Kind, namespace: str, reference: Obj) -> Sequence[Obj]:
        cluster = self._setup.cluster
        if name := reference.get("name"):
            found = cluster.get(kind.group, kind.plural, namespace, name)
            return [found] if found is not None else []
        selector = from_label_selector(reference.get("selector") or {})
        listed = cluster.list(kind.group, kind.plural, namespace)
        return [p for p in listed if selector.matches(p["metadata"].get("labels") or {})]


_ALL = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}


def _constraints(match: Obj, *, narrows: bool = False) -> Constraints:
    """A binding without rules narrows nothing by them; a policy without rules is for nothing."""
    rules = match.get("resourceRules") or ([_ALL] if narrows else [])
    return Constraints(match, rules, match.get("excludeResourceRules") or ())
