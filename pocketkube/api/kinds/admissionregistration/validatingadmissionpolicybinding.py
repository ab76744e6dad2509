"""ValidatingAdmissionPolicyBinding: where a validating policy applies."""

from __future__ import annotations

from typing import Any

from pocketkube.api.kinds import checks, webhooks
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import field
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_ACTIONS = ["Audit", "Deny", "Warn"]


def _validate(obj: Obj) -> Errors:
    actions = (obj.get("spec") or {}).get("validationActions") or []
    wrong = webhooks.validate_binding(obj)
    if not actions:
        wrong.append(field.required("spec.validationActions"))
    for at, action in enumerate(actions):
        if action not in _ACTIONS:
            wrong.append(field.not_supported(f"spec.validationActions[{at}]", action, _ACTIONS))
    if {"Deny", "Warn"} <= set(actions):
        why = (
            "must not contain both Deny and Warn (repeating the same validation failure information in the API response "
            "and headers serves no purpose)"
        )
        wrong.append(field.invalid("spec.validationActions", actions, why))
    return wrong


KIND = Kind(
    group="admissionregistration.k8s.io",
    version="v1",
    kind="ValidatingAdmissionPolicyBinding",
    plural="validatingadmissionpolicybindings",
    namespaced=False,
    schema=Schema.of("io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyBinding"),
    categories=("api-extensions",),
    priority=10,
    columns=webhooks.POLICY_BINDING_COLUMNS,
    row=webhooks.binding_row,
    default=webhooks.default_binding,
    validate=_validate,
    validate_update=checks.on_update(_validate),
)
