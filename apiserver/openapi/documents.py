"""The documents of one generation of the registry as bytes with their ETags, each made when first asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from apiserver.openapi import operations
from apiserver.openapi.operations import Operation
from apiserver.registry.registry import Registry
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import definitions, openapi
from pocketkube.api.schema.openapi import components_v3, definitions_v2

Obj = dict[str, Any]
Document = tuple[bytes, bytes]

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_ALWAYS = (_META + "Status", _META + "DeleteOptions", _META + "Patch", _META + "ListMeta", _META + "ObjectMeta")
_INFO = {"title": "Kubernetes", "version": "v1.37.0"}
_FORMATS = {"integer": {"type": "integer"}, "boolean": {"type": "boolean"}, "string": {"type": "string"}}
_SECURITY: list[dict[str, list[str]]] = [{"BearerToken": []}]
_SCHEMES = {
    "BearerToken": {
        "description": "Bearer Token authentication",
        "type": "apiKey",
        "name": "authorization",
        "in": "header",
    }
}


class Documents:
    def __init__(self, registry: Registry):
        self.generation = registry.generation
        self._kinds = [resource.kind for resource in registry.resources()]
        self._made: dict[str, Document] = {}

    def _keep(self, key: str, make: Callable[[], bytes]) -> Document:
        made = self._made.get(key)
        if made is None:
            data = make()
            made = self._made[key] = (data, b'"%b"' % hashlib.sha512(data).hexdigest().upper().encode())
        return made

    def v2(self) -> Document:
        return self._keep("v2", lambda: orjson.dumps(self._v2(_bytes_v2)))

    def v2_protobuf(self) -> Document:
        from apiserver.openapi import gnostic

        return self._keep("v2 protobuf", lambda: gnostic.encode(self._v2(_custom_v2)))

    def _v2(self, made: Callable[[Kind], dict[str, Any]]) -> Obj:
        """`made` gives the definitions of a custom kind."""
        defined: dict[str, Any] = dict(definitions_v2(_names(self._kinds)))
        for kind in self._kinds:
            if kind.custom:
                defined |= made(kind)
        paths = {path: _path_v2(found) for kind in self._kinds for path, found in operations.paths(kind)}
        return {
            "swagger": "2.0",
            "info": _INFO,
            "paths": paths,
            "definitions": defined,
            "securityDefinitions": _SCHEMES,
            "security": _SECURITY,
        }

    def v3_index(self) -> Document:
        return self._keep("v3", lambda: orjson.dumps({"paths": {k: self._entry(k) for k in self._by_path()}}))

    def _entry(self, key: str) -> Obj:
        """The hash names the content: it is that of the kinds' identity and schemas, without making the document."""
        kinds = self._by_path()[key]
        text = orjson.dumps(
            [[k.kind, k.plural, sorted(k.verbs), k.schema.digest if k.custom else k.schema.name] for k in kinds]
        )
        return {"serverRelativeURL": f"/openapi/v3/{key}?hash={hashlib.sha512(text).hexdigest().upper()}"}

    def v3(self, key: str) -> Document | None:
        """The document of `api/v1` or `apis/apps/v1`."""
        kinds = self._by_path().get(key)
        if kinds is None:
            return None
        return self._keep(key, lambda: orjson.dumps(_v3(kinds)))

    def _by_path(self) -> dict[str, list[Kind]]:
        found: dict[str, list[Kind]] = {}
        for kind in self._kinds:
            key = f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"
            found.setdefault(key, []).append(kind)
        return found


def _names(kinds: Iterable[Kind]) -> list[str]:
    """The built-in definitions that these kinds and their operations name."""
    known = definitions.load()
    names = set(_ALWAYS)
    for kind in kinds:
        if not kind.custom:
            names.add(kind.schema.name)
        for _, found in operations.paths(kind):
            for operation in found:
                names |= {operation.answer, operation.body}
    return sorted(name for name in names if name in known)


def _custom(kind: Kind, schema: Obj, prefix: str) -> dict[str, Obj]:
    """The definitions of a custom kind and of its list."""
    gvk = [{"group": kind.group, "version": kind.version, "kind": kind.kind}]
    standard = openapi.identity(prefix)
    listing = {
        "description": f"{kind.list_kind} is a list of {kind.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": standard["apiVersion"],
            "kind": standard["kind"],
            "items": {
                "description": f"List of {kind.plural}.",
                "type": "array",
                "items": _reference(operations.definition(kind), prefix),
            },
            "metadata": _reference(_META + "ListMeta", prefix),
        },
        "x-kubernetes-group-version-kind": [{**gvk[0], "kind": kind.list_kind}],
    }
    if prefix == openapi.V2 and schema.get("x-kubernetes-preserve-unknown-fields"):
        shown: Obj = {"type": "object"}  # anything more would tell v2 clients that the rest is not allowed
    else:
        shown = {**schema, "type": "object", "properties": {**(schema.get("properties") or {}), **standard}}
    shown["x-kubernetes-group-version-kind"] = gvk
    return {operations.definition(kind): shown, operations.list_definition(kind): listing}


