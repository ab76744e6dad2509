"""MutatingAdmissionPolicy: CEL policies that are bound to requests change them; one may ask to see later changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apiserver.admission.conditions import ConditionFailed, answer_by, variables_of
from apiserver.admission.matching import EXEMPT, Versioned, back, brought_back, brought_to, in_version, is_outside
from apiserver.admission.plugin import Outcome, Plugin, Setup
from apiserver.admission.policies.mutating import MutatingPolicy
from apiserver.admission.policies.store import Bound, Policies, Unusable
from apiserver.admission.reinvocation import Invoked, anybody_due, invoked
from apiserver.interfaces import AdmissionRequest
from pocketkube.api import cel
from pocketkube.api.cel.budget import OutOfBudget
from pocketkube.api.cel.library import authorizer as asking
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import errors

Obj = dict[str, Any]
Concerned = Iterable[tuple[Bound[MutatingPolicy], Kind]]


class MutatingAdmissionPolicy(Plugin):
    name = "MutatingAdmissionPolicy"

    def __init__(self, setup: Setup):
        super().__init__(setup)
        self._policies = Policies(setup, "mutatingadmission", MutatingPolicy)

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        return kind.resource not in EXEMPT and operation in ("CREATE", "UPDATE")

    def mutate(self, request: AdmissionRequest) -> Outcome:
        if request.again and not anybody_due(request, self.name):
            return None
        concerned = self._policies.concerned(request)
        if not concerned:
            return None
        if any(is_outside(request, kind) for _, kind in concerned):
            return self._mutate_converted(request, concerned)
        known = invoked(request, self.name)
        for bound, kind in _turns(request, known, concerned):
            _note(known, bound, changed=self._apply(request, bound, kind))
        known.leave(request.obj)
        return None

    async def _mutate_converted(self, request: AdmissionRequest, concerned: Concerned) -> None:
        known = invoked(request, self.name)
        for bound, kind in _turns(request, known, concerned):
            _note(known, bound, changed=await self._apply_converted(request, bound, kind))
        known.leave(request.obj)

    async def _apply_converted(self, request: AdmissionRequest, bound: Bound[MutatingPolicy], kind: Kind) -> bool:
        changed = self._changed(request, bound, await brought_to(request, kind))
        return changed is not None and _set(request, await brought_back(request, kind, changed))

    def _apply(self, request: AdmissionRequest, bound: Bound[MutatingPolicy], kind: Kind) -> bool:
        """Whether the object was changed."""
        changed = self._changed(request, bound, in_version(request, kind))
        return changed is not None and _set(request, back(request, kind, changed))

    def _changed(self, request: AdmissionRequest, bound: Bound[MutatingPolicy], versioned: Versioned) -> Obj | None:
        """The object after a policy, in the version in which it was matched; None where it says nothing."""
        if versioned.obj is None:
            return None
        try:
            with asking.answering(answer_by(self.setup.authorizer, request.user)):
                return self._mutated(request, bound, versioned, versioned.obj)
        except (ConditionFailed, Unusable, OutOfBudget, cel.EvaluationError, errors.StatusError) as failure:
            if bound.policy.ignores_failure:
                return None
            raise _refusal(request, bound, failure) from failure

    def _mutated(self, request: AdmissionRequest, bound: Bound[MutatingPolicy], versioned: Versioned, obj: Obj) -> Obj:
        policy = bound.policy
        given = {**variables_of(request, versioned), "namespaceObject": self._namespace(request)}
        for params in self._policies.parameters(bound, request.namespace):
            values = {**given, "object": obj, "params": params}
            if not policy.conditions or policy.conditions.hold(values):
                obj = policy.mutated(obj, values, versioned.kind)
        return dict(obj)

    def _namespace(self, request: AdmissionRequest) -> Obj | None:
        if not request.kind.namespaced:
            return None
        return self.cluster.get("", "namespaces", "", request.namespace)


def _turns(request: AdmissionRequest, known: Invoked, concerned: Concerned) -> Concerned:
    """The second time only those that want to and were asked before; lazily, as one may make another due."""
    return (turn for turn in concerned if not request.again or known.is_due(_name(turn[0])))


def _note(known: Invoked, bound: Bound[MutatingPolicy], *, changed: bool) -> None:
    if changed:
        known.changed()
    if bound.policy.reinvoked:
        known.asked(_name(bound))


def _name(bound: Bound[MutatingPolicy]) -> tuple[str, str]:
    return bound.policy.name, bound.binding["metadata"]["name"]


def _set(request: AdmissionRequest, changed: Obj) -> bool:
    """Whether that is something new; then it is the request's object."""
    assert request.obj is not None
    if changed == request.obj:
        return False
    request.obj.clear()
    request.obj.update(changed)
    if not request.subresource:
        request.kind.schema.decode(request.obj, mode="Ignore")
        if request.kind.default is not None:
            request.kind.default(request.obj)
    request.changed_outside = True
    return True


def _refusal(request: AdmissionRequest, bound: Bound[MutatingPolicy], failure: Exception) -> errors.StatusError:
    binding = bound.binding["metadata"]["name"]
    why = f"policy '{bound.policy.name}' with binding '{binding}' denied request: {failure}"
    refusal = errors.forbidden(request.kind.group, request.kind.plural, request.name, why)
    refusal.code, refusal.reason = 422, "Invalid"
    return refusal


ADMISSION = MutatingAdmissionPolicy
