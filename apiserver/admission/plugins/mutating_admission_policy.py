"""MutatingAdmissionPolicy: CEL policies that are bound to requests change them; one may ask to see later changes."""

from __future__ import annotations

from typing import Any

from apiserver.admission.conditions import ConditionFailed, answer_by, variables_of
from apiserver.admission.matching import EXEMPT, in_version
from apiserver.admission.plugin import Outcome, Plugin, Setup
from apiserver.admission.policies.mutating import MutatingPolicy
from apiserver.admission.policies.store import Bound, Policies, Unusable
from apiserver.interfaces import AdmissionRequest
from pocketkube.api import cel
from pocketkube.api.cel.library import authorizer as asking
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import errors

Obj = dict[str, Any]


class MutatingAdmissionPolicy(Plugin):
    name = "MutatingAdmissionPolicy"
    built_in = False

    def __init__(self, setup: Setup):
        super().__init__(setup)
        self._policies = Policies(setup, "mutatingadmission", MutatingPolicy)

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        return kind.resource not in EXEMPT and operation in ("CREATE", "UPDATE")

    def mutate(self, request: AdmissionRequest) -> Outcome:
        concerned = self._policies.concerned(request)
        last_change = -1
        for index, (bound, kind) in enumerate(concerned):
            if self._apply(request, bound, kind):
                last_change = index
        for bound, kind in concerned[: max(last_change, 0)]:
            if bound.policy.reinvoked:
                self._apply(request, bound, kind)
        return None

    def _apply(self, request: AdmissionRequest, bound: Bound[MutatingPolicy], kind: Kind) -> bool:
        """Whether the object was changed."""
        if request.obj is None:
            return False
        try:
            with asking.answering(answer_by(self.setup.authorizer, request.user)):
                changed = self._mutated(request, bound, kind)
        except (ConditionFailed, Unusable, cel.EvaluationError, errors.StatusError) as failure:
            if bound.policy.ignores_failure:
                return False
            raise _refusal(request, bound, failure) from failure
        if changed == request.obj:
            return False
        request.obj.clear()
        request.obj.update(changed)
        if request.kind.default is not None and not request.subresource:
            request.kind.default(request.obj)
        request.changed_outside = True
        return True

    def _mutated(self, request: AdmissionRequest, bound: Bound[MutatingPolicy], kind: Kind) -> Obj:
        policy = bound.policy
        versioned = in_version(request, kind)
        obj = versioned.obj or {}
        given = {**variables_of(request, versioned), "namespaceObject": self._namespace(request)}
        for params in self._policies.parameters(bound, request.namespace):
            values = {**given, "object": obj, "params": params}
            if not policy.conditions or policy.conditions.hold(values):
                obj = policy.mutated(obj, values, kind)
        if kind.version != request.kind.version and kind.convert is not None:
            obj = kind.convert(obj, request.kind.version)
        return dict(obj)

    def _namespace(self, request: AdmissionRequest) -> Obj | None:
        if not request.kind.namespaced:
            return None
        return self.cluster.get("", "namespaces", "", request.namespace)


def _refusal(request: AdmissionRequest, bound: Bound[MutatingPolicy], failure: Exception) -> errors.StatusError:
    binding = bound.binding["metadata"]["name"]
    why = f"policy '{bound.policy.name}' with binding '{binding}' denied request: {failure}"
    refusal = errors.forbidden(request.kind.group, request.kind.plural, request.name, why)
    refusal.code, refusal.reason = 422, "Invalid"
    return refusal


ADMISSION = MutatingAdmissionPolicy
