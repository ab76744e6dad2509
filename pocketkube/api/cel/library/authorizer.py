"""The `authorizer` variable of expressions: builds a question step by step, asks it when `check` is reached.

Who answers is set around an evaluation by `answering`; expressions are evaluated without waiting, so one is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from pocketkube.api.cel.library.function import (
    AUTHORIZER,
    DECISION,
    GROUP_CHECK,
    PATH_CHECK,
    RESOURCE_CHECK,
    Function,
)
from pocketkube.api.meta import names

Question = dict[str, Any]


class Answered(NamedTuple):
    """`error`: what kept the authorizer from deciding."""

    allowed: bool
    reason: str = ""
    error: str = ""


Answer = Callable[[Question, str], Answered]

VARIABLE: Question = {"~authorizer": {}}
_answers: list[Answer] = []


@contextmanager
def answering(answer: Answer) -> Iterator[None]:
    """The question has path, or group, resource, subresource, namespace, name, fieldSelector, labelSelector, and
    serviceAccount as (namespace, name) where another subject is meant. What `answer` raises is raised at the end."""
    failures: list[Exception] = []

    def answered(question: Question, verb: str) -> Answered:
        try:
            return answer(question, verb)
        except Exception as failure:  # would become a text on its way through the evaluator
            failures.append(failure)
            raise

    _answers.append(answered)
    try:
        yield
    finally:
        _answers.pop()
        if failures:
            raise failures[0]


def of_request(*, group: str, resource: str, subresource: str, namespace: str, name: str) -> Question:
    """`authorizer` with `requestResource` filled in."""
    asked = {"group": group, "resource": resource, "subresource": subresource, "namespace": namespace, "name": name}
    return {**VARIABLE, "requestResource": {"~authorizer": asked}}


def _with(name: str, *, needed: bool = False) -> Callable[[Question, str], Question]:
    def step(question: Question, value: str) -> Question:
        if needed and not value.strip():
            raise ValueError(f"{name} must not be empty")
        return {"~authorizer": {**question["~authorizer"], name: value}}

    return step


def _account(question: Question, namespace: str, name: str) -> Question:
    if names.is_dns_subdomain(name):
        raise ValueError("Invalid service account name")
    if names.is_dns_label(namespace):
        raise ValueError("Invalid service account namespace")
    return {"~authorizer": {**question["~authorizer"], "serviceAccount": [namespace, name]}}


def _check(question: Question, verb: str) -> dict[str, Any]:
    if not _answers:
        raise ValueError("there is no authorizer here")
    return {"~decision": _answers[-1](question["~authorizer"], verb)._asdict()}


_STEPS = (
    Function(".path", (f"{AUTHORIZER}, string -> {PATH_CHECK}",), _with("path", needed=True)),
    Function(".group", (f"{AUTHORIZER}, string -> {GROUP_CHECK}",), _with("group")),
    Function(".resource", (f"{GROUP_CHECK}, string -> {RESOURCE_CHECK}",), _with("resource", needed=True)),
    *(
        Function(f".{name}", (f"{RESOURCE_CHECK}, string -> {RESOURCE_CHECK}",), _with(name))
        for name in ("subresource", "namespace", "name", "fieldSelector", "labelSelector")
    ),
    Function(".serviceAccount", (f"{AUTHORIZER}, string, string -> {AUTHORIZER}",), _account),
)

FUNCTIONS = (
    *_STEPS,
    Function(".check", (f"{PATH_CHECK}, string -> {DECISION}", f"{RESOURCE_CHECK}, string -> {DECISION}"), _check),
    Function(".allowed", (f"{DECISION} -> bool",), lambda decision: decision["~decision"]["allowed"]),
    Function(".reason", (f"{DECISION} -> string",), lambda decision: decision["~decision"]["reason"]),
    Function(".errored", (f"{DECISION} -> bool",), lambda decision: bool(decision["~decision"]["error"])),
    Function(".error", (f"{DECISION} -> string",), lambda decision: decision["~decision"]["error"]),
)
