"""Requests that another server judges: a SubjectAccessReview is posted to it, and its decision is kept for a while.

`authorize` never waits: it raises Undecided until the answer is there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import orjson

from apiserver.authz.requirements import of_fields, of_labels
from apiserver.interfaces import Decision, RequestInfo, Undecided, User
from apiserver.remote import Remote, RemoteFailed

log = logging.getLogger(__name__)

Obj = dict[str, Any]

_KEPT = 8192
_LEAST_SECONDS = 0.1  # the question is put again right after the answer came
_NO_OPINION = Decision(False)
_LONGEST_KEY = 10_000


class WebhookAuthorizer:
    """Implements `Authorizer`. Seconds are how long a decision is kept; `denies_on_failure` is the policy Deny."""

    def __init__(
        self,
        remote: Remote,
        *,
        version: str = "v1beta1",
        authorized_seconds: float = 300.0,
        unauthorized_seconds: float = 30.0,
        denies_on_failure: bool = False,
        conditions: Sequence[str] = (),
        now: Callable[[], float] = time.monotonic,
    ):
        """Raises ValueError for a version or condition that cannot be used."""
        from pocketkube.api import cel

        if version not in ("v1", "v1beta1"):
            raise ValueError(f"unsupported webhook authorizer version {version!r}, supported versions are v1, v1beta1")
        self._remote, self._version = remote, version
        self._seconds = {True: authorized_seconds, False: unauthorized_seconds}
        self._on_failure = denies_on_failure
        self._conditions = [cel.compile_expression(text, cel.AUTHORIZATION) for text in conditions]
        self._now = now
        self._answers: dict[bytes, tuple[Decision, float]] = {}

    def authorize(self, user: User, request: RequestInfo) -> Decision:
        spec = review_spec(user, request)
        if self._conditions:
            missed = self._missed(spec)
            if missed is not None:
                return missed
        key = orjson.dumps(spec)
        known = self._answers.get(key)
        if known is not None and self._now() < known[1]:
            return known[0]
        raise Undecided(partial(self._ask, key, spec))

    async def rules_for(self, user: User, namespace: str) -> tuple[list[Obj], list[Obj], str]:
        return [], [], "webhook authorizer does not support user rule resolution"

    async def close(self) -> None:
        await self._remote.close()

    def _missed(self, spec: Obj) -> Decision | None:
        """The decision without asking where a condition is false or fails, None where all hold."""
        from pocketkube.api import cel

        variables = {"request": _complete(spec)}
        failures = []
        for program in self._conditions:
            try:
                if program.run(variables) is not True:
                    return _NO_OPINION
            except cel.EvaluationError as failure:
                failures.append(str(failure))
        return self._failed("; ".join(failures)) if failures else None

    def _failed(self, why: str) -> Decision:
        return Decision(False, error=why, denied=self._on_failure)

    async def _ask(self, key: bytes, spec: Obj) -> None:
        review = {
            "apiVersion": f"authorization.k8s.io/{self._version}",
            "kind": "SubjectAccessReview",
            "metadata": {"creationTimestamp": None},
            "spec": spec if self._version == "v1" else _as_v1beta1(spec),
            "status": {"allowed": False},
        }
        try:
            decision = _decision((await self._remote.post(review)).get("status") or {})
            seconds = self._seconds[decision.allowed]
        except (RemoteFailed, ValueError) as failure:
            log.error("Failed to make webhook authorizer request: %s", failure)
            decision, seconds = self._failed(str(failure)), 0.0
        if len(key) > _LONGEST_KEY:
            seconds = 0.0
        if len(self._answers) >= _KEPT:
            self._answers.clear()
        self._answers[key] = (decision, self._now() + max(seconds, _LEAST_SECONDS))


def _decision(status: Obj) -> Decision:
    allowed, denied, reason = bool(status.get("allowed")), bool(status.get("denied")), status.get("reason") or ""
    if allowed and denied:
        raise ValueError("webhook subject access review returned both allow and deny response")
    return Decision(allowed, reason, denied=denied)


def review_spec(user: User, request: RequestInfo) -> Obj:
    """The spec of a SubjectAccessReview v1 about this request, without what is empty."""
    spec: Obj = {}
    if request.is_resource:
        attributes: Obj = {
            "namespace": request.namespace,
            "verb": request.verb,
            "group": request.group,
            "version": request.version,
            "resource": request.resource,
            "subresource": request.subresource,
            "name": request.name,
        }
        attributes = {name: value for name, value in attributes.items() if value}
        if fields := of_fields(request.field_selector):
            attributes["fieldSelector"] = {"requirements": list(fields)}
        if labels := of_labels(request.label_selector):
            attributes["labelSelector"] = {"requirements": list(labels)}
        spec["resourceAttributes"] = attributes
    else:
        spec["nonResourceAttributes"] = {"path": request.path, "verb": request.verb}
    spec |= {"user": user.name, "groups": list(user.groups), "uid": user.uid}
    if user.extra:
        spec["extra"] = {key: list(values) for key, values in user.extra.items()}
    return {name: value for name, value in spec.items() if value}


def _as_v1beta1(spec: Obj) -> Obj:
    """There the groups are called `group`."""
    return {"group" if name == "groups" else name: value for name, value in spec.items()}


def _complete(spec: Obj) -> Obj:
    """With every field that an expression may read, empty ones too."""
    whole: Obj = {"user": "", "groups": [], "uid": "", "extra": {}, **spec}
    if "resourceAttributes" in spec:
        names = ("namespace", "verb", "group", "version", "resource", "subresource", "name")
        whole["resourceAttributes"] = {**dict.fromkeys(names, ""), **spec["resourceAttributes"]}
    return whole
