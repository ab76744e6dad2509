"""Upstream's words for a refused request."""

from __future__ import annotations

from apiserver.interfaces import RequestInfo, User
from pocketkube.api.meta import errors


def sentence(user: User, request: RequestInfo) -> str:
    """`User "ann" cannot list resource "pods" in API group "" in the namespace "default"`."""
    if not request.is_resource:
        return f'User "{user.name}" cannot {request.verb} path "{request.path}"'
    resource = f"{request.resource}/{request.subresource}" if request.subresource else request.resource
    where = f'in the namespace "{request.namespace}"' if request.namespace else "at the cluster scope"
    return f'User "{user.name}" cannot {request.verb} resource "{resource}" in API group "{request.group}" {where}'


def forbidden(user: User, request: RequestInfo, reason: str = "") -> errors.Forbidden:
    """The 403 of a request that no authorizer allowed; `reason` is the decision's."""
    text = sentence(user, request)
    why = f"{text}: {reason}" if reason else text
    if not request.is_resource:
        return errors.Forbidden(f"forbidden: {why}")
    return errors.forbidden(request.group, request.resource, request.name, why)
