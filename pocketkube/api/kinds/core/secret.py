"""Secret: bytes for pods to read, shown to few."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from pocketkube.api.kinds import checks, columns
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.core import configmap
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import field, names
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

_COLUMNS = (
    columns.NAME,
    columns.text("Type", "What the secret is for."),
    columns.text("Data", "How many entries it has."),
    columns.AGE,
)
_MOST = 1024 * 1024  # bytes of all values together
_TOKEN = "kubernetes.io/service-account-token"
_ACCOUNT = "kubernetes.io/service-account.name"
_KEYS = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


def _default(obj: Obj) -> None:
    if not obj.get("type"):
        obj["type"] = "Opaque"
    plain = obj.pop("stringData", None)
    if plain:
        data = obj["data"] = dict(obj.get("data") or {})
        data.update({key: base64.b64encode(value.encode()).decode() for key, value in plain.items()})


def _validate(obj: Obj) -> Errors:
    data = obj.get("data") or {}
    wrong: Errors = []
    for key in data:
        wrong += [field.invalid(f"data[{key}]", key, why) for why in names.is_config_key(key)]
    if sum(configmap.decoded_size(value) for value in data.values()) > _MOST:
        wrong.append(field.too_long("data", _MOST))
    return wrong + _typed(obj, data)


def _typed(obj: Obj, data: Obj) -> Errors:
    """Each well-known type needs its entries."""
    kind = obj["type"]
    if kind == _TOKEN and not (obj["metadata"].get("annotations") or {}).get(_ACCOUNT):
        return [field.required(f"metadata.annotations[{_ACCOUNT}]")]
    if kind == "kubernetes.io/basic-auth" and not data.keys() & {"username", "password"}:
        return [field.required("data[username]"), field.required("data[password]")]
    wrong = [field.required(f"data[{key}]") for key in _KEYS.get(kind, ()) if key not in data]
    if kind.startswith("kubernetes.io/docker") and not wrong:
        wrong += _docker_config(data, _KEYS.get(kind, ("",))[0])
    return wrong


def _docker_config(data: Obj, key: str) -> Errors:
    import orjson

    try:
        good = not key or isinstance(orjson.loads(base64.b64decode(data[key])), dict)
        why = "json: cannot unmarshal into Go value of type map[string]interface {}"
    except ValueError as error:
        good, why = False, str(error)
    return [] if good else [field.invalid(f"data[{key}]", "<secret contents redacted>", why)]


def _validate_update(obj: Obj, old: Obj) -> Errors:
    wrong = checks.immutable("type", obj["type"], old.get("type"))
    return wrong + configmap.frozen(obj, old, "data") + _validate(obj)


def _row(obj: Obj, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], obj.get("type", ""), len(obj.get("data") or ()), columns.age(obj, now)]


KIND = Kind(
    group="",
    version="v1",
    kind="Secret",
    plural="secrets",
    namespaced=True,
    schema=Schema.of("io.k8s.api.core.v1.Secret"),
    priority=10,
    has_generation=False,
    columns=_COLUMNS,
    row=_row,
    default=_default,
    validate=_validate,
    validate_update=_validate_update,
    selectable={"type": lambda obj: str(obj.get("type") or "")},
)
