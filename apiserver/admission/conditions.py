"""Match conditions: CEL over a request that must all hold before a webhook or policy is asked at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiserver.admission.matching import Versioned
from apiserver.admission.webhooks.review import request_body
from apiserver.authn.serviceaccount import service_account_user
from apiserver.interfaces import AdmissionRequest, Authorizer, RequestInfo, User
from pocketkube.api import cel
from pocketkube.api.cel.budget import CONDITIONS_LIMIT, Budget, OutOfBudget
from pocketkube.api.cel.library import authorizer as asking

Obj = dict[str, Any]


class ConditionFailed(Exception):
    """A condition could not be evaluated, and none said no."""


class Conditions:
    """Compiled `matchConditions`; raises cel.CompileError for a wrong one."""

    def __init__(self, conditions: Sequence[Obj], variables: tuple[str, ...] = cel.CONDITION):
        self._programs = [cel.compile_expression(c["expression"], variables) for c in conditions]

    def __bool__(self) -> bool:
        return bool(self._programs)

    def hold(self, variables: Obj) -> bool:
        """Whether all are true. One that is false decides before one that fails. Raises ConditionFailed."""
        budget = Budget(CONDITIONS_LIMIT, variables)
        failures = []
        for program in self._programs:
            try:
                if program.run(variables, budget=budget) is not True:
                    return False
            except cel.EvaluationError as failure:
                failures.append(f"expression '{program.source}' resulted in error: {failure}")
            except OutOfBudget as spent:
                raise ConditionFailed(str(spent)) from None
        if failures:
            raise ConditionFailed(failures[0] if len(failures) == 1 else f"[{', '.join(failures)}]")
        return True


def variables_of(request: AdmissionRequest, versioned: Versioned) -> Obj:
    """object, oldObject, request and authorizer, as every expression about a request sees them."""
    body = request_body(request, versioned, uid="")
    for name in ("object", "oldObject", "uid"):
        body.pop(name, None)
    kind = versioned.kind
    asked = asking.of_request(
        group=kind.group,
        resource=kind.plural,
        subresource=request.subresource,
        namespace=request.namespace,
        name=request.name,
    )
    return {"object": versioned.obj, "oldObject": versioned.old, "request": body, "authorizer": asked}


def answer_by(authorizer: Authorizer | None, user: User) -> asking.Answer:
    """What `authorizer.…check(verb)` asks, for cel.authorizer.answering."""

    def answer(question: Obj, verb: str) -> asking.Answered:
        if authorizer is None:
            return asking.Answered(False, "there is no authorizer")
        subject = service_account_user(*question["serviceAccount"]) if "serviceAccount" in question else user
        if "path" in question:
            info = RequestInfo(verb, question["path"])
        else:
            info = RequestInfo(
                verb,
                "",
                True,
                question.get("group", ""),
                "*",
                question.get("resource", ""),
                question.get("subresource", ""),
                question.get("namespace", ""),
                question.get("name", ""),
                question.get("fieldSelector", ""),
                question.get("labelSelector", ""),
            )
        decision = authorizer.authorize(subject, info)
        return asking.Answered(decision.allowed, decision.reason, decision.error)

    return answer
