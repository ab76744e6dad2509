"""The authorization modes in the order of the flag: the first that allows or denies decides; system:masters may do all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiserver.interfaces import Authorizer, Decision, RequestInfo, User

Obj = dict[str, Any]

MASTERS = "system:masters"
_MASTER = Decision(True, "")
_EVERYTHING: list[Obj] = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
_EVERY_URL: list[Obj] = [{"verbs": ["*"], "nonResourceURLs": ["*"]}]


class Chain:
    """Implements `Authorizer` over others."""

    def __init__(self, authorizers: Sequence[Authorizer]):
        self.authorizers = tuple(authorizers)

    def authorize(self, user: User, request: RequestInfo) -> Decision:
        if MASTERS in user.groups:
            return _MASTER
        reasons, failures = [], []
        for authorizer in self.authorizers:
            decision = authorizer.authorize(user, request)
            if decision.allowed or decision.denied:
                return decision
            if decision.reason:
                reasons.append(decision.reason)
            if decision.error:
                failures.append(decision.error)
        return Decision(False, "\n".join(reasons), error=_aggregate(failures))

    async def rules_for(self, user: User, namespace: str) -> tuple[list[Obj], list[Obj], str]:
        resource_rules: list[Obj] = []
        url_rules: list[Obj] = []
        why = []
        for authorizer in self.authorizers:
            resources, urls, missing = await authorizer.rules_for(user, namespace)
            resource_rules += resources
            url_rules += urls
            if missing:
                why.append(missing)
        return resource_rules, url_rules, _aggregate(why)


def _aggregate(failures: list[str]) -> str:
    return failures[0] if len(failures) == 1 else f"[{', '.join(failures)}]" if failures else ""


class AlwaysAllow:
    """Everything is allowed."""

    def authorize(self, user: User, request: RequestInfo) -> Decision:
        return _MASTER

    async def rules_for(self, user: User, namespace: str) -> tuple[list[Obj], list[Obj], str]:
        return _EVERYTHING, _EVERY_URL, ""


class AlwaysDeny:
    """Nothing is allowed, by having no opinion: another mode may still allow."""

    def authorize(self, user: User, request: RequestInfo) -> Decision:
        return Decision(False, "Everything is forbidden.")

    async def rules_for(self, user: User, namespace: str) -> tuple[list[Obj], list[Obj], str]:
        return [], [], ""
