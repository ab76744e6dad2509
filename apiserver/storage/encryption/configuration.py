"""An EncryptionConfiguration file becomes, for each resource, the provider that writes and those that read."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from apiserver import configfile
from apiserver.configfile import BadFile
from apiserver.storage.encryption import checks, shape
from apiserver.storage.encryption.ciphers import AesCbc, AesGcm, CannotOpen, Cipher, SecretBox
from apiserver.storage.encryption.measures import Measures
from apiserver.storage.encryption.providers import SEALED, Identity, Local, Provider, Remote
from pocketkube.api import scheme
from pocketkube.base import durations
from pocketkube.base.clock import Clock, SystemClock

log = logging.getLogger(__name__)

Obj = dict[str, Any]

VERSIONS = ("apiserver.config.k8s.io/v1", "v1")
_MADE: Mapping[str, Callable[[bytes], Cipher]] = {"aesgcm": AesGcm, "aescbc": AesCbc, "secretbox": SecretBox}
_TIMEOUT = "3s"
_KEYS_KEPT = 1000
_REGISTRY = "/registry/"


class Settings(NamedTuple):
    """What the configuration of one server is made with. `reload`: the file is followed while the server runs."""

    measures: Measures
    reload: bool = False
    allow_v1: bool = False
    clock: Clock = SystemClock()


class Keys(NamedTuple):
    """The providers of one resource: `write` seals what is stored from now on."""

    write: Provider
    read: tuple[Provider, ...]

    def reader(self, sealed: bytes) -> Provider:
        """Who opens a stored value. Raises CannotOpen."""
        for provider in self.read:
            if provider.prefix and sealed.startswith(provider.prefix):
                return provider
        if sealed.startswith(SEALED):
            raise CannotOpen("it is sealed with a key that the configuration does not have")
        for provider in self.read:
            if not provider.prefix:
                return provider
        raise CannotOpen("it is not sealed, and the configuration does not allow that (identity)")


class Encryption:
    """Keys by etcd key: those of the resource itself, else of all of its group (`*.apps`), else of everything (`*.*`)."""

    def __init__(self, rules: dict[str, Keys], services: tuple[Remote, ...] = (), *, one_check: bool = True):
        self.services = services
        self.one_check = one_check
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
        return self._rules.get(name) or self._rules.get(f"*.{group}") or self._rules.get("*.*")

    async def check(self) -> str:
        """What keeps its services from being used, each by its number; "" where nothing does."""
        found = [
            f"kms-provider-{at}: {why}" for at, service in enumerate(self.services) if (why := await service.check())
        ]
        return found[0] if len(found) == 1 else f"[{', '.join(found)}]" if found else ""


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


def load(path: str, settings: Settings | None = None) -> Encryption:
    """Raises BadFile."""
    settings = settings or Settings(Measures())
    config = configfile.load(path, "EncryptionConfiguration", VERSIONS)
    resources = shape.resources_of(config, path)
    if wrong := checks.found(resources, reload=settings.reload):
        shown = str(wrong[0]) if len(wrong) == 1 else f"[{', '.join(map(str, wrong))}]"
        raise BadFile(f"{path}: error while parsing file: {shown}")
    services: list[Remote] = []
    rules: dict[str, Keys] = {}
    for part in resources:
        providers = tuple(p for given in part["providers"] for p in _providers(given, path, settings, services))
        for name in part["resources"]:
            _masked(name, rules, path)
            earlier = rules.get(name)
            rules[name] = Keys(earlier.write, earlier.read + providers) if earlier else Keys(providers[0], providers)
    versions = {service.prefix.split(b":")[3] for service in services}
    return Encryption(rules, tuple(services), one_check=settings.reload or versions == {b"v2"})


def _masked(name: str, rules: dict[str, Keys], path: str) -> None:
    for earlier in (f"*.{checks.group_resource(name)[0]}", "*.*"):
        if earlier in rules:
            why = f'resource "{name}" is masked by earlier rule "{earlier}"'
            raise BadFile(f"{path}: error while building transformers: {why}")


def _providers(given: Obj, path: str, settings: Settings, services: list[Remote]) -> Iterator[Provider]:
    name = next(name for name in checks.PROVIDERS if given.get(name) is not None)
    if name == "identity":
        yield Identity()
    elif name == "kms":
        service = _service(given[name], path, settings)
        services.append(service)
        yield service
    else:
        for key in given[name]["keys"]:
            try:
                yield Local(name, key["name"], _MADE[name], base64.b64decode(key["secret"]))
            except ImportError:
                raise BadFile(f"{path}: the package pynacl, which {name} needs, is not installed") from None


def _service(kms: Obj, path: str, settings: Settings) -> Remote:
    from apiserver.storage.encryption.kms import v1, v2
    from apiserver.storage.encryption.kms.service import Service

    seconds = durations.parse(kms.get("timeout") or _TIMEOUT)
    service = Service(kms["name"], kms["endpoint"], seconds, settings.measures)
    if kms.get("apiVersion") == "v2":
        return v2.EnvelopeV2(service, settings.measures, settings.clock)
    if not settings.allow_v1:
        why = f"{v1.DEPRECATED}  Set --feature-gates=KMSv1=true to use the deprecated KMSv1 feature."
        raise BadFile(f"{path}: error while building transformers: {why}")
    log.warning(v1.DEPRECATED)
    return v1.EnvelopeV1(service, settings.measures, settings.clock, kms.get("cachesize", _KEYS_KEPT))
