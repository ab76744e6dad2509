"""Which handler a request goes to: by verb for collections and objects, by name for subresources and for plain paths."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from apiserver import arriving
from apiserver.api import Api, Handler
from apiserver.decoding import media_type
from apiserver.handlers import (
    binding,
    componentstatus,
    create,
    delete,
    deletecollection,
    eviction,
    get,
    list,
    log,
    patch,
    plain,
    proxy,
    reviews,
    scale,
    streams,
    token,
    update,
    watch,
)
from apiserver.interfaces import NoSuchPath, RequestInfo
from apiserver.registry.resource import Resource
from apiserver.representation import YAML_LATER, as_yaml, check_accept
from apiserver.request import Request, Response
from pocketkube.api.meta import errors
from pocketkube.api.meta.field import quoted

_OWN_FORMS = frozenset(("proxy", "log", "exec", "attach", "portforward"))  # what they answer is no object
_NOT_NAMES = frozenset((".", ".."))  # in a path they would mean something else

VERBS: Mapping[str, Handler] = {
    "get": get.handle,
    "list": list.handle,
    "watch": watch.handle,
    "create": create.handle,
    "update": update.handle,
    "patch": patch.handle,
    "delete": delete.handle,
    "deletecollection": deletecollection.handle,
}

# What is not kept: a POST is answered and forgotten.
CREATE_ONLY: Mapping[tuple[str, str], Handler] = {
    ("authentication.k8s.io", "tokenreviews"): reviews.token,
    ("authentication.k8s.io", "selfsubjectreviews"): reviews.self_subject,
    ("authorization.k8s.io", "subjectaccessreviews"): reviews.subject_access,
    ("authorization.k8s.io", "localsubjectaccessreviews"): reviews.local_subject_access,
    ("authorization.k8s.io", "selfsubjectaccessreviews"): reviews.self_subject_access,
    ("authorization.k8s.io", "selfsubjectrulesreviews"): reviews.self_subject_rules,
    ("", "bindings"): binding.handle_collection,
}

# What is made when it is read.
COMPUTED: Mapping[tuple[str, str], Mapping[str, Handler]] = {
    ("", "componentstatuses"): {"get": componentstatus.get, "list": componentstatus.list_},
}

# By subresource; where only one resource has it, or one means something else by it, "plural/subresource".
SUBRESOURCES: Mapping[str, Mapping[str, Handler]] = {
    "status": {"get": get.handle, "update": update.handle, "patch": patch.handle},
    "scale": {"get": scale.get, "update": scale.update, "patch": scale.patch},
    "approval": {"get": get.handle, "update": update.handle, "patch": patch.handle},
    "pods/binding": {"create": binding.handle},
    "pods/eviction": {"create": eviction.handle},
    "pods/ephemeralcontainers": {"get": get.handle, "update": update.handle, "patch": patch.handle},
    "pods/resize": {"get": get.handle, "update": update.handle, "patch": patch.handle},
    "pods/log": {"get": log.handle},
    "pods/exec": {"get": streams.handle, "create": streams.handle},
    "pods/attach": {"get": streams.handle, "create": streams.handle},
    "pods/portforward": {"get": streams.handle, "create": streams.handle},
    "pods/proxy": dict.fromkeys(proxy.VERBS, proxy.handle),
    "services/proxy": dict.fromkeys(proxy.VERBS, proxy.handle),
    "nodes/proxy": dict.fromkeys(proxy.VERBS, proxy.handle),
    "namespaces/finalize": {"update": update.handle},
    "serviceaccounts/token": {"create": token.handle},
}


async def dispatch(api: Api, request: Request) -> Response | None:
    """Find the resource and its handler. Raises NotFound, MethodNotAllowed."""
    info = request.info
    if not info.is_resource:
        await plain.handle(api, request)
        return None
    resource = api.registry.find(info.group, info.version, info.resource)
    if resource is None:
        resource = await arriving.find(api.registry, info)
    if resource is None:
        raise _unknown(api, info)
    if info.namespace and not resource.namespaced and info.resource != "namespaces":
        raise _misplaced(resource)
    placed = info.name or resource.kind.custom  # custom resources have no paths but their own
    if resource.namespaced and placed and not info.namespace and info.verb not in ("list", "watch"):
        raise _misplaced(resource)
    if info.verb == "proxy":  # a path of the past, which authorization still tells apart
        raise errors.NotFound("the server could not find the requested resource")
    request.resource = resource
    if resource.kind.deprecation:
        request.warnings.append(resource.kind.deprecation)
    if info.namespace and not resource.namespaced:
        request.info = info = replace(info, namespace="")  # a namespace's path names it twice
    if info.subresource:
        handler = _subresource(resource, info).get(info.verb)
    elif (resource.group, resource.plural) in CREATE_ONLY:
        if info.name:
            raise errors.NotFound("the server could not find the requested resource")
        handler = CREATE_ONLY[resource.group, resource.plural] if info.verb == "create" else None
    elif (resource.group, resource.plural) in COMPUTED:
        handler = COMPUTED[resource.group, resource.plural].get(info.verb)
    elif resource.kind.custom:
        handler = _custom(resource, request)
    else:
        handler = VERBS.get(info.verb) if info.verb in resource.kind.verbs and _complete(resource, info) else None
    if handler is None or (request.method == "HEAD" and handler is not proxy.handle):
        raise errors.MethodNotAllowed("the server does not allow this method on the requested resource")
    if info.name in _NOT_NAMES or "%" in info.name:
        raise _bad_name(info.name)
    if info.subresource not in _OWN_FORMS:
        check_accept(request)
    response = await handler(api, request, resource)
    return response if response is None or response.content_type is not YAML_LATER else await as_yaml(response)


def _unknown(api: Api, info: RequestInfo) -> Exception:
    """Whoever serves the rest of a built-in group says what it lacks; nobody serves the other paths."""
    if api.registry.is_builtin(info.group):
        return errors.NotFound("the server could not find the requested resource")
    return NoSuchPath()


def _bad_name(name: str) -> errors.BadRequest:
    why = f"may not be '{name}'" if name in _NOT_NAMES else "may not contain '%'"
    return errors.BadRequest(f"Name parameter invalid: {quoted(name)}: {why}")


def _complete(resource: Resource, info: RequestInfo) -> bool:
    """Verbs on one object need its name, POST must not have one; without a namespace all of them can only be read."""
    if resource.namespaced and not info.namespace and info.verb not in ("list", "watch"):
        return False
    if info.verb in ("update", "patch"):
        return bool(info.name)
    return info.verb != "create" or not info.name


def _misplaced(resource: Resource) -> Exception:
    """Custom resources in a namespace, or in none, where they have no place: nobody serves such a path."""
    if resource.kind.custom:
        return NoSuchPath()
    return errors.NotFound("the server could not find the requested resource")


def _custom(resource: Resource, request: Request) -> Handler:
    """Raises MethodNotAllowed; BadRequest for a write that names no object."""
    verb = request.info.verb
    if verb not in resource.kind.verbs:
        what = f'{verb} is not supported on resources of kind "{resource.plural}.{resource.group}"'
        if verb in VERBS:
            what = f"{verb} not allowed while custom resource definition is terminating"
        raise errors.MethodNotAllowed(what, details={"group": resource.group, "kind": resource.plural})
    if verb in ("update", "patch") and not request.info.name:
        if verb == "patch":
            patch.check_form(resource.kind, media_type(request))
        raise errors.BadRequest("name must be provided")
    return VERBS[verb]


def _subresource(resource: Resource, info: RequestInfo) -> Mapping[str, Handler]:
    name = info.subresource
    if not any(known.name == name for known in resource.kind.subresources):
        if resource.kind.custom:
            raise errors.not_found(resource.group, resource.plural, info.name)
        raise errors.NotFound("the server could not find the requested resource")
    handlers = SUBRESOURCES.get(f"{resource.plural}/{name}") or SUBRESOURCES.get(name)
    if handlers is None:
        logging.getLogger(__name__).error("%s/%s is listed and has no handler", resource.kind.resource, name)
        raise errors.NotFound("the server could not find the requested resource")
    return handlers
