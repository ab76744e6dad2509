"""The `authorizer` variable of expressions: builds a question step by step, asks it when `check` is reached.

Who answers is set around an evaluation by `answering`; expressions are evaluated without waiting, so one is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Question = dict[str, Any]
Answer = Callable[[Question, str], tuple[bool, str]]

VARIABLE: Question = {"~authorizer": {}}
_answers: list[Answer] = []


@contextmanager
def answering(answer: Answer) -> Iterator[None]:
    """`answer(question, verb)` gives (allowed, reason); the question has path, or group, resource, subresource, namespace,
    name, and serviceAccount as (namespace, name) where another subject is meant. What it raises is raised at the end."""
    failures: list[Exception] = []

    def answered(question: Question, verb: str) -> tuple[bool, str]:
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


def _with(name: str) -> Callable[[Question, str], Question]:
    def step(question: Question, value: str) -> Question:
        return {"~authorizer": {**question["~authorizer"], name: value}}

    return step


def _account(question: Question, namespace: str, name: str) -> Question:
    return {"~authorizer": {**question["~authorizer"], "serviceAccount": [namespace, name]}}


def _check(question: Question, verb: str) -> dict[str, Any]:
    if not _answers:
        raise ValueError("there is no authorizer here")
    allowed, reason = _answers[-1](question["~authorizer"], verb)
    return {"~decision": {"allowed": allowed, "reason": reason}}


def functions() -> Iterator[tuple[str, tuple[str, ...], str, Callable[..., Any]]]:
    for name in ("path", "group", "resource", "subresource", "namespace", "name"):
        yield f".{name}", ("dyn", "string"), "dyn", _with(name)
    yield ".serviceAccount", ("dyn", "string", "string"), "dyn", _account
    yield ".check", ("dyn", "string"), "dyn", _check
    yield ".allowed", ("dyn",), "bool", lambda d: d["~decision"]["allowed"]
    yield ".reason", ("dyn",), "string", lambda d: d["~decision"]["reason"]
    yield ".errored", ("dyn",), "bool", lambda d: False
    yield ".error", ("dyn",), "string", lambda d: ""
