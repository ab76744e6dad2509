"""The paths of one resource: its operations, in the few words that `kubectl explain`, clients and fuzzers read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from pocketkube.api.kinds.kind import Kind, Subresource

Obj = dict[str, Any]

_ACTIONS = {
    "get": ("get", "get", "read"),
    "list": ("get", "list", "list"),
    "create": ("post", "post", "create"),
    "update": ("put", "put", "replace"),
    "patch": ("patch", "patch", "patch"),
    "delete": ("delete", "delete", "delete"),
    "deletecollection": ("delete", "deletecollection", "delete"),
}  # verb -> (HTTP method, x-kubernetes-action, first word of the operationId)
_PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
_LIST = (
    ("allowWatchBookmarks", "boolean"), ("continue", "string"), ("fieldSelector", "string"), ("labelSelector", "string"),
    ("limit", "integer"), ("resourceVersion", "string"), ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"), ("timeoutSeconds", "integer"), ("watch", "boolean"),
)  # fmt: skip
_WRITE = (("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"))
_QUERY = {
    "list": _LIST,
    "deletecollection": (
        *_LIST,
        ("dryRun", "string"),
        ("gracePeriodSeconds", "integer"),
        ("propagationPolicy", "string"),
    ),
    "create": _WRITE,
    "update": _WRITE,
    "patch": (*_WRITE, ("force", "boolean")),
    "delete": (
        ("dryRun", "string"),
        ("gracePeriodSeconds", "integer"),
        ("orphanDependents", "boolean"),
        ("propagationPolicy", "string"),
    ),
    "get": (),
}
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."


class Operation(NamedTuple):
    """One method of one path; schema names are definitions' names, "" for none."""

    method: str
    action: str
    id: str
    answer: str
    body: str
    query: tuple[tuple[str, str], ...]
    path_parameters: tuple[str, ...]
    kind: Obj  # x-kubernetes-group-version-kind
    consumes: tuple[str, ...] = ("application/json", "application/yaml")
    codes: tuple[int, ...] = (200,)


def definition(kind: Kind) -> str:
    """The definition's name of a kind: `io.k8s.api.apps.v1.Deployment`, `com.example.v1.Widget`."""
    if not kind.custom:
        return kind.schema.name
    return ".".join((*reversed(kind.group.split(".")), kind.version, kind.kind))


def list_definition(kind: Kind) -> str:
    name = definition(kind)
    return name[: -len(kind.kind)] + (kind.list_kind or kind.kind + "List")


def paths(kind: Kind) -> Iterator[tuple[str, list[Operation]]]:
    """(path, its operations) of a kind and its subresources."""
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    within = f"{root}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"
    parameters = ("namespace",) if kind.namespaced else ()
    collection = [v for v in ("list", "create", "deletecollection") if v in kind.verbs]
    single = [v for v in ("get", "update", "patch", "delete") if v in kind.verbs]
    if collection:
        yield within, [_operation(kind, verb, parameters) for verb in collection]
    if single:
        yield f"{within}/{{name}}", [_operation(kind, verb, (*parameters, "name")) for verb in single]
    if kind.namespaced and "list" in kind.verbs:
        yield f"{root}/{kind.plural}", [_operation(kind, "list", (), suffix="ForAllNamespaces")]
    for sub in kind.subresources:
        made = [_of_subresource(kind, sub, verb, (*parameters, "name")) for verb in sub.verbs if verb in _ACTIONS]
        yield f"{within}/{{name}}/{sub.name}", [op for op in made if op is not None]


def _title(text: str) -> str:
    return text[:1].upper() + text[1:]


def _id(kind: Kind, word: str, tail: str, *, collection: bool, namespaced: bool) -> str:
    group = "core" if not kind.group else "".join(_title(p) for p in kind.group.removesuffix(".k8s.io").split("."))
    place = "Namespaced" if namespaced else ""
    return f"{word}{_title(group)}{_title(kind.version)}{'Collection' if collection else ''}{place}{kind.kind}{tail}"


def _operation(kind: Kind, verb: str, parameters: tuple[str, ...], *, suffix: str = "") -> Operation:
    method, action, word = _ACTIONS[verb]
    name = definition(kind)
    answer = {"list": list_definition(kind), "delete": _META + "Status", "deletecollection": _META + "Status"}.get(
        verb, name
    )
    body = {"create": name, "update": name, "patch": _META + "Patch", "delete": _META + "DeleteOptions"}.get(verb, "")
    if verb == "deletecollection":
        body = _META + "DeleteOptions"
    identity = _id(kind, word, suffix, collection=verb == "deletecollection", namespaced=kind.namespaced and not suffix)
    codes = {"create": (200, 201, 202), "update": (200, 201), "patch": (200, 201), "delete": (200, 202)}.get(
        verb, (200,)
    )
    consumes = _consumes(kind, verb)
    return Operation(method, action, identity, answer, body, _QUERY[verb], parameters, _gvk(kind), consumes, codes)


def _of_subresource(kind: Kind, sub: Subresource, verb: str, parameters: tuple[str, ...]) -> Operation:
    method, action, word = _ACTIONS[verb]
    name = definition(kind)
    gvk = _gvk(kind)
    if sub.kind and sub.group:
        name = f"io.k8s.api.{sub.group.split('.')[0]}.{sub.version}.{sub.kind}"
        gvk = {"group": sub.group, "version": sub.version, "kind": sub.kind}
    elif sub.kind:
        name = "" if sub.kind.endswith("Options") else name[: -len(kind.kind)] + sub.kind
        gvk = {**gvk, "kind": sub.kind}
    elif sub.name == "log":
        name = ""
    body = {"create": name, "update": name, "patch": _META + "Patch"}.get(verb, "")
    identity = _id(kind, word, _title(sub.name), collection=False, namespaced=kind.namespaced)
    connects = sub.name in ("exec", "attach", "portforward", "proxy")
    consumes = _consumes(kind, verb)
    codes = {"create": (200, 201), "update": (200, 201), "patch": (200, 201)}.get(verb, (200,))
    return Operation(
        method,
        "connect" if connects else action,
        identity,
        name,
        body,
        () if connects else _QUERY[verb],
        parameters,
        gvk,
        consumes,
        codes,
    )


def _consumes(kind: Kind, verb: str) -> tuple[str, ...]:
    """Clients choose their patch by this: custom resources take no strategic merge."""
    if verb != "patch":
        return ("application/json", "application/yaml")
    return tuple(p for p in _PATCHES if not (kind.custom and "strategic" in p))


def _gvk(kind: Kind) -> Obj:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}
