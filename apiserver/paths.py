"""A method and a path become a RequestInfo, by splitting once. Answers are kept: the same paths come again and again."""

from __future__ import annotations

from dataclasses import replace

from apiserver.interfaces import RequestInfo
from apiserver.request import Request
from pocketkube.base.kept import Kept

_BY_METHOD = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_OF_NAMESPACE = frozenset(("status", "finalize"))
_VERBS = frozenset(("watch", "proxy"))  # that once stood in paths
_known: Kept[tuple[str, str], RequestInfo] = Kept()


def request_info(request: Request) -> RequestInfo:
    """Who asks is not in it; what is asked is. Lists become watches, and carry their selectors, by the query."""
    key = (request.method, request.path)
    info = _known.get(key)
    if info is None:
        info = _known.keep(key, parse(*key))
    if request.scope["query_string"] and info.verb in ("list", "deletecollection", "watch"):
        return _with_query(info, request)
    return info


def _with_query(info: RequestInfo, request: Request) -> RequestInfo:
    query = request.query
    fields, labels = query.get("fieldSelector", ""), query.get("labelSelector", "")
    verb = "watch" if info.verb == "list" and request.flag("watch") else info.verb
    if verb == info.verb and not fields and not labels:
        return info
    name = info.name
    if fields.startswith("metadata.name=") and "," not in fields:
        name = fields[14:].removeprefix("=")
    return replace(info, verb=verb, name=name, field_selector=fields, label_selector=labels)


def parse(method: str, path: str) -> RequestInfo:
    """The RequestInfo of a path, as upstream's RequestInfoFactory finds it."""
    parts = path.strip("/").split("/")
    core = bool(parts) and parts[0] == "api"
    taken = 2 if core else 3
    if len(parts) <= taken or parts[0] not in ("api", "apis") or path.startswith("//"):
        return RequestInfo(method.lower(), path)
    group, version = ("", parts[1]) if core else (parts[1], parts[2])
    rest = parts[taken:]
    verb = _BY_METHOD.get(method, "")
    if rest[0] in _VERBS and len(rest) > 1:
        verb, rest = rest[0], rest[1:]
    namespace, rest = _namespace(rest)
    resource, name, subresource = [*rest, "", ""][:3]
    if len(rest) > 3 and subresource != "proxy":  # nothing else has parts
        subresource = "/".join(rest[2:])
    if not name and verb in ("get", "delete"):
        verb = "list" if verb == "get" else "deletecollection"
    return RequestInfo(verb, path, True, group, version, resource, subresource, namespace, name)


def _namespace(rest: list[str]) -> tuple[str, list[str]]:
    """Below /namespaces/NAME: a collection of that namespace, unless it is the namespace itself or a part of it."""
    if rest[0] != "namespaces" or len(rest) < 2:
        return "", rest
    if len(rest) > 2 and rest[2] not in _OF_NAMESPACE:
        return rest[1], rest[2:]
    return rest[1], rest


def remainder(path: str, info: RequestInfo) -> str:
    """What follows the subresource, with its leading slash: the path behind a `proxy` subresource."""
    marker = f"/{info.resource}/{info.name}/{info.subresource}"
    return path[path.index(marker) + len(marker) :]
