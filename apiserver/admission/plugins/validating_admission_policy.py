"""ValidatingAdmissionPolicy: CEL policies that are bound to requests refuse them, warn about them or note them."""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.admission.conditions import answer_by, variables_of
from apiserver.admission.matching import EXEMPT, Versioned, brought_to, in_version, is_outside
from apiserver.admission.plugin import Outcome, Plugin, Setup
from apiserver.admission.policies.store import Bound, Policies, Unusable
from apiserver.admission.policies.validating import Broken, Judgement, ValidatingPolicy
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.cel.library import authorizer as asking
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import errors

Obj = dict[str, Any]

ANNOTATION = "validation.policy.admission.k8s.io/validation_failure"
_CODES = {"Unauthorized": 401, "Forbidden": 403, "Invalid": 422, "RequestEntityTooLarge": 413}


class ValidatingAdmissionPolicy(Plugin):
    name = "ValidatingAdmissionPolicy"

    def __init__(self, setup: Setup):
        super().__init__(setup)
        self._policies = Policies(setup, "validatingadmission", ValidatingPolicy)

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        return kind.resource not in EXEMPT

    def validate(self, request: AdmissionRequest) -> Outcome:
        concerned = self._policies.concerned(request)
        if any(is_outside(request, kind) for _, kind in concerned):
            return self._validate_converted(request, concerned)
        self._check(request, [(bound, in_version(request, kind)) for bound, kind in concerned])
        return None

    async def _validate_converted(
        self, request: AdmissionRequest, concerned: list[tuple[Bound[ValidatingPolicy], Kind]]
    ) -> None:
        self._check(request, [(bound, await brought_to(request, kind)) for bound, kind in concerned])

    def _check(self, request: AdmissionRequest, concerned: list[tuple[Bound[ValidatingPolicy], Versioned]]) -> None:
        first: tuple[Bound[ValidatingPolicy], Broken] | None = None
        notes: dict[str, list[str]] = {}
        for bound, versioned in concerned:
            for broken in self._act_on(bound, versioned, request, notes):
                first = first or (bound, broken)
        for key, values in notes.items():
            request.annotations[key] = ", ".join(values)
        if first is not None:
            raise _refusal(request, *first)

    def _act_on(
        self,
        bound: Bound[ValidatingPolicy],
        versioned: Versioned,
        request: AdmissionRequest,
        notes: dict[str, list[str]],
    ) -> list[Broken]:
        """What the request is to be refused for; warns and adds to `notes` as the policy says."""
        refusals: list[Broken] = []
        fails = not bound.policy.ignores_failure
        try:
            with asking.answering(answer_by(self.setup.authorizer, request.user)):
                judgements = self._judge(bound, versioned, request)
        except Unusable as failure:
            return [Broken(f"failed to configure binding: {failure}")] if fails else []
        for judgement in judgements:
            counted = [found for found in judgement.broken if fails or not found.failed]
            refusals += [found for found in counted if self._refuses(bound, found, request)]
            refusals += [Broken(why) for why in judgement.failures] if fails else []
            for key, value in judgement.notes:
                known = notes.setdefault(f"{bound.policy.name}/{key}", [])
                if value not in known:
                    known.append(value)
        return refusals

    def _judge(
        self, bound: Bound[ValidatingPolicy], versioned: Versioned, request: AdmissionRequest
    ) -> list[Judgement]:
        """Once for each parameter object. Raises Unusable."""
        given = {**variables_of(request, versioned), "namespaceObject": self._namespace(request)}
        parameters = self._policies.parameters(bound, request.namespace)
        return [bound.policy.judge({**given, "params": params}) for params in parameters]

    def _namespace(self, request: AdmissionRequest) -> Obj | None:
        if not request.kind.namespaced:
            return None
        return self.cluster.get("", "namespaces", "", request.namespace)

    @staticmethod
    def _refuses(bound: Bound[ValidatingPolicy], broken: Broken, request: AdmissionRequest) -> bool:
        """Whether the binding denies; it may warn and note as well."""
        actions = (bound.binding.get("spec") or {}).get("validationActions") or ("Deny",)
        if "Warn" in actions:
            request.warnings.append(f"Validation failed for {_who(bound)}: {broken.message}")
        if "Audit" in actions:
            note = {
                "message": broken.message,
                "policy": bound.policy.name,
                "binding": bound.binding["metadata"]["name"],
                "expressionIndex": broken.at,
                "validationActions": list(actions),
            }
            request.annotations.setdefault(ANNOTATION, orjson.dumps([note]).decode())
        return "Deny" in actions


def _who(bound: Bound[ValidatingPolicy]) -> str:
    return f"ValidatingAdmissionPolicy '{bound.policy.name}' with binding '{bound.binding['metadata']['name']}'"


def _refusal(request: AdmissionRequest, bound: Bound[ValidatingPolicy], broken: Broken) -> errors.StatusError:
    """In the words of the first that denies."""
    why = f"{_who(bound)} denied request: {broken.message}"
    kind = request.kind
    refusal = errors.forbidden(kind.group, kind.plural, request.name, why)
    refusal.reason = broken.reason or "Invalid"
    refusal.code = _CODES.get(refusal.reason, 422)
    refusal.details["causes"] = [{"message": why}]
    return refusal


ADMISSION = ValidatingAdmissionPolicy
