"""An EncryptionConfiguration file becomes, for each resource, the provider that writes and those that read."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from apiserver import configfile
from apiserver.configfile import BadFile
from apiserver.storage.encryption.providers import SEALED, AesCbc, AesGcm, CannotOpen, Identity, Provider, SecretBox
from pocketkube.api import scheme

Obj = dict[str, Any]

VERSIONS = ("apiserver.config.k8s.io/v1", "v1")
_SIZES = {"aesgcm": (16, 24, 32), "aescbc": (16, 24, 32), "secretbox": (32,)}
_MADE: Mapping[str, Callable[[str, bytes], Provider]] = {"aesgcm": AesGcm, "aescbc": AesCbc, "secretbox": SecretBox}
_REGISTRY = "/registry/"


class Keys(NamedTuple):
    """The keys of one resource: `write` seals what is stored from now on."""

    write: Provider
    read: tuple[Provider, ...]

    def open(self, sealed: bytes, key: str) -> tuple[bytes, bytes]:
        """(plain value, prefix of who sealed it). Raises CannotOpen."""
        for provider in self.read:
            if provider.prefix and sealed.startswith(provider.prefix):
                return provider.open(sealed, key.encode()), provider.prefix
        if sealed.startswith(SEALED):
            raise CannotOpen("it is sealed with a key that the configuration does not have")
        if any(not provider.prefix for provider in self.read):
            return sealed, b""
        raise CannotOpen("it is not sealed, and the configuration does not allow that (identity)")


class Encryption:
    """Keys by etcd key. `rules` are (pattern, keys) in the file's order: the first that matches holds."""

    def __init__(self, rules: list[tuple[str, Keys]]):
        self._rules = rules
        self._by_prefix: dict[str, Keys | None] = {}

    def keys_of(self, key: str) -> Keys | None:
        """Those of the resource whose object is at `key`; None where it is stored in plain."""
        prefix = key[: key.find("/", len(_REGISTRY)) + 1]
        try:
            return self._by_prefix[prefix]
        except KeyError:
            pass
        if "." in prefix:  # a custom resource's group comes before it
            prefix = key[: key.find("/", len(prefix)) + 1]
            if prefix in self._by_prefix:
                return self._by_prefix[prefix]
        found = self._by_prefix[prefix] = self._find(prefix)
        return found

    def _find(self, prefix: str) -> Keys | None:
        name = _resource_of(prefix)
        group = name.partition(".")[2]
        for pattern, keys in self._rules:
            if pattern in (name, "*.*", f"*.{group}"):
                return keys
        return None


def _resource_of(prefix: str) -> str:
    """`secrets` of /registry/secrets/, `widgets.example.com` of /registry/example.com/widgets/."""
    folder = prefix[len(_REGISTRY) : -1]
    group, _, plural = folder.partition("/")
    if plural and "." in group:
        return f"{plural}.{group}"
    for kind in scheme.builtin().kinds():
        if (kind.storage_prefix or kind.plural) == folder or (kind.storage_prefix or "").startswith(f"{folder}/"):
            return str(kind.resource)
    return folder


def load(path: str) -> Encryption:
    """Raises BadFile."""
    config = configfile.load(path, "EncryptionConfiguration", VERSIONS)
    configfile.only(config, path, "", ("kind", "apiVersion", "resources"))
    resources = config.get("resources")
    if not isinstance(resources, list) or not resources:
        raise BadFile(f"{path}: resources: Required value: at least one resource configuration")
    rules: list[tuple[str, Keys]] = []
    for at, part in enumerate(resources):
        where = f"resources[{at}]"
        if not isinstance(part, dict):
            raise BadFile(f"{path}: {where}: not an object")
        configfile.only(part, path, where, ("resources", "providers"))
        keys = _keys(part.get("providers"), path, where)
        for name in _names(part.get("resources"), path, where):
            if any(known == name for known, _ in rules):
                raise BadFile(f'{path}: {where}.resources: Invalid value: "{name}": it is configured already')
            rules.append((name, keys))
    return Encryption(rules)


def _names(names: Any, path: str, where: str) -> list[str]:
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise BadFile(f"{path}: {where}.resources: Required value: at least one resource")
    for name in names:
        if name == "*" or ("*" in name and not name.startswith("*.")) or "/" in name or name != name.lower():
            raise BadFile(
                f'{path}: {where}.resources: Invalid value: "{name}": RESOURCE, RESOURCE.GROUP, *.GROUP or *.*'
            )
    return names


def _keys(providers: Any, path: str, where: str) -> Keys:
    if not isinstance(providers, list) or not providers:
        raise BadFile(f"{path}: {where}.providers: Required value: at least one provider")
    made: list[Provider] = []
    for at, provider in enumerate(providers):
        made += _provider(provider, path, f"{where}.providers[{at}]")
    return Keys(made[0], tuple(made))


def _provider(provider: Any, path: str, where: str) -> list[Provider]:
    if not isinstance(provider, dict) or len(provider) != 1:
        raise BadFile(f"{path}: {where}: Invalid value: exactly one provider must be specified")
    ((name, settings),) = provider.items()
    if name == "identity":
        return [Identity()]
    if name == "kms":
        raise BadFile(f"{path}: {where}.kms: this server does not speak to key management services")
    if name not in _MADE:
        raise BadFile(f'{path}: unknown field "{where}.{name}"')
    keys = (settings or {}).get("keys") if isinstance(settings or {}, dict) else None
    if not isinstance(keys, list) or not keys:
        raise BadFile(f"{path}: {where}.{name}.keys: Required value: at least one key")
    return [_key(name, key, path, f"{where}.{name}.keys[{at}]") for at, key in enumerate(keys)]


def _key(scheme_name: str, key: Any, path: str, where: str) -> Provider:
    name, text = (key.get("name"), key.get("secret")) if isinstance(key, dict) else (None, None)
    if not isinstance(name, str) or not name:
        raise BadFile(f"{path}: {where}.name: Required value: a key needs a name")
    if ":" in name:
        raise BadFile(f"{path}: {where}.name: Invalid value: no colon may be in it")
    try:
        secret = base64.b64decode(text or "", validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise BadFile(f"{path}: {where}.secret: Invalid value: secret must be base64 encoded") from None
    sizes = _SIZES[scheme_name]
    if len(secret) not in sizes:
        shown = " or ".join(map(str, sizes))
        raise BadFile(f"{path}: {where}.secret: Invalid value: it has {len(secret)} bytes, {shown} are wanted")
    try:
        return _MADE[scheme_name](name, secret)
    except ImportError:
        raise BadFile(f"{path}: {where}: the package pynacl, which {scheme_name} needs, is not installed") from None
