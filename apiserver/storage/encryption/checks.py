"""What is wrong with an EncryptionConfiguration, in upstream's words. A secret is never shown."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from pocketkube.api.meta import field
from pocketkube.api.meta.field import FieldError
from pocketkube.base import durations

Obj = dict[str, Any]

SIZES = {"aesgcm": (16, 24, 32), "aescbc": (16, 24, 32), "secretbox": (32,)}
PROVIDERS = ("kms", *SIZES, "identity")
_NONE = "provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity"
_MORE = "more than one provider specified in a single element, should split into different list elements"
_WITHOUT_API = ("apiserveripinfo", "serviceipallocations", "servicenodeportallocations")


def group_resource(name: str) -> tuple[str, str]:
    """(group, resource) of `secrets`, `*.`, `deployments.apps`."""
    resource, _, group = name.partition(".")
    return group, resource


def found(resources: list[Obj], *, reload: bool) -> list[FieldError]:
    if not resources:
        return [field.required("resources", "at least one resources is required")]
    services: set[str] = set()
    return [error for at, part in enumerate(resources) for error in _part(part, f"resources[{at}]", services, reload)]


def _part(part: Obj, path: str, services: set[str], reload: bool) -> Iterator[FieldError]:
    names, providers = part.get("resources") or [], part.get("providers") or []
    if not names:
        yield field.required(f"{path}.resources", f"at least one {path}.resources is required")
    yield from _overlap(names, f"{path}.resources")
    for at, name in enumerate(names):
        if why := _wrong_name(name):
            yield field.invalid(f"{path}.resources[{at}]", name, why)
    if not providers:
        yield field.required(f"{path}.providers", f"at least one {path}.providers is required")
    for at, provider in enumerate(providers):
        yield from _provider(provider, f"{path}.providers[{at}]", services, reload)


def _overlap(names: list[str], path: str) -> Iterator[FieldError]:
    parsed = [group_resource(name) for name in names]
    if len(set(parsed)) < len(parsed):
        yield field.invalid(path, names, "the same resource cannot be specified multiple times")
    different = list(dict.fromkeys(parsed))
    groups = [group for group, resource in different if resource == "*" and group != "*"]
    everything = ("*", "*") in different and len(different) > 1
    if everything or any(group in groups and resource != "*" for group, resource in different):
        why = (
            "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed "
            "as they will be masked"
        )
        yield field.invalid(path, names, why)


def _wrong_name(name: str) -> str:
    group, resource = group_resource(name)
    if name != name.lower():
        return "resource name should not contain capital letters"
    if name == "*":
        return "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources"
    if name in _WITHOUT_API:
        return "resources which do not have REST API/s cannot be encrypted"
    if group == "events.k8s.io":
        return (
            "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. "
            "Use 'events' instead in the config file"
        )
    if group == "extensions":
        return "'extensions' group has been removed and cannot be used for encryption"
    return "encrypting the same resource across groups is not supported" if group == "*" and resource != "*" else ""


def _provider(provider: Obj, path: str, services: set[str], reload: bool) -> Iterator[FieldError]:
    given = [name for name in PROVIDERS if provider.get(name) is not None]
    if len(given) != 1:
        yield field.invalid(path, {}, _MORE if given else _NONE)
        return
    name, settings = given[0], provider[given[0]]
    if name == "kms":
        yield from _service(settings, f"{path}.kms", services, reload)
    elif name != "identity":
        keys = settings.get("keys") or []
        if not keys:
            yield field.required(f"{path}.{name}.keys", "at least one keys is required")
        for at, key in enumerate(keys):
            yield from _key(key, f"{path}.{name}.keys[{at}]", SIZES[name])


def _key(key: Obj, path: str, sizes: tuple[int, ...]) -> Iterator[FieldError]:
    if not key.get("name"):
        yield field.required(f"{path}.name", "name is a mandatory field for a key")
    if not key.get("secret"):
        yield field.required(f"{path}.secret", "secret is a mandatory field for a key")
        return
    try:
        secret = base64.b64decode(key["secret"], validate=True)
    except (binascii.Error, ValueError):
        yield field.invalid(f"{path}.secret", "REDACTED", "secrets must be base64 encoded")
        return
    if len(secret) not in sizes:
        shown = " ".join(map(str, sizes))
        why = f"secret is not of the expected length, got {len(secret)}, expected one of [{shown}]"
        yield field.invalid(f"{path}.secret", "REDACTED", why)


def _service(kms: Obj, path: str, services: set[str], reload: bool) -> Iterator[FieldError]:
    name, version = kms.get("name") or "", kms.get("apiVersion") or "v1"
    if not name:
        yield field.required(f"{path}.name", "name is a mandatory field for a provider")
    if version != "v1" and ":" in name:
        yield field.invalid(f"{path}.name", name, f"invalid KMS provider name {name}, must not contain ':'")
    if (reload or version != "v1") and name in services:
        yield field.invalid(f"{path}.name", name, f"duplicate KMS provider name {name}, names must be unique")
    services.add(name)
    yield from _timeout(kms.get("timeout"), f"{path}.timeout")
    yield from _endpoint(kms.get("endpoint") or "", f"{path}.endpoint")
    if (size := kms.get("cachesize")) is not None and version != "v1":
        yield field.invalid(f"{path}.cachesize", size, "cachesize is not supported in v2")
    if size == 0 and version == "v1":
        yield field.invalid(f"{path}.cachesize", size, "cachesize should be a positive value, or negative to disable")
    if version not in ("v1", "v2"):
        why = "unsupported apiVersion apiVersion for KMS provider, only v1 and v2 are supported"
        yield field.invalid(f"{path}.apiVersion", version, why)


def _timeout(text: str | None, path: str) -> Iterator[FieldError]:
    if text is None:
        return
    try:
        seconds = durations.parse(text)
    except ValueError as wrong:
        yield field.invalid(path, text, str(wrong))
        return
    if seconds <= 0:
        yield field.invalid(path, text, "timeout should be a positive value")


def _endpoint(endpoint: str, path: str) -> Iterator[FieldError]:
    if not endpoint:
        yield field.invalid(path, "", "endpoint is a mandatory field for a kms")
        return
    try:
        form = urlsplit(endpoint).scheme
    except ValueError as wrong:
        yield field.invalid(path, endpoint, f"invalid endpoint for kms provider, error: {wrong}")
        return
    if form != "unix":
        yield field.invalid(path, endpoint, f'unsupported scheme "{form}" for KMS provider, only unix is supported')
