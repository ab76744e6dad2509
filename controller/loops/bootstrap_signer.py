"""Bootstrap signer: signs kube-public/cluster-info with every bootstrap token, so that a joining node can trust it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import orjson

from controller.bootstrap_tokens import NAMESPACE, TYPE, expires_in, field, signing_pair
from controller.context import Context, Controller, Run
from controller.reconciler import Reconciler
from pocketkube.client.resources import CONFIGMAPS, SECRETS

Obj = dict[str, Any]

CONFIG_MAP, PUBLIC = "cluster-info", "kube-public"
KUBECONFIG = "kubeconfig"
PREFIX = "jws-kubeconfig-"
EXPIRED = "expired-tokens"  # ID=TIME ..., so that who comes too late is told so; ids are public, signatures name them
EXPIRED_KEPT = 20


def _url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def detached_signature(content: str, identity: str, key: str) -> str:
    """A compact JWS without its payload: `header..signature`."""
    header = _url64(orjson.dumps({"alg": "HS256", "kid": identity}))
    signed = f"{header}.{_url64(content.encode())}".encode()
    return f"{header}..{_url64(hmac.new(key.encode(), signed, hashlib.sha256).digest())}"


def plan(
    config_map: Obj, secrets: Iterable[Obj], now: datetime, *, ended: Mapping[str, str] | None = None
) -> Obj | None:
    """The data to write, None if it is right: one signature a token, none of tokens that are gone.

    `ended` maps the ids of tokens that were deleted because they had expired to when they did.
    """
    data = config_map.get("data") or {}
    content = data.get(KUBECONFIG)
    if content is None:
        return None
    secrets = list(secrets)
    pairs = [p for s in secrets if (p := signing_pair(s, now)) is not None]
    kept = {k: v for k, v in data.items() if not k.startswith(PREFIX) and k != EXPIRED}
    told = dict(word.partition("=")[::2] for word in data.get(EXPIRED, "").split())
    told |= {**(ended or {}), **{i: t for s in secrets if (i := field(s, "token-id")) and (t := expiry(s, now))}}
    for identity, _ in pairs:
        told.pop(identity, None)
    if told:
        newest = sorted(told.items(), key=lambda pair: pair[::-1])[-EXPIRED_KEPT:]
        kept[EXPIRED] = " ".join(f"{identity}={when}" for identity, when in newest)
    signatures = {PREFIX + identity: detached_signature(content, identity, key) for identity, key in pairs}
    wanted = {**kept, **signatures}
    return None if wanted == data else wanted


def expiry(secret: Obj, now: datetime) -> str:
    """When a token has expired, "" if it has not."""
    left = expires_in(secret, now)
    return field(secret, "expiration") if left is not None and left <= 0 else ""


def start(context: Context) -> Run:
    secrets = context.informers.of(SECRETS, namespace=NAMESPACE, field_selector=f"type={TYPE}")
    config_maps = context.informers.of(CONFIGMAPS, namespace=PUBLIC, field_selector=f"metadata.name={CONFIG_MAP}")

    ended: dict[str, str] = {}

    def deleted(secret: Obj) -> None:
        if when := expiry(secret, context.clock.now()):
            ended[field(secret, "token-id")] = when
        work.add(CONFIG_MAP)

    async def reconcile(key: str) -> float | None:
        config_map, now = config_maps.store.get(f"{PUBLIC}/{CONFIG_MAP}"), context.clock.now()
        if config_map is None:
            return None
        data = plan(config_map, secrets.store.list(), now, ended=ended)
        if data is not None:
            await context.client.update(CONFIGMAPS, {**config_map, "data": data})
        ended.clear()
        waits = [w for s in secrets.store.list() if (w := expires_in(s, now)) is not None and w > 0]
        return min(waits, default=None)

    work = Reconciler("bootstrap-signer", reconcile, clock=context.clock, workers=1)
    for informer, gone in ((secrets, deleted), (config_maps, lambda old: work.add(CONFIG_MAP))):
        informer.add_handler(
            on_add=lambda new: work.add(CONFIG_MAP), on_update=lambda old, new: work.add(CONFIG_MAP), on_delete=gone
        )
    return work.run((secrets, config_maps))


CONTROLLER = Controller(
    "bootstrap-signer-controller", "bootstrap-signer", start, enabled=False, aliases=("bootstrapsigner",)
)
