"""Token cleaner: deletes bootstrap tokens when they expire."""

from __future__ import annotations

from controller.bootstrap_tokens import NAMESPACE, TYPE, expires_in
from controller.context import Context, Controller, Run
from controller.reconciler import Reconciler
from pocketkube.api.meta import errors
from pocketkube.client.resources import SECRETS
from pocketkube.client.store import key_of


def start(context: Context) -> Run:
    secrets = context.informers.of(SECRETS, namespace=NAMESPACE, field_selector=f"type={TYPE}")

    async def reconcile(key: str) -> float | None:
        secret = secrets.store.get(key)
        left = expires_in(secret, context.clock.now()) if secret is not None else None
        if secret is None or left is None or left > 0:
            return left
        try:
            await context.client.delete(SECRETS, secret["metadata"]["name"], NAMESPACE, uid=secret["metadata"]["uid"])
        except errors.NotFound:
            return None
        return None

    work = Reconciler("token-cleaner", reconcile, clock=context.clock, workers=1)
    secrets.add_handler(on_add=lambda new: work.add(key_of(new)), on_update=lambda old, new: work.add(key_of(new)))
    return work.run((secrets,))


CONTROLLER = Controller("token-cleaner-controller", "token-cleaner", start, enabled=False, aliases=("tokencleaner",))