def _custom_v2(kind: Kind) -> dict[str, Obj]:
    return _custom(kind, kind.schema.openapi_v2(), "#/definitions/")


def _bytes_v2(kind: Kind) -> dict[str, orjson.Fragment]:
    return _fragments(kind, "v2", lambda: _custom_v2(kind))


def _bytes_v3(kind: Kind) -> dict[str, orjson.Fragment]:
    return _fragments(kind, "v3", lambda: _custom(kind, kind.schema.openapi_v3(), "#/components/schemas/"))


def _fragments(kind: Kind, form: str, make: Callable[[], dict[str, Obj]]) -> dict[str, orjson.Fragment]:
    """Custom definitions as ready bytes: they outlive the documents, which are made anew whenever a kind comes or goes."""
    published = kind.schema.published
    names = operations.definition(kind), operations.list_definition(kind)
    if not all(f"{form} {name}" in published for name in names):
        published.update({f"{form} {name}": orjson.dumps(value) for name, value in make().items()})
    return {name: orjson.Fragment(published[f"{form} {name}"]) for name in names}


def _reference(name: str, prefix: str) -> Obj:
    reference = {"$ref": prefix + name}
    return {"allOf": [reference]} if prefix.startswith("#/components") else reference


def _v3(kinds: list[Kind]) -> Obj:
    defined: dict[str, Any] = dict(components_v3(_names(kinds)))
    for kind in kinds:
        if kind.custom:
            defined |= _bytes_v3(kind)
    return {
        "openapi": "3.0.0",
        "info": _INFO,
        "paths": {path: _path_v3(found) for kind in kinds for path, found in operations.paths(kind)},
        "components": {"schemas": defined, "securitySchemes": _SCHEMES},
        "security": _SECURITY,
    }


def _extensions(operation: Operation) -> Obj:
    return {"x-kubernetes-action": operation.action, "x-kubernetes-group-version-kind": operation.kind}


def _path_v2(found: list[Operation]) -> Obj:
    return {operation.method: _operation_v2(operation) for operation in found}


def _operation_v2(operation: Operation) -> Obj:
    parameters: list[Obj] = []
    if operation.body:
        parameters.append(
            {
                "name": "body",
                "in": "body",
                "required": operation.method != "delete",
                "schema": {"$ref": "#/definitions/" + operation.body},
            }
        )
    parameters += [{"name": n, "in": "query", "uniqueItems": True, **_FORMATS[t]} for n, t in operation.query]
    parameters += [
        {"name": n, "in": "path", "required": True, "uniqueItems": True, "type": "string"}
        for n in operation.path_parameters
    ]
    answer: Obj = {"description": "OK"}
    answer["schema"] = {"$ref": "#/definitions/" + operation.answer} if operation.answer else {"type": "string"}
    return {
        "consumes": list(operation.consumes),
        "produces": ["application/json", "application/yaml"],
        "schemes": ["https"],
        "operationId": operation.id,
        "parameters": parameters,
        "responses": {**{str(code): answer for code in operation.codes}, "401": {"description": "Unauthorized"}},
        **_extensions(operation),
    }


def _path_v3(found: list[Operation]) -> Obj:
    names = found[0].path_parameters if found else ()
    shared = [
        {"name": n, "in": "path", "required": True, "schema": {"type": "string", "uniqueItems": True}} for n in names
    ]
    return {operation.method: _operation_v3(operation) for operation in found} | (
        {"parameters": shared} if shared else {}
    )


def _operation_v3(operation: Operation) -> Obj:
    schema = {"$ref": "#/components/schemas/" + operation.answer} if operation.answer else {"type": "string"}
    answer = {
        "description": "OK",
        "content": {kind: {"schema": schema} for kind in ("application/json", "application/yaml")},
    }
    made: Obj = {
        "operationId": operation.id,
        "parameters": [
            {"name": n, "in": "query", "schema": {**_FORMATS[t], "uniqueItems": True}} for n, t in operation.query
        ],
        "responses": {**{str(code): answer for code in operation.codes}, "401": {"description": "Unauthorized"}},
        **_extensions(operation),
    }
    if operation.body:
        body = {"$ref": "#/components/schemas/" + operation.body}
        made["requestBody"] = {"content": {kind: {"schema": body} for kind in operation.consumes}}
        if operation.method != "delete":
            made["requestBody"]["required"] = True
    return made


_current: dict[int, Documents] = {}


def current(registry: Registry) -> Documents:
    """The documents of the registry as it is."""
    made = _current.get(id(registry))
    if made is None or made.generation != registry.generation:
        made = _current[id(registry)] = Documents(registry)
    return made
