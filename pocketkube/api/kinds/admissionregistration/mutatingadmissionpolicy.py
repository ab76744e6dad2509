"""MutatingAdmissionPolicy: changes to requests, in CEL."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import columns, expressions, webhooks
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.number("Mutations", "How many mutations it has."),
    columns.text("ParamKind", "The kind of its parameters."),
    columns.AGE,
)


_GIVES = {"applyConfiguration": ("map",), "jsonPatch": ("list",)}


def _default(obj: Obj) -> None:
    webhooks.default_policy(obj)
    if obj["spec"].get("reinvocationPolicy") is None:
        obj["spec"]["reinvocationPolicy"] = "Never"


def _validate(obj: Obj) -> Errors:
    spec = obj["spec"]
    wrong: Errors = []
    if spec["failurePolicy"] not in ("Fail", "Ignore"):
        wrong.append(field.not_supported("spec.failurePolicy", spec["failurePolicy"], ["Fail", "Ignore"]))
    if (kind := spec.get("paramKind")) is not None:
        wrong += [field.required(f"spec.paramKind.{x}") for x in ("apiVersion", "kind") if not kind.get(x)]
    wrong += webhooks.validate_match(spec.get("matchConstraints"), "spec.matchConstraints", needed=True)
    seen = expressions.OfPolicy(spec)
    wrong += webhooks.match_conditions(spec.get("matchConditions") or [], "spec.matchConditions", seen.conditions())
    wrong += webhooks.variables(spec.get("variables") or [], "spec.variables", seen)
    if not spec.get("mutations"):
        wrong.append(field.required("spec.mutations", "mutations must contain at least one item"))
    for at, change in enumerate(spec.get("mutations") or ()):
        if change.get("patchType") not in ("ApplyConfiguration", "JSONPatch"):
            allowed = ["ApplyConfiguration", "JSONPatch"]
            wrong.append(field.not_supported(f"spec.mutations[{at}].patchType", change.get("patchType"), allowed))
        for name in ("applyConfiguration", "jsonPatch"):
            text = (change.get(name) or {}).get("expression") or ""
            wrong += seen.compiled(f"spec.mutations[{at}].{name}.expression", text, gives=_GIVES[name])
    return wrong


def _validate_update(obj: Obj, old: Obj) -> Errors:
    return _validate(obj) if obj["spec"] != old.get("spec") else []  # what was accepted once stays accepted


def _row(obj: Obj, now: datetime) -> list[Any]:
    count = len((obj.get("spec") or {}).get("mutations") or ())
    return [obj["metadata"]["name"], count, webhooks.param_kind(obj), columns.age(obj, now)]


KIND = Kind(
    group="admissionregistration.k8s.io",
    version="v1",
    kind="MutatingAdmissionPolicy",
    plural="mutatingadmissionpolicies",
    namespaced=False,
    schema=Schema.of("io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicy"),
    categories=("api-extensions",),
    priority=10,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    validate=_validate,
    validate_update=_validate_update,
)
