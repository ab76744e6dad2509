"""The published schemas of every built-in kind, read once a process and only when first needed."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import orjson

from pocketkube.api.schema import removed

Obj = dict[str, Any]

REF = "#/$defs/"


def _newest() -> Path:
    """The folder of the newest version; found without importing the package, whose import is slow."""
    spec = find_spec("kubernetes_validate")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("kubernetes_validate is not installed: no schemas of built-in kinds")
    root = Path(spec.submodule_search_locations[0]) / "kubernetes-json-schema"
    versions = [(tuple(map(int, m.groups())), p) for p in root.iterdir() if (m := _VERSION.fullmatch(p.name))]
    return max(versions)[1]


_VERSION = re.compile(r"v(\d+)\.(\d+)\.(\d+)-local")


@cache
def load() -> dict[str, Obj]:
    """Definition name, such as `io.k8s.api.core.v1.Pod`, to its raw JSON schema. Never changed in place."""
    found = orjson.loads((_newest() / "_definitions.json").read_bytes())
    published = cast(dict[str, Obj], found["$defs"])
    return published | removed.derive(published)


def raw(name: str) -> Obj:
    """The raw schema of one definition. Raises KeyError naming it."""
    found = load().get(name)
    if found is None:
        raise KeyError(f"no definition {name}")
    return found


@cache
def by_gvk() -> dict[tuple[str, str, str], str]:
    """(group, version, kind) to definition name, for definitions that stand for exactly one kind."""
    found = {}
    for name, schema in load().items():
        gvks = schema.get("x-kubernetes-group-version-kind") or []
        if len(gvks) == 1:
            found[(gvks[0]["group"], gvks[0]["version"], gvks[0]["kind"])] = name
    return found
