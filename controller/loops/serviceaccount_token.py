"""ServiceAccount tokens in secrets: fills secrets of type service-account-token, deletes those whose account is gone.

Runs as the manager itself: no service account may read every secret."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.cluster_ca import root_ca
from controller.context import Context, Controller, Run
from controller.reconciler import Reconciler
from controller.token_secrets import ACCOUNT_NAME, ACCOUNT_UID, TYPE
from pocketkube.api.meta import errors
from pocketkube.api.meta.objects import is_deleting
from pocketkube.client.resources import SECRETS, SERVICEACCOUNTS
from pocketkube.client.store import key_of

Obj = dict[str, Any]
Sign = Callable[[Obj], str]

ISSUER = "kubernetes/serviceaccount"


@dataclass(frozen=True, slots=True)
class Plan:
    """At most one: the secret with its token, or that it shall go."""

    update: Obj | None = None
    delete: bool = False


def claims(secret: Obj, account: Obj) -> Obj:
    """What a legacy token says. It has no expiry: it dies with its secret."""
    namespace, name = account["metadata"]["namespace"], account["metadata"]["name"]
    prefix = "kubernetes.io/serviceaccount"
    return {
        "iss": ISSUER,
        f"{prefix}/namespace": namespace,
        f"{prefix}/secret.name": secret["metadata"]["name"],
        f"{prefix}/service-account.name": name,
        f"{prefix}/service-account.uid": account["metadata"]["uid"],
        "sub": f"system:serviceaccount:{namespace}:{name}",
    }


def plan(secret: Obj, account: Obj | None, ca: str, sign: Sign) -> Plan:
    """`account` is the one that the secret's annotation names, None if there is none."""
    if is_deleting(secret):
        return Plan()
    notes = secret["metadata"].get("annotations") or {}
    uid = notes.get(ACCOUNT_UID)
    if account is None or (uid and uid != account["metadata"]["uid"]):
        return Plan(delete=True)
    data = dict(secret.get("data") or {})
    namespace = secret["metadata"]["namespace"]
    wanted = {"namespace": _encoded(namespace), **({"ca.crt": _encoded(ca)} if ca else {})}
    fresh = {**data, **wanted}
    if not data.get("token"):
        fresh["token"] = _encoded(sign(claims(secret, account)))
    if fresh == data and uid:
        return Plan()
    annotations = {**notes, ACCOUNT_UID: account["metadata"]["uid"]}
    return Plan(update={**secret, "metadata": {**secret["metadata"], "annotations": annotations}, "data": fresh})


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def signer(key_file: str) -> Sign:
    """Signs with a PEM key, RSA or EC; the key's id is the digest of its public half, as the API server expects."""
    import jwt
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    key = serialization.load_pem_private_key(Path(key_file).read_bytes(), None)
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    kid = base64.urlsafe_b64encode(hashlib.sha256(public).digest()).rstrip(b"=").decode()
    algorithm = "RS256" if isinstance(key, RSAPrivateKey) else "ES256"
    return lambda payload: jwt.encode(payload, key, algorithm=algorithm, headers={"kid": kid})  # type: ignore[arg-type]


async def _nothing() -> None:
    """Without a key there is nothing to sign with."""


def start(context: Context) -> Run:
    if not context.options.service_account_private_key_file:
        return _nothing()
    signing: list[Sign] = []  # made on the first token: it costs an import that few clusters need
    ca = root_ca(context.options.root_ca_file, context.manager_client.config)
    accounts = context.informer(SERVICEACCOUNTS)
    secrets = context.informers.of(SECRETS, field_selector=f"type={TYPE}")

    def sign(payload: Obj) -> str:
        if not signing:
            signing.append(signer(context.options.service_account_private_key_file))
        return signing[0](payload)

    async def reconcile(key: str) -> None:
        secret = secrets.store.get(key)
        if secret is None:
            return
        namespace = secret["metadata"]["namespace"]
        name = (secret["metadata"].get("annotations") or {}).get(ACCOUNT_NAME)
        if not name:
            return
        decided = plan(
            secret, await _account(context, accounts.store.get(f"{namespace}/{name}"), namespace, name), ca, sign
        )
        try:
            if decided.delete:
                uid = secret["metadata"]["uid"]
                await context.manager_client.delete(SECRETS, secret["metadata"]["name"], namespace, uid=uid)
            elif decided.update is not None:
                await context.manager_client.update(SECRETS, decided.update)
        except errors.NotFound:
            return

    work = Reconciler("serviceaccount-token", reconcile, clock=context.clock, workers=5)

    def account_changed(account: Obj) -> None:
        for secret in secrets.store.list():
            if secret["metadata"]["namespace"] == account["metadata"]["namespace"]:
                work.add(key_of(secret))

    secrets.add_handler(on_add=lambda new: work.add(key_of(new)), on_update=lambda old, new: work.add(key_of(new)))
    accounts.add_handler(on_add=account_changed, on_delete=account_changed)
    return work.run((accounts, secrets))


async def _account(context: Context, cached: Obj | None, namespace: str, name: str) -> Obj | None:
    """The cache may not know an account made a moment ago: before a secret is deleted, ask."""
    if cached is not None:
        return cached
    try:
        return await context.manager_client.get(SERVICEACCOUNTS, name, namespace)
    except errors.NotFound:
        return None


CONTROLLER = Controller("serviceaccount-token-controller", "", start, aliases=("serviceaccount-token",))
