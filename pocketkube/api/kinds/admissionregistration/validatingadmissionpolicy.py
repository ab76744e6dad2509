"""ValidatingAdmissionPolicy: checks of requests, in CEL."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns, expressions, webhooks, workload
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.meta import field, names
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.number("Validations", "How many validations it has."),
    columns.text("ParamKind", "The kind of its parameters."),
    columns.AGE,
)
_REASONS = ["Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"]


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
    if not spec.get("validations") and not spec.get("auditAnnotations"):
        why = "validations or auditAnnotations must contain at least one item"
        wrong.append(field.required("spec.validations", why))
    for at, check in enumerate(spec.get("validations") or ()):
        if not (check.get("expression") or "").strip():
            wrong.append(field.required(f"spec.validations[{at}].expression", "expression is not specified"))
        wrong += _check(check, f"spec.validations[{at}]", seen)
    for at, note in enumerate(spec.get("auditAnnotations") or ()):
        wrong += _annotation(note, f"spec.auditAnnotations[{at}]", seen)
    return wrong


def _check(check: Obj, path: str, seen: expressions.OfPolicy) -> Errors:
    wrong = seen.compiled(f"{path}.expression", check.get("expression") or "", gives=("bool",))
    said = check.get("messageExpression") or ""
    wrong += seen.compiled(f"{path}.messageExpression", said, gives=("string",), authorizer=False)
    message = check.get("message") or ""
    if "\n" in message:
        wrong.append(field.invalid(f"{path}.message", message, "message must not contain line breaks"))
    if (reason := check.get("reason")) is not None and reason not in _REASONS:
        wrong.append(field.not_supported(f"{path}.reason", reason, _REASONS))
    return wrong


def _annotation(note: Obj, path: str, seen: expressions.OfPolicy) -> Errors:
    key, value = note.get("key") or "", note.get("valueExpression") or ""
    wrong = checks.named(f"{path}.key", key, names.is_qualified_name) if key else [field.required(f"{path}.key")]
    if not value.strip():
        return [*wrong, field.required(f"{path}.valueExpression", "valueExpression is not specified")]
    return wrong + seen.compiled(f"{path}.valueExpression", value, gives=("string", "null_type"))


def _validate_update(obj: Obj, old: Obj) -> Errors:
    return _validate(obj) if obj["spec"] != old.get("spec") else []  # what was accepted once stays accepted


def _row(obj: Obj, now: datetime) -> list[Any]:
    count = len((obj.get("spec") or {}).get("validations") or ())
    return [obj["metadata"]["name"], count, webhooks.param_kind(obj), columns.age(obj, now)]


KIND = Kind(
    group="admissionregistration.k8s.io",
    version="v1",
    kind="ValidatingAdmissionPolicy",
    plural="validatingadmissionpolicies",
    namespaced=False,
    schema=Schema.of("io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicy"),
    categories=("api-extensions",),
    subresources=(STATUS,),
    priority=10,
    columns=_COLUMNS,
    row=_row,
    default=webhooks.default_policy,
    prepare_create=workload.begins(),
    validate=_validate,
    validate_update=_validate_update,
)
