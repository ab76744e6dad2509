"""ServiceAccount secrets for API servers before v1.24, whose admission keeps pods waiting for one with a token.

Creates a secret of type service-account-token for each account without one and names it in the account; the token
itself is filled in beside. Later servers take no part in this, and the loop ends at once."""

from __future__ import annotations

import logging
from typing import Any

import httpx

from controller.context import Context, Controller, Run
from controller.pod_control import namespace_ending
from controller.reconciler import Reconciler
from controller.token_secrets import ACCOUNT_NAME, ACCOUNT_UID, TYPE
from pocketkube.api.meta import errors, names
from pocketkube.api.meta.objects import is_deleting
from pocketkube.base.backoff import Backoff
from pocketkube.client.resources import SECRETS, SERVICEACCOUNTS

log = logging.getLogger(__name__)

Obj = dict[str, Any]

LAST_MINOR = 23  # of a server that waits for secrets


def waits_for_secrets(version: Obj) -> bool:
    """`version` is the server's answer to GET /version."""
    minor = "".join(c for c in str(version.get("minor", "")) if c.isdigit())
    return version.get("major") == "1" and bool(minor) and int(minor) <= LAST_MINOR


def plan(account: Obj, secrets: list[Obj]) -> tuple[Obj | None, Obj | None]:
    """(secret to create, account to update), at most one of the two. `secrets` are those of the account's namespace."""
    metadata = account["metadata"]
    if is_deleting(account):
        return None, None
    own = [s["metadata"]["name"] for s in secrets if _belongs(s, metadata)]
    if not own:
        return _secret(metadata), None
    named = {reference.get("name") for reference in account.get("secrets") or ()}
    if named & {*own}:
        return None, None
    return None, {**account, "secrets": [*(account.get("secrets") or ()), {"name": own[0]}]}


def _belongs(secret: Obj, account: Obj) -> bool:
    notes = secret["metadata"].get("annotations") or {}
    return notes.get(ACCOUNT_NAME) == account["name"] and notes.get(ACCOUNT_UID) in (None, account["uid"])


def _secret(account: Obj) -> Obj:
    notes = {ACCOUNT_NAME: account["name"], ACCOUNT_UID: account["uid"]}
    name = names.generate_name(f"{account['name']}-token-")
    metadata = {"name": name, "namespace": account["namespace"], "annotations": notes}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": TYPE}


async def _run(context: Context) -> None:
    if waits_for_secrets(await _version(context)):
        await _work(context)


async def _version(context: Context) -> Obj:
    backoff = Backoff(0.1, 10.0, 2.0)
    while True:
        try:
            return await context.manager_client.request("GET", "/version")
        except (httpx.HTTPError, OSError, errors.StatusError) as e:
            log.warning("the server's version is not known yet: %s", e)
            await context.clock.sleep(backoff.next())


def start(context: Context) -> Run:
    return _run(context)


async def _work(context: Context) -> None:
    accounts = context.informer(SERVICEACCOUNTS)
    secrets = context.informers.of(SECRETS, field_selector=f"type={TYPE}")

    async def reconcile(key: str) -> None:
        account = accounts.store.get(key)
        if account is None:
            return
        namespace = account["metadata"]["namespace"]
        secret, update = plan(account, [s for s in secrets.store.list() if s["metadata"]["namespace"] == namespace])
        try:
            if secret is not None:
                await context.manager_client.create(SECRETS, secret)
            elif update is not None:
                await context.manager_client.update(SERVICEACCOUNTS, update)
        except (errors.NotFound, errors.Conflict):
            return  # the event that says so is on its way
        except errors.StatusError as error:
            if not namespace_ending(error):
                raise

    work = Reconciler("serviceaccount-secret", reconcile, clock=context.clock, workers=1)

    def of_secret(secret: Obj) -> None:
        name = (secret["metadata"].get("annotations") or {}).get(ACCOUNT_NAME)
        work.add(f"{secret['metadata']['namespace']}/{name}")

    def changed(account: Obj) -> None:
        work.add(f"{account['metadata']['namespace']}/{account['metadata']['name']}")

    accounts.add_handler(on_add=changed, on_update=lambda old, new: changed(new))
    secrets.add_handler(on_add=of_secret, on_delete=of_secret)
    await work.run((accounts, secrets))


CONTROLLER = Controller("serviceaccount-secret-controller", "", start, aliases=("serviceaccount-secret",))
