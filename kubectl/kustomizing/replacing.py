"""Replacements: a value from a field of one object into fields of others."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from kubectl import manifests
from kubectl.errors import CommandError
from kubectl.kustomizing import generating
from kubectl.kustomizing.item import Item
from kubectl.kustomizing.patching import select

Obj = dict[str, Any]
_STEP = re.compile(r"\[[^\]]*\]|(?:\\.|[^.\\])+")


def replacements(items: list[Item], said: Obj, folder: Path) -> None:
    for about in said.get("replacements") or ():
        if about.get("path"):
            loaded = yaml.load(generating.content(folder, about["path"]), manifests.Loader)
            for each in loaded if isinstance(loaded, list) else [loaded]:
                _replace(items, each)
        else:
            _replace(items, about)


def _replace(items: list[Item], about: Obj) -> None:
    source = about.get("source")
    if source is None and "sourceValue" in about:
        value: Any = about["sourceValue"]
    elif not source or not about.get("targets"):
        raise CommandError("replacements must specify a source and at least one target")
    else:
        value = _value(items, source)
    for target in about.get("targets") or ():
        if not target.get("select"):
            raise CommandError("target must specify resources to select")
        rejected = {id(item) for rule in target.get("reject") or () for item in select(items, _exactly(rule))}
        for item in select(items, _exactly(target["select"])):
            if id(item) not in rejected:
                _write(item, target, value)


def _exactly(selector: Obj) -> Obj:
    """Names of replacements are no patterns."""
    named = {
        m: re.escape(str(selector[m])) for m in ("group", "version", "kind", "name", "namespace") if selector.get(m)
    }
    return {**selector, **named}


def _value(items: list[Item], source: Obj) -> Any:
    found = select(items, _exactly(source))
    if len(found) != 1:
        how = "multiple matches" if found else "nothing selected"
        said = ":".join(str(source.get(m, "")) for m in ("kind", "name"))
        raise CommandError(f"{how} for selector {said}:{source.get('fieldPath', 'metadata.name')}")
    path = source.get("fieldPath") or "metadata.name"
    places = list(_places(found[0].obj, _steps(path), create=False))
    if not places:
        raise CommandError(f"fieldPath `{path}` is missing for replacement source {found[0]}")
    holder, member = places[0]
    value, options = holder[member], source.get("options") or {}
    if options.get("delimiter"):
        parts = str(value).split(options["delimiter"])
        index = options.get("index", 0)
        if not 0 <= index < len(parts):
            raise CommandError(f"options.index {index} is out of bounds for value {value}")
        return parts[index]
    return value


def _write(item: Item, target: Obj, value: Any) -> None:
    options = target.get("options") or {}
    for path in target.get("fieldPaths") or ("metadata.name",):
        places = list(_places(item.obj, _steps(path), create=bool(options.get("create"))))
        if not places:
            raise CommandError(f'unable to find field "{path}" in replacement target')
        if path == "metadata.name":
            item.remember()
        for holder, member in places:
            there = holder[member] if isinstance(holder, list) or member in holder else None
            holder[member] = _within(there, value, options) if options.get("delimiter") else copy.deepcopy(value)


def _within(there: Any, value: Any, options: Obj) -> str:
    """One part of a text that a delimiter divides; before the first and behind the last it is added."""
    parts = str(there).split(options["delimiter"])
    index = options.get("index", 0)
    if index < 0:
        parts.insert(0, str(value))
    elif index >= len(parts):
        parts.append(str(value))
    else:
        parts[index] = str(value)
    return str(options["delimiter"]).join(parts)


def _steps(path: str) -> list[str]:
    """`spec.containers.[name=x].image`; a point in a key is written with a backslash."""
    return [s if s.startswith("[") else re.sub(r"\\(.)", r"\1", s) for s in _STEP.findall(path)]


def _places(value: Any, steps: list[str], *, create: bool) -> Iterator[tuple[Any, Any]]:
    """(map, key) or (list, index) of every field that a path means."""
    step, rest = steps[0], steps[1:]
    for holder, member in _here(value, step, create=create, rest=rest):
        if not rest:
            yield holder, member
        else:
            yield from _places(holder[member], rest, create=create)


def _here(value: Any, step: str, *, create: bool, rest: list[str]) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, list):
        if step == "*":
            yield from ((value, i) for i in range(len(value)))
        elif step.startswith("["):
            key, _, wanted = step[1:-1].partition("=")
            found = [i for i, each in enumerate(value) if _is(each, key, wanted)]
            if not found and create and key:
                value.append({key: wanted})
                found = [len(value) - 1]
            yield from ((value, i) for i in found)
        elif step == "-" and create:
            value.append({} if rest else None)
            yield value, len(value) - 1
        elif step.isdigit() and int(step) < len(value):
            yield value, int(step)
    elif isinstance(value, dict):
        if step == "*":
            yield from ((value, k) for k in value)
        elif step in value and value[step] is not None:
            yield value, step
        elif create:
            value[step] = ([] if rest[0].startswith("[") or rest[0] == "-" else {}) if rest else None
            yield value, step


def _is(each: Any, key: str, wanted: str) -> bool:
    return str(each) == wanted if not key else isinstance(each, dict) and str(each.get(key)) == wanted
