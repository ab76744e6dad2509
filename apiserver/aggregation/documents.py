"""What extension servers say of themselves, in the forms that this server hands out: discovery, and OpenAPI v2 in one document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apiserver.aggregation.service import Service

Obj = dict[str, Any]


class Remote:
    """A version of a group that another server answers."""

    def __init__(self, service: Service):
        self._service = service

    def entries(self) -> list[Obj]:
        """Of its APIResourceList."""
        return self._service.resources or []

    def described(self) -> Obj:
        """Of its APIGroupDiscovery, without the version's name. What is stale may have changed since."""
        service = self._service
        return {
            "resources": described(self.entries(), service.group, service.version),
            "freshness": "Current" if service.available and service.resources is not None else "Stale",
        }


def described(entries: Iterable[Obj], group: str, version: str) -> list[Obj]:
    """The entries of an APIResourceList as those of aggregated discovery: subresources go into their resources."""
    found: dict[str, Obj] = {}
    for entry in entries:
        plural, _, subresource = str(entry.get("name") or "").partition("/")
        kind = {
            "group": entry.get("group") or group,
            "version": entry.get("version") or version,
            "kind": entry.get("kind") or "",
        }
        verbs = entry.get("verbs") or []
        if subresource:
            parent = found.setdefault(plural, _resource(plural, entry))
            own: Obj = {"subresource": subresource, "verbs": verbs}
            if kind["kind"]:
                own["responseKind"] = kind
            parent.setdefault("subresources", []).append(own)
            continue
        made = found.setdefault(plural, _resource(plural, entry))
        made |= {"responseKind": kind, "verbs": verbs, "singularResource": entry.get("singularName") or ""}
        made |= {name: entry[name] for name in ("shortNames", "categories") if entry.get(name)}
    return list(found.values())


def _resource(plural: str, entry: Obj) -> Obj:
    return {"resource": plural, "scope": "Namespaced" if entry.get("namespaced") else "Cluster", "verbs": []}


def merged_v2(ours: Obj, services: Iterable[Service]) -> Obj:
    """Our OpenAPI v2 document with the paths of extension servers, and the definitions that these need."""
    paths, definitions = dict(ours["paths"]), dict(ours["definitions"])
    for service in services:
        theirs = service.openapi_v2
        if not theirs:
            continue
        mine = {path: item for path, item in (theirs.get("paths") or {}).items() if _below(path, service.path)}
        known = theirs.get("definitions") or {}
        needed = {name: known[name] for name in _reachable(mine, known)}
        renamed = {
            name: _free(name, definitions) for name in needed if definitions.get(name, needed[name]) != needed[name]
        }
        for name, definition in needed.items():
            definitions[renamed.get(name, name)] = _redirected(definition, renamed)
        paths |= {path: _redirected(item, renamed) for path, item in mine.items() if path not in paths}
    return {**ours, "paths": paths, "definitions": definitions}


def _below(path: str, folder: str) -> bool:
    return path.rstrip("/") == folder or path.startswith(folder + "/")


_PREFIX = "#/definitions/"


def _references(value: Any) -> Iterable[str]:
    stack = [value]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            reference = part.get("$ref")
            if isinstance(reference, str) and reference.startswith(_PREFIX):
                yield reference[len(_PREFIX) :]
            stack += part.values()
        elif isinstance(part, list):
            stack += part


def _reachable(paths: Obj, known: Mapping[str, Any]) -> list[str]:
    found: dict[str, None] = {}
    waiting = list(_references(paths))
    while waiting:
        name = waiting.pop()
        if name not in found and name in known:
            found[name] = None
            waiting += _references(known[name])
    return list(found)


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """A name for a definition whose own means something else here."""
    number = 2
    while f"{name}_v{number}" in taken:
        number += 1
    return f"{name}_v{number}"


def _redirected(value: Any, renamed: Mapping[str, str]) -> Any:
    if not renamed:
        return value
    if isinstance(value, list):
        return [_redirected(item, renamed) for item in value]
    if not isinstance(value, dict):
        return value
    made = {key: _redirected(item, renamed) for key, item in value.items()}
    reference = made.get("$ref")
    if isinstance(reference, str) and reference.startswith(_PREFIX):
        name = reference[len(_PREFIX) :]
        made["$ref"] = _PREFIX + renamed.get(name, name)
    return made
