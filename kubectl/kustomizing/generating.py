"""ConfigMaps and Secrets made of files, literals and environment files."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

from kubectl.errors import CommandError
from kubectl.kustomizing.item import Item

Obj = dict[str, Any]


def generate(items: list[Item], said: Obj, folder: Path) -> None:
    options = said.get("generatorOptions") or {}
    for kind, member in (("ConfigMap", "configMapGenerator"), ("Secret", "secretGenerator")):
        for about in said.get(member) or ():
            _one(
                items, _object(kind, about, folder), about, {**options, **_merged(options, about.get("options") or {})}
            )


def _merged(common: Obj, own: Obj) -> Obj:
    """Labels and annotations add up, everything else is said once."""
    maps = {m: {**(common.get(m) or {}), **(own.get(m) or {})} for m in ("labels", "annotations")}
    return {**own, **{m: values for m, values in maps.items() if values}}


def _one(items: list[Item], obj: Obj, about: Obj, options: Obj) -> None:
    for member in ("labels", "annotations"):
        if options.get(member):
            obj["metadata"][member] = dict(sorted(options[member].items()))
    if options.get("immutable"):
        obj["immutable"] = True
    behaviour = about.get("behavior") or "create"
    found = next((i for i in items if i.kind == obj["kind"] and i.is_named(about.get("name", ""))), None)
    if behaviour == "create":
        if found and found.namespace == (about.get("namespace") or ""):
            raise CommandError(f"may not add resource with an already registered id: {found}")
        items.append(Item(obj, hashed=not options.get("disableNameSuffixHash")))
    elif behaviour in ("merge", "replace"):
        if found is None:
            raise CommandError(f"id matches nothing: {behaviour} of {obj['kind']} {about.get('name')}")
        _take(found, obj, replace=behaviour == "replace")
    else:
        raise CommandError(f"unknown behavior: {behaviour}")


def _take(item: Item, obj: Obj, *, replace: bool) -> None:
    for member in ("labels", "annotations"):
        more = obj["metadata"].get(member)
        if more:
            item.meta[member] = {**(item.meta.get(member) or {}), **more}
    for member in ("data", "binaryData"):
        kept = {} if replace else item.obj.get(member) or {}
        values = {**kept, **(obj.get(member) or {})}
        item.obj.pop(member, None)
        if values:
            item.obj[member] = values
    if obj.get("immutable"):
        item.obj["immutable"] = True


def _object(kind: str, about: Obj, folder: Path) -> Obj:
    if not about.get("name"):
        raise CommandError(f"loading KV pairs: a {kind} must have a name")
    values = _values(about, folder)
    meta = {"name": about["name"]} | ({"namespace": about["namespace"]} if about.get("namespace") else {})
    obj: Obj = {"apiVersion": "v1", "kind": kind, "metadata": meta}
    if kind == "Secret":
        obj["type"] = about.get("type") or "Opaque"
        data = {k: base64.b64encode(v).decode() for k, v in values.items()}
        return {**obj, "data": data} if data else obj
    texts = {k: v.decode() for k, v in values.items() if _is_text(v)}
    rest = {k: base64.b64encode(v).decode() for k, v in values.items() if not _is_text(v)}
    return obj | ({"data": texts} if texts else {}) | ({"binaryData": rest} if rest else {})


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _values(about: Obj, folder: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}

    def add(key: str, value: bytes) -> None:
        if key in found:
            raise CommandError(f"configmap {about['name']} illegally repeats the key `{key}`")
        found[key] = value

    for name in (*(about.get("envs") or ()), *([about["env"]] if about.get("env") else ())):
        for line in content(folder, name).decode().splitlines():
            line = line.lstrip()
            if line and not line.startswith("#"):
                key, said, value = line.partition("=")
                add(key, (value if said else os.environ.get(key, "")).encode())
    for literal in about.get("literals") or ():
        key, said, value = str(literal).partition("=")
        if not said or not key:
            raise CommandError(f"literal sources: invalid literal source {literal}, expected key=value")
        add(key, _unquoted(value).encode())
    for entry in about.get("files") or ():
        key, said, path = str(entry).partition("=")
        if not said:
            key, path = Path(entry).name, entry
        add(key, content(folder, path))
    return dict(sorted(found.items()))


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'" else value


def content(folder: Path, entry: str) -> bytes:
    """A file of a kustomization; it may not lead out of its folder. Raises CommandError."""
    path = (folder / entry).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise CommandError(f"security; file '{path}' is not in or below '{folder}'")
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise CommandError(f"open {path}: no such file or directory") from error
    except OSError as error:
        raise CommandError(f"read {path}: {error.strerror}") from error


def finish(item: Item) -> None:
    """What only kustomize needed leaves the object."""
    annotations = item.meta.get("annotations") or {}
    for name in [
        n for n in annotations if n.startswith(("config.kubernetes.io/local", "internal.config.kubernetes.io/"))
    ]:
        del annotations[name]
