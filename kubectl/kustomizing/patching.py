"""Patches: strategic merges of what they name, and JSON patches of what a target selects."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from kubectl import manifests
from kubectl.errors import CommandError
from kubectl.kustomizing import generating
from kubectl.kustomizing.item import Item
from pocketkube.api.meta import selectors
from pocketkube.api.meta.errors import StatusError
from pocketkube.api.meta.patches import json_patch, merge_patch, strategic_merge

Obj = dict[str, Any]


def strategic(items: list[Item], said: Obj, folder: Path) -> None:
    for entry in said.get("patchesStrategicMerge") or ():
        inline = "\n" in str(entry)
        text = str(entry).encode() if inline else generating.content(folder, str(entry))
        for patch in _documents(text):
            _merge_named(items, patch)


def json6902(items: list[Item], said: Obj, folder: Path) -> None:
    for about in said.get("patchesJson6902") or ():
        _apply(items, about, folder)


def patches(items: list[Item], said: Obj, folder: Path) -> None:
    for about in said.get("patches") or ():
        _apply(items, about, folder)


def _apply(items: list[Item], about: Obj, folder: Path) -> None:
    if bool(about.get("path")) == bool(about.get("patch")):
        raise CommandError("patches: must specify exactly one of patch and path")
    text = str(about["patch"]).encode() if about.get("patch") else generating.content(folder, about["path"])
    target, options = about.get("target"), about.get("options") or {}
    for patch in _documents(text):
        if isinstance(patch, list):
            if not target:
                raise CommandError("patches: a JSON patch needs a target")
            for item in select(items, target):
                _json(item, patch)
        elif target:
            for item in select(items, target):
                _merge(items, item, patch, options)
        else:
            _merge_named(items, patch)


def _documents(text: bytes) -> list[Any]:
    try:
        found = [d for d in yaml.load_all(text, manifests.Loader) if d]
    except yaml.YAMLError as error:
        raise CommandError(
            f"unable to parse SM or JSON patch from [{text.decode(errors='replace')}]: {error}"
        ) from error
    if not found or not all(isinstance(d, dict | list) for d in found):
        raise CommandError(f"unable to parse SM or JSON patch from [{text.decode(errors='replace')}]")
    return found


def select(items: list[Item], target: Obj) -> list[Item]:
    """Items that a selector means; names are patterns that must match in full, also an earlier name."""
    labels = selectors.parse_label_selector(target.get("labelSelector") or "")
    annotations = selectors.parse_label_selector(target.get("annotationSelector") or "")
    return [
        item
        for item in items
        if _matches(target.get("group"), [item.group])
        and _matches(target.get("version"), [item.version])
        and _matches(target.get("kind"), [item.kind])
        and _matches(target.get("name"), [item.name, *(name for name, _ in item.former)])
        and _matches(target.get("namespace"), [item.namespace, *(namespace for _, namespace in item.former)])
        and labels.matches(item.meta.get("labels") or {})
        and annotations.matches(item.meta.get("annotations") or {})
    ]


def _matches(pattern: str | None, values: list[str]) -> bool:
    return not pattern or any(re.fullmatch(pattern, value) for value in values)


def _merge_named(items: list[Item], patch: Any) -> None:
    if not isinstance(patch, dict) or not patch.get("kind") or not (patch.get("metadata") or {}).get("name"):
        raise CommandError(
            "missing metadata.name in object" if isinstance(patch, dict) else "a patch must be an object"
        )
    name, namespace = patch["metadata"]["name"], patch["metadata"].get("namespace")
    group = str(patch.get("apiVersion", "")).rpartition("/")[0]
    found = [
        i
        for i in items
        if i.kind == patch["kind"]
        and i.group == group
        and i.is_named(name)
        and (not namespace or namespace in {i.namespace, *(former for _, former in i.former)})
    ]
    if not found:
        version = str(patch.get("apiVersion", "")).rpartition("/")[2]
        where = f"{patch['kind']}.{version}.{group or '[noGrp]'}/{name}.{namespace or '[noNs]'}"
        raise CommandError(f"no resource matches strategic merge patch \"{where}\": no matches for Id {where}; "
                           "failed to find unique target for patch " + where)  # fmt: skip
    _merge(items, found[0], patch, {})


def _merge(items: list[Item], item: Item, patch: Obj, options: Obj) -> None:
    if patch.get("$patch") == "delete":
        items.remove(item)
        return
    meta = {k: v for k, v in (patch.get("metadata") or {}).items() if k not in ("name", "namespace")}
    kept: Obj = {k: v for k, v in patch.items() if k not in ("apiVersion", "kind", "metadata")}
    if options.get("allowNameChange") and (patch.get("metadata") or {}).get("name"):
        item.remember()
        meta["name"] = patch["metadata"]["name"]
    if options.get("allowKindChange") and patch.get("kind"):
        kept["kind"] = patch["kind"]
    if meta:
        kept["metadata"] = meta
    schema = _schema(item)
    item.obj = strategic_merge(item.obj, kept, schema) if schema else merge_patch(item.obj, kept)


def _schema(item: Item) -> Any:
    from pocketkube.api.scheme import builtin

    kind = builtin().by_gvk(item.group, item.version, item.kind)
    return kind.schema if kind else None


def _json(item: Item, patch: list[Obj]) -> None:
    name = item.name
    try:
        item.obj = json_patch(item.obj, patch)
    except StatusError as error:
        raise CommandError(error.message) from error
    if item.name != name:
        item.former.append((name, item.namespace))
