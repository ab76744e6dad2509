"""Does a FlowSchema's spec match who asks for what; and by what are its flows told apart. Pure functions."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from apiserver.interfaces import RequestInfo, User

Obj = dict[str, Any]

_SERVICE_ACCOUNT = "system:serviceaccount:"


def matches(spec: Obj, user: User, info: RequestInfo) -> bool:
    """Whether one of the rules has both the subject and the request."""
    asked = _resource_rule if info.is_resource else _path_rule
    rules_name = "resourceRules" if info.is_resource else "nonResourceRules"
    return any(
        any(_subject(subject, user) for subject in rule.get("subjects") or ())
        and any(asked(one, info) for one in rule.get(rules_name) or ())
        for rule in spec.get("rules") or ()
    )


def _subject(subject: Obj, user: User) -> bool:
    kind = subject.get("kind")
    if kind == "User":
        name = (subject.get("user") or {}).get("name")
        return bool(name == "*" or name == user.name)
    if kind == "Group":
        name = (subject.get("group") or {}).get("name")
        return bool(name == "*" or name in user.groups)
    account = subject.get("serviceAccount") or {}
    if not user.name.startswith(_SERVICE_ACCOUNT):
        return False
    namespace, _, name = user.name.removeprefix(_SERVICE_ACCOUNT).partition(":")
    return bool(account.get("namespace") == namespace and account.get("name") in ("*", name))


def _has(values: Container[str], value: str) -> bool:
    return "*" in values or value in values


def _resource_rule(rule: Obj, info: RequestInfo) -> bool:
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    if not (
        _has(rule.get("verbs") or (), info.verb)
        and _has(rule.get("apiGroups") or (), info.group)
        and _has(rule.get("resources") or (), resource)
    ):
        return False
    if not info.namespace:
        return bool(rule.get("clusterScope"))
    return _has(rule.get("namespaces") or (), info.namespace)


def _path_rule(rule: Obj, info: RequestInfo) -> bool:
    return _has(rule.get("verbs") or (), info.verb) and any(
        url == "*" or url == info.path or (url.endswith("/*") and info.path.startswith(url[:-1]))
        for url in rule.get("nonResourceURLs") or ()
    )


def distinguisher(spec: Obj, user: User, info: RequestInfo) -> str:
    """What tells the flows of a schema apart: the subject, the namespace, or nothing."""
    method = (spec.get("distinguisherMethod") or {}).get("type", "")
    return user.name if method == "ByUser" else info.namespace if method == "ByNamespace" else ""
