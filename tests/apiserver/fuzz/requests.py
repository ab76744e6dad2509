"""Random requests for every operation of a served OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from random import Random
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson

from tests.apiserver.fuzz.shapes import NAMES, Shapes

Obj = dict[str, Any]

# What would talk to other machines, or never end.
_OUTWARD = re.compile(r"/(proxy|exec|attach|portforward|log)(/|$)|/watch/")
# What, once stored, would make this server call out or refuse all other requests.
_DRY = re.compile(r"/(mutatingwebhookconfigurations|validatingwebhookconfigurations|apiservices|\w+admissionpolic\w+)")
_PATCHES = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
_ACCEPTS = (
    "application/json", "application/yaml", "application/json;as=Table;g=meta.k8s.io;v=v1", "*/*", "text/html", ";;=,",
    "application/json;q=x",
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
    "application/vnd.kubernetes.protobuf",
)  # fmt: skip
_SELECTORS = (
    "a=b",
    "a in (b,c)",
    "!a",
    "a,b!=c",
    "a==",
    "=",
    "a in (",
    "a notin ()",
    "," * 50,
    "metadata.name=a",
    "spec.nodeName=",
    "status.phase!=Running",
    "x" * 300,
    "a>1",
    "\x00",
)
_DIRECTIVES = (
    {"$patch": "delete"},
    {"$patch": "replace"},
    {"$patch": "merge"},
    {"$patch": 1},
    {"$retainKeys": ["name", 1]},
)


class Operation(NamedTuple):
    method: str
    template: str
    group: str
    kind: Obj  # {"group", "version", "kind"}; empty where the document does not tell
    body: Obj | None  # schema
    parameters: tuple[str, ...]


class Sample(NamedTuple):
    method: str
    path: str  # with its query
    body: bytes | None
    media: str
    accept: str


def operations(group: str, document: Obj) -> Iterator[Operation]:
    """Every operation that stays on this machine and ends by itself."""
    for template, item in document["paths"].items():
        for method, spec in item.items():
            if method == "parameters" or _OUTWARD.search(template):
                continue
            content = (spec.get("requestBody") or {}).get("content") or {}
            body = next((media["schema"] for media in content.values()), None)
            if method == "patch":  # patched is what a GET would answer
                body = item["get"]["responses"]["200"]["content"]["application/json"]["schema"] if "get" in item else {}
            names = tuple(p["name"] for p in spec.get("parameters", ()) if p.get("in") == "query")
            kind = spec.get("x-kubernetes-group-version-kind") or {}
            yield Operation(method.upper(), template, group, kind, body, names)


class Requests:
    """Makes the requests of one document's operations."""

    def __init__(self, rng: Random, components: dict[str, Obj]):
        self._rng = rng
        self._shapes = Shapes(rng, components)

    def sample(self, operation: Operation) -> Sample:
        rng = self._rng
        name = rng.choice(NAMES) if rng.random() < 0.95 else quote(self._shapes.text() or "x", safe="")
        namespace = "default" if rng.random() < 0.9 else rng.choice(("kube-system", "gone", "%00", "A"))
        path = operation.template.replace("{namespace}", namespace)
        path = re.sub(r"\{\w+\}", lambda _: name, path)
        query = self._query(operation)
        body, media = None, "application/json"
        if operation.method == "PATCH":
            body, media = self._patch(operation, name, namespace)
            if media == _PATCHES["apply"]:
                query["fieldManager"] = rng.choice(("one", "two", ""))
                query["force"] = rng.choice(("true", "false", "maybe"))
        elif operation.body is not None:
            body = self._mangled(orjson.dumps(self._object(operation, name, namespace), option=orjson.OPT_NON_STR_KEYS))
        text = "&".join(f"{key}={quote(value, safe='')}" for key, value in query.items())
        accept = rng.choice(_ACCEPTS) if rng.random() < 0.15 else "application/json"
        return Sample(operation.method, f"{path}?{text}" if text else path, body, media, accept)

    def _query(self, operation: Operation) -> dict[str, str]:
        rng = self._rng
        query = {}
        for name in operation.parameters:
            if rng.random() < 0.15:
                query[name] = self._parameter(name)
        if _DRY.search(operation.template) and operation.method != "GET":
            query["dryRun"] = "All"
        query.pop("watch", None)
        return query

    def _parameter(self, name: str) -> str:
        pick = self._rng.choice
        known = {
            "dryRun": ("All", "All", "", "None"),
            "fieldValidation": ("Strict", "Warn", "Ignore", "x"),
            "labelSelector": _SELECTORS,
            "fieldSelector": _SELECTORS,
            "limit": ("1", "0", "-1", "x", "99999999999999999999"),
            "resourceVersion": ("0", "1", "-1", "x"),  # one far ahead is waited for
            "resourceVersionMatch": ("Exact", "NotOlderThan", "x"),
            "continue": ("x", "e30=", "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhIn0"),
            "propagationPolicy": ("Orphan", "Foreground", "Background", "x"),
            "gracePeriodSeconds": ("0", "1", "-1", "x", "9" * 30),
            "timeoutSeconds": ("1", "x"),
        }
        return pick(known[name]) if name in known else self._shapes.text()

    def _object(self, operation: Operation, name: str, namespace: str) -> Any:
        value = self._shapes.value(operation.body or {})
        if not isinstance(value, dict) or self._rng.random() < 0.02:
            return value
        if operation.kind:
            group, version = operation.kind.get("group", ""), operation.kind.get("version", "")
            value["apiVersion"] = f"{group}/{version}" if group else version
            value["kind"] = operation.kind.get("kind", "")
        meta = value.get("metadata")
        if isinstance(meta, dict) and self._rng.random() < 0.95:
            for unsettled in ("deletionTimestamp", "resourceVersion", "uid", "managedFields", "generateName"):
                if self._rng.random() < 0.9:
                    meta.pop(unsettled, None)
            meta["name"] = name
            if "{namespace}" in operation.template:
                meta["namespace"] = namespace
        elif self._rng.random() < 0.9:
            value["metadata"] = {"name": name}
        return value

    def _patch(self, operation: Operation, name: str, namespace: str) -> tuple[bytes, str]:
        way = self._rng.choice(tuple(_PATCHES))
        if way == "json":
            patch: Any = [self._step(operation) for _ in range(self._rng.choice((0, 1, 1, 2)))]
        else:
            patch = self._object(operation, name, namespace)
            if way == "strategic" and isinstance(patch, dict):
                self._direct(patch)
        return self._mangled(orjson.dumps(patch, option=orjson.OPT_NON_STR_KEYS)), _PATCHES[way]

    def _step(self, operation: Operation) -> Obj:
        rng = self._rng
        paths = (
            "/metadata/labels/a",
            "/metadata/labels",
            "/spec",
            "/spec/containers/0",
            "/spec/containers/-",
            "",
            "/",
            "/metadata/name",
            "/x/y",
            "/status/phase",
            "/~2",
            "a",
            "/spec/template/spec/containers/0/image",
            "/metadata",
            "/kind",
        )
        step = {"op": rng.choice(("add", "remove", "replace", "move", "copy", "test", "x")), "path": rng.choice(paths)}
        step["value"] = self._shapes.anything() if rng.random() < 0.7 else self._shapes.value(operation.body or {})
        step["from"] = rng.choice(paths)
        if rng.random() < 0.1:
            step.pop(rng.choice(tuple(step)))
        return step

    def _direct(self, patch: Obj) -> None:
        """Strategic directives somewhere in the patch, in place."""
        rng = self._rng
        places: list[Any] = [patch]
        while places:
            place = places.pop()
            if isinstance(place, list):
                places += place
                if rng.random() < 0.1:
                    place.append(deepcopy(rng.choice(_DIRECTIVES)))
            elif isinstance(place, dict):
                places += place.values()
                if rng.random() < 0.1:
                    place.update(deepcopy(rng.choice(_DIRECTIVES)))
                lists = [key for key, value in place.items() if isinstance(value, list)]
                if lists and rng.random() < 0.2:
                    word = rng.choice(("$setElementOrder/", "$deleteFromPrimitiveList/"))
                    place[word + rng.choice(lists)] = rng.choice(
                        ([{"name": "a"}], ["a", "b"], [1], {}, "x", [{}], [None])
                    )

    def _mangled(self, body: bytes) -> bytes:
        rng = self._rng
        if rng.random() > 0.03 or not body:
            return body
        at = rng.randrange(len(body))
        return rng.choice(
            (body[:at], body[:at] + bytes([rng.randrange(256)]) + body[at + 1 :], body + body, b"[" * 20_000, b"")
        )
