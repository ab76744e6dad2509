"""Bootstrap signer: signs kube-public/cluster-info with every bootstrap token, so that a joining node can trust it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson

from controller.bootstrap_tokens import NAMESPACE, TYPE, expires_in, signing_pair
from controller.context import Context, Controller, Run
from controller.reconciler import Reconciler
from pocketkube.client.resources import CONFIGMAPS, SECRETS

Obj = dict[str, Any]

CONFIG_MAP, PUBLIC = "cluster-info", "kube-public"
KUBECONFIG = "kubeconfig"
PREFIX = "jws-kubeconfig-"


def _url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def detached_signature(content: str, identity: str, key: str) -> str:
    """A compact JWS without its payload: `header..signature`."""
    header = _url64(orjson.dumps({"alg": "HS256", "kid": identity}))
    signed = f"{header}.{_url64(content.encode())}".encode()
    return f"{header}..{_url64(hmac.new(key.encode(), signed, hashlib.sha256).digest())}"


def plan(config_map: Obj, secrets: Iterable[Obj], now: datetime) -> Obj | None:
    """The data to write, None if it is right: one signature a token, none of tokens that are gone."""
    data = config_map.get("data") or {}
    content = data.get(KUBECONFIG)
    if content is None:
        return None
    pairs = [p for s in secrets if (p := signing_pair(s, now)) is not None]
    kept = {k: v for k, v in data.items() if not k.startswith(PREFIX)}
    signatures = {PREFIX + identity: detached_signature(content, identity, key) for identity, key in pairs}
    wanted = {**kept, **signatures}
    return None if wanted == data else wanted


def start(context: Context) -> Run:
    secrets = context.informers.of(SECRETS, namespace=NAMESPACE, field_selector=f"type={TYPE}")
    config_maps = context.informers.of(CONFIGMAPS, namespace=PUBLIC, field_selector=f"metadata.name={CONFIG_MAP}")

    async def reconcile(key: str) -> float | None:
        config_map, now = config_maps.store.get(f"{PUBLIC}/{CONFIG_MAP}"), context.clock.now()
        if config_map is None:
            return None
        data = plan(config_map, secrets.store.list(), now)
        if data is not None:
            await context.client.update(CONFIGMAPS, {**config_map, "data": data})
        waits = [w for s in secrets.store.list() if (w := expires_in(s, now)) is not None and w > 0]
        return min(waits, default=None)

    work = Reconciler("bootstrap-signer", reconcile, clock=context.clock, workers=1)
    for informer in (secrets, config_maps):
        informer.add_handler(
            on_add=lambda new: work.add(CONFIG_MAP),
            on_update=lambda old, new: work.add(CONFIG_MAP),
            on_delete=lambda old: work.add(CONFIG_MAP),
        )
    return work.run((secrets, config_maps))


CONTROLLER = Controller(
    "bootstrap-signer-controller", "bootstrap-signer", start, enabled=False, aliases=("bootstrapsigner",)
)
