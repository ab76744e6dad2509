"""Impersonate-* headers: a subject that may `impersonate` another acts as it for one request."""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.authn.requestheader import prefixed, values
from apiserver.interfaces import Authorizer, PlainFailure, RequestInfo, User

Headers = Sequence[tuple[bytes, bytes]]
_GROUP = "authentication.k8s.io"


def impersonate(user: User, headers: Headers, authorizer: Authorizer) -> User:
    """The subject to act as. Raises PlainFailure for headers without a user and errors.Forbidden without the right."""
    names = values(headers, b"impersonate-user")
    groups = values(headers, b"impersonate-group")
    uids = values(headers, b"impersonate-uid")
    extra = prefixed(headers, b"impersonate-extra-")
    name, uid = (given[0] if given else "" for given in (names, uids))
    if not name:
        if groups or uid or extra:
            raise PlainFailure(f"requested [{_listed(groups, extra, uid)}] without impersonating a user")
        return user
    _require(user, authorizer, _requests(name, uid, groups, extra))
    return User(name, uid, _all_groups(name, groups), extra, user)


def _listed(groups: list[str], extra: dict[str, tuple[str, ...]], uid: str) -> str:
    """The references, as upstream prints them: kind, namespace, name, uid, apiVersion, resourceVersion, fieldPath."""
    found = [f"{{Group  {group}    }}" for group in groups]
    found += [f"{{UserExtra  {v}  {_GROUP}/v1  {key}}}" for key, values in extra.items() for v in values]
    return " ".join([*found, f"{{UID  {uid}  {_GROUP}/v1  }}"] if uid else found)


def _requests(name: str, uid: str, groups: list[str], extra: dict[str, tuple[str, ...]]) -> list[RequestInfo]:
    parts = name.split(":")
    if name.startswith("system:serviceaccount:") and len(parts) == 4:
        wanted = [_info("", "serviceaccounts", namespace=parts[2], name=parts[3])]
    else:
        wanted = [_info("", "users", name=name)]
    wanted += [_info("", "groups", name=g) for g in groups]
    if uid:
        wanted.append(_info(_GROUP, "uids", name=uid))
    wanted += [_info(_GROUP, "userextras", subresource=k, name=v) for k, vs in extra.items() for v in vs]
    return wanted


def _info(group: str, resource: str, *, name: str, namespace: str = "", subresource: str = "") -> RequestInfo:
    return RequestInfo("impersonate", "", True, group, "v1", resource, subresource, namespace, name)


def _require(user: User, authorizer: Authorizer, wanted: list[RequestInfo]) -> None:
    from apiserver.authz.denial import forbidden

    for request in wanted:
        decision = authorizer.authorize(user, request)
        if not decision.allowed:
            raise forbidden(user, request, decision.reason)


def _all_groups(name: str, groups: list[str]) -> tuple[str, ...]:
    if not groups and name.startswith("system:serviceaccount:") and name.count(":") == 3:
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{name.split(':')[2]}"]
    last = "system:unauthenticated" if name == "system:anonymous" else "system:authenticated"
    missing = [] if {"system:authenticated", "system:unauthenticated"} & set(groups) else [last]
    return (*groups, *missing)
