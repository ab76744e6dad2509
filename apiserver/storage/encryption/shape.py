"""An EncryptionConfiguration as YAML gives it: its fields are known ones, and of the right types. What they say is for `checks`."""

from __future__ import annotations

from typing import Any

from apiserver import configfile
from apiserver.configfile import BadFile
from apiserver.storage.encryption.checks import PROVIDERS

Obj = dict[str, Any]

_KMS_FIELDS = ("apiVersion", "name", "endpoint", "cachesize", "timeout")


def resources_of(config: Obj, path: str) -> list[Obj]:
    """The resources of a file whose fields are known and of the right types. Raises BadFile."""
    configfile.only(config, path, "", ("kind", "apiVersion", "resources"))
    for at, part in enumerate(_objects(config, "resources", path, "")):
        where = f"resources[{at}]"
        configfile.only(part, path, where, ("resources", "providers"))
        if not all(isinstance(name, str) for name in _list(part, "resources", path, where)):
            raise BadFile(f"{path}: {where}.resources: not a list of strings")
        for number, provider in enumerate(_objects(part, "providers", path, where)):
            _shaped_provider(provider, path, f"{where}.providers[{number}]")
    return list(config.get("resources") or [])


def _shaped_provider(provider: Obj, path: str, where: str) -> None:
    configfile.only(provider, path, where, PROVIDERS)
    for name, settings in provider.items():
        if settings is None:
            continue
        inside = f"{where}.{name}"
        if not isinstance(settings, dict):
            raise BadFile(f"{path}: {inside}: not an object")
        if name == "kms":
            configfile.only(settings, path, inside, _KMS_FIELDS)
            _typed(settings, path, inside, _KMS_FIELDS, number="cachesize")
        else:
            configfile.only(settings, path, inside, ("keys",) if name != "identity" else ())
            for at, key in enumerate(_objects(settings, "keys", path, inside)):
                configfile.only(key, path, f"{inside}.keys[{at}]", ("name", "secret"))
                _typed(key, path, f"{inside}.keys[{at}]", ("name", "secret"))


def _typed(found: Obj, path: str, where: str, names: tuple[str, ...], *, number: str = "") -> None:
    for name in names:
        wanted: type = int if name == number else str
        if found.get(name) is not None and type(found[name]) is not wanted:
            raise BadFile(f"{path}: {where}.{name}: not {'a number' if wanted is int else 'a string'}")


def _list(found: Obj, name: str, path: str, where: str) -> list[Any]:
    value = found.get(name)
    if value is not None and not isinstance(value, list):
        raise BadFile(f"{path}: {f'{where}.' if where else ''}{name}: not a list")
    return value or []


def _objects(found: Obj, name: str, path: str, where: str) -> list[Obj]:
    items = _list(found, name, path, where)
    if not all(isinstance(item, dict) for item in items):
        raise BadFile(f"{path}: {f'{where}.' if where else ''}{name}: not a list of objects")
    return items
