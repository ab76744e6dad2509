"""The SubjectAccessReview family: a review object in, the same with its status out. The authorizer is asked as for a request."""

from __future__ import annotations

from typing import Any

from apiserver.interfaces import Authorizer, RequestInfo, User
from pocketkube.api.meta import errors, field

Obj = dict[str, Any]
_GROUP = "authorization.k8s.io"
_ONE = "exactly one of nonResourceAttributes or resourceAttributes must be specified"


def subject_access(authorizer: Authorizer, review: Obj) -> Obj:
    """SubjectAccessReview. Raises errors.Invalid."""
    spec = review.get("spec") or {}
    found = _attribute_errors(spec) + _subject_errors(spec)
    _raise(found)
    return _decided(authorizer, review, _subject(spec))


def self_subject_access(authorizer: Authorizer, review: Obj, user: User) -> Obj:
    """SelfSubjectAccessReview. Raises errors.Invalid."""
    _raise(_attribute_errors(review.get("spec") or {}))
    return _decided(authorizer, review, user)


def local_subject_access(authorizer: Authorizer, review: Obj, namespace: str) -> Obj:
    """LocalSubjectAccessReview, posted to `namespace`. Raises errors.Invalid and errors.BadRequest."""
    meta = review.setdefault("metadata", {})
    if meta.setdefault("namespace", namespace) != namespace:
        raise errors.BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    spec = review.get("spec") or {}
    found = _attribute_errors(spec) + _subject_errors(spec)
    resource = spec.get("resourceAttributes")
    if resource is not None and resource.get("namespace", "") != namespace:
        given = resource.get("namespace", "")
        found.append(field.invalid("spec.resourceAttributes.namespace", given, "must match metadata.namespace"))
    if spec.get("nonResourceAttributes") is not None:
        found.append(
            field.invalid(
                "spec.nonResourceAttributes", spec["nonResourceAttributes"], "disallowed on this kind of request"
            )
        )
    _raise(found)
    return _decided(authorizer, review, _subject(spec))


async def self_subject_rules(authorizer: Authorizer, review: Obj, user: User) -> Obj:
    """SelfSubjectRulesReview. Raises errors.BadRequest without a namespace."""
    namespace = (review.get("spec") or {}).get("namespace") or ""
    if not namespace:
        raise errors.BadRequest("no namespace on request")
    resources, urls, why = await authorizer.rules_for(user, namespace)
    status: Obj = {"resourceRules": resources, "nonResourceRules": urls, "incomplete": bool(why)}
    if why:
        status["evaluationError"] = why
    return {**review, "spec": {}, "status": status}


def request_of(spec: Obj) -> RequestInfo:
    """The request that a review's spec describes."""
    resource = spec.get("resourceAttributes")
    if resource is None:
        other = spec.get("nonResourceAttributes") or {}
        return RequestInfo(other.get("verb", ""), other.get("path", ""))
    return RequestInfo(
        verb=resource.get("verb", ""),
        path="",
        is_resource=True,
        group=resource.get("group", ""),
        version=resource.get("version", ""),
        resource=resource.get("resource", ""),
        subresource=resource.get("subresource", ""),
        namespace=resource.get("namespace", ""),
        name=resource.get("name", ""),
        field_selector=_selector(resource.get("fieldSelector")),
        label_selector=_selector(resource.get("labelSelector")),
    )


def _decided(authorizer: Authorizer, review: Obj, user: User) -> Obj:
    decision = authorizer.authorize(user, request_of(review.get("spec") or {}))
    status: Obj = {"allowed": decision.allowed}
    if decision.denied:
        status["denied"] = True
    if decision.reason:
        status["reason"] = decision.reason
    if decision.error:
        status["evaluationError"] = decision.error
    return {**review, "status": status}


def _selector(given: Obj | None) -> str:
    """Raw text, or the requirements written as text: only equality narrows a decision."""
    if not given:
        return ""
    if given.get("rawSelector"):
        return str(given["rawSelector"])
    terms = [
        r for r in given.get("requirements") or () if r.get("operator") == "In" and len(r.get("values") or ()) == 1
    ]
    return ",".join(f"{r['key']}={r['values'][0]}" for r in terms)


def _subject(spec: Obj) -> User:
    extra = {key.lower(): tuple(values) for key, values in (spec.get("extra") or {}).items()}
    return User(spec.get("user") or "", spec.get("uid") or "", tuple(spec.get("groups") or ()), extra)


def _attribute_errors(spec: Obj) -> list[field.FieldError]:
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and other is not None:
        return [
            field.invalid(
                "spec.nonResourceAttributes", other, "cannot be specified in combination with resourceAttributes"
            )
        ]
    if resource is None and other is None:
        return [field.invalid("spec.resourceAttributes", None, _ONE)]
    found = []
    for name in ("fieldSelector", "labelSelector"):
        if resource is not None and resource.get(name) is not None:
            found += _selector_errors(resource[name], f"spec.resourceAttributes.{name}")
    return found


def _selector_errors(selector: Obj, path: str) -> list[field.FieldError]:
    raw, requirements = selector.get("rawSelector"), selector.get("requirements") or []
    found = []
    if raw and requirements:
        found.append(field.invalid(f"{path}.rawSelector", raw, "may not specified at the same time as requirements"))
    if not raw and not requirements:
        why = f"when {path} is specified, requirements or rawSelector is required"
        found.append(field.required(f"{path}.requirements", why))
    for at, requirement in enumerate(requirements):
        where, values = f"{path}.requirements[{at}]", requirement.get("values")
        if not requirement.get("key"):
            found.append(field.required(f"{where}.key", "must be specified"))
        match requirement.get("operator"):  # others may be those of a newer server
            case "In" | "NotIn" if not values:
                why = "must be specified when `operator` is 'In' or 'NotIn'"
                found.append(field.required(f"{where}.values", why))
            case "Exists" | "DoesNotExist" if values:
                why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                found.append(field.forbidden(f"{where}.values", why))
    return found


def _subject_errors(spec: Obj) -> list[field.FieldError]:
    if spec.get("user") or spec.get("groups"):
        return []
    return [field.invalid("spec.user", spec.get("user") or "", "at least one of user or group must be specified")]


def _raise(found: list[field.FieldError]) -> None:
    if found:
        raise errors.invalid(_GROUP, "", "", found)  # upstream names no kind here
