"""ValidatingAdmissionPolicy: CEL policies that are bound to requests refuse them, warn about them or note them."""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.admission.conditions import ConditionFailed, answer_by, variables_of
from apiserver.admission.matching import EXEMPT, Versioned, brought_to, in_version, is_outside
from apiserver.admission.plugin import Outcome, Plugin, Setup
from apiserver.admission.policies.store import Bound, Policies, Unusable
from apiserver.admission.policies.validating import Broken, ValidatingPolicy
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.cel.library import authorizer as asking
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import errors

Obj = dict[str, Any]

ANNOTATION = "validation.policy.admission.k8s.io/validation_failure"
_CODES = {"Unauthorized": 401, "Forbidden": 403, "Invalid": 422, "RequestEntityTooLarge": 413}


class ValidatingAdmissionPolicy(Plugin):
    name = "ValidatingAdmissionPolicy"
    built_in = False

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
        refusals: list[tuple[Bound[ValidatingPolicy], Broken]] = []
        for bound, versioned in concerned:
            with asking.answering(answer_by(self.setup.authorizer, request.user)):
                for broken in self._judge(bound, versioned, request):
                    if self._act(bound, broken, request):
                        refusals.append((bound, broken))
        if refusals:
            raise _refusal(request, refusals)

    def _judge(self, bound: Bound[ValidatingPolicy], versioned: Versioned, request: AdmissionRequest) -> list[Broken]:
        policy = bound.policy
        given = {**variables_of(request, versioned), "namespaceObject": self._namespace(request)}
        try:
            found: list[Broken] = []
            for params in self._policies.parameters(bound, request.namespace):
                values = {**given, "params": params}
                if policy.conditions and not policy.conditions.hold(values):
                    continue
                found += policy.broken(values)
                request.annotations |= policy.annotations(values)
            return found
        except (ConditionFailed, Unusable) as failure:
            return [Broken(f"failed to configure binding: {failure}", "Invalid", True)]

    def _namespace(self, request: AdmissionRequest) -> Obj | None:
        if not request.kind.namespaced:
            return None
        return self.cluster.get("", "namespaces", "", request.namespace)

    def _act(self, bound: Bound[ValidatingPolicy], broken: Broken, request: AdmissionRequest) -> bool:
        """Whether the request is to be refused for it."""
        if broken.failed:
            return not bound.policy.ignores_failure
        actions = (bound.binding.get("spec") or {}).get("validationActions") or ("Deny",)
        who = f"ValidatingAdmissionPolicy '{bound.policy.name}' with binding '{bound.binding['metadata']['name']}'"
        if "Warn" in actions:
            request.warnings.append(f"Validation failed for {who}: {broken.message}")
        if "Audit" in actions:
            note = {
                "message": broken.message,
                "policy": bound.policy.name,
                "binding": bound.binding["metadata"]["name"],
            }
            request.annotations[ANNOTATION] = orjson.dumps([note]).decode()
        return "Deny" in actions


def _refusal(request: AdmissionRequest, refusals: list[tuple[Bound[ValidatingPolicy], Broken]]) -> errors.StatusError:
    """In the words of the first; all are named."""
    bound, broken = refusals[0]
    who = f"ValidatingAdmissionPolicy '{bound.policy.name}' with binding '{bound.binding['metadata']['name']}'"
    why = f"{who} denied request: {broken.message}"
    kind = request.kind
    refusal = errors.forbidden(kind.group, kind.plural, request.name, why)
    refusal.code, refusal.reason = _CODES.get(broken.reason, 422), broken.reason
    refusal.details["causes"] = [{"message": f"{b.policy.name}: {found.message}"} for b, found in refusals]
    return refusal


ADMISSION = ValidatingAdmissionPolicy
