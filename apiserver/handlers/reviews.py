"""The reviews: a question is posted, answered and not kept."""

from __future__ import annotations

from typing import Any

from apiserver.api import Api
from apiserver.asking import settled
from apiserver.authn import reviews as authn
from apiserver.authz import reviews as authz
from apiserver.decoding import read_object, writer_of
from apiserver.interfaces import AdmissionRequest
from apiserver.registry.resource import Resource
from apiserver.representation import form_of, respond
from apiserver.request import Request, Response
from pocketkube.api.meta import errors

Obj = dict[str, Any]


async def _question(api: Api, request: Request, resource: Resource) -> Obj:
    """The body, admitted as what is created."""
    if form_of(request).shape:
        raise errors.NotAcceptable("only the following media types are accepted: application/json, application/yaml")
    writer = writer_of(request, "CreateOptions")
    question = await read_object(request, resource, writer)
    name = question["metadata"].get("name", "")
    asked = AdmissionRequest(
        "CREATE", resource.kind, request.info.namespace, name, "", question, None, request.user, writer.dry_run,
        writer.options, writer.warnings, writer.annotations,
    )  # fmt: skip
    await api.registry.admission.mutate(asked)
    await api.registry.admission.validate(asked)
    return question


def _answer(request: Request, review: Obj) -> Response:
    review["metadata"] = {"creationTimestamp": None, **review.get("metadata", {})}
    return respond(request, review, status=201)


async def token(api: Api, request: Request, resource: Resource) -> Response:
    question = await _question(api, request, resource)
    return _answer(request, await authn.token_review(api.authenticator, question, api_audiences=api.options.audiences))


async def self_subject(api: Api, request: Request, resource: Resource) -> Response:
    return _answer(request, authn.self_subject_review(request.user, await _question(api, request, resource)))


async def subject_access(api: Api, request: Request, resource: Resource) -> Response:
    question = await _question(api, request, resource)
    return _answer(request, await settled(lambda: authz.subject_access(api.authorizer, question)))


async def local_subject_access(api: Api, request: Request, resource: Resource) -> Response:
    question = await _question(api, request, resource)
    namespace = request.info.namespace
    answer = await settled(lambda: authz.local_subject_access(api.authorizer, question, namespace))
    return _answer(request, answer)


async def self_subject_access(api: Api, request: Request, resource: Resource) -> Response:
    question = await _question(api, request, resource)
    return _answer(request, await settled(lambda: authz.self_subject_access(api.authorizer, question, request.user)))


async def self_subject_rules(api: Api, request: Request, resource: Resource) -> Response:
    question = await _question(api, request, resource)
    return _answer(request, await authz.self_subject_rules(api.authorizer, question, request.user))
