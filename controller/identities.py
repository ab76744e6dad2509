"""Clients that write as a loop's own service account: a token asked for on first use, renewed at four fifths of its life."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx

from pocketkube.api.meta import errors, times
from pocketkube.base.clock import Clock
from pocketkube.client.config import ClientConfig
from pocketkube.client.resources import NAMESPACES, SERVICEACCOUNTS
from pocketkube.client.rest import Client
from pocketkube.client.transport import Transport

log = logging.getLogger(__name__)

NAMESPACE = "kube-system"
TOKEN_SECONDS = 3600
WARM_SECONDS = 3.0


def anonymous(config: ClientConfig) -> ClientConfig:
    """The same server without any credentials of ours."""
    return replace(
        config, cert_file="", cert_data=b"", key_file="", key_data=b"", token="", token_file="", username="", exec=None
    )


class AccountClient(Client):
    """Acts as `kube-system/<account>`. `parent` may create service accounts and their tokens; nothing else is asked of it."""

    def __init__(self, parent: Client, account: str, *, transport: httpx.AsyncBaseTransport, clock: Clock):
        config = anonymous(parent.config)
        super().__init__(config, user_agent="kube-controller-manager", transport=transport, earlier=parent.earlier)
        self._parent, self._account, self._clock = parent, account, clock
        self._token = ""
        self._renew_at = float("-inf")
        self._asking = asyncio.Lock()

    async def respond(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        token = await self._fresh_token()
        sent = {**(headers or {}), "Authorization": f"Bearer {token}"}
        response = await super().respond(method, path, headers=sent, **more)
        if response.status_code != 401:
            return response
        self._renew_at = float("-inf")  # the account was replaced, or the keys were: once more with a new token
        sent["Authorization"] = f"Bearer {await self._fresh_token()}"
        return await super().respond(method, path, headers=sent, **more)

    async def warm(self) -> None:
        """Asks for a token before the first write needs it."""
        await self._fresh_token()

    async def _fresh_token(self) -> str:
        async with self._asking:
            if self._clock.monotonic() >= self._renew_at:
                await self._ask()
            return self._token

    async def _ask(self) -> None:
        wanted = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        body = {**wanted, "spec": {"expirationSeconds": TOKEN_SECONDS}}
        try:
            answer = await self._request_token(body)
        except errors.NotFound:
            await self._create_account()
            answer = await self._request_token(body)
        self._token = answer["status"]["token"]
        life = (times.parse(answer["status"]["expirationTimestamp"]) - self._clock.now()).total_seconds()
        self._renew_at = self._clock.monotonic() + 0.8 * life
        log.debug("identity: account=%s seconds=%d", self._account, life)

    async def _request_token(self, body: dict[str, Any]) -> dict[str, Any]:
        return await self._parent.create(SERVICEACCOUNTS, body, NAMESPACE, name=self._account, subresource="token")

    async def _create_account(self) -> None:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": self._account}}
        for _ in range(2):
            try:
                await self._parent.create(SERVICEACCOUNTS, account, NAMESPACE)
            except errors.AlreadyExists:
                return
            except errors.NotFound:
                namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
                await self._parent.create(NAMESPACES, namespace)
            else:
                return


class Identities:
    """One client an account; all share one pool of connections, since only the token tells them apart."""

    def __init__(self, parent: Client, *, clock: Clock):
        self._parent, self._clock = parent, clock
        self._credentials = anonymous(parent.config)
        tls = self._credentials.tls()
        self._transport = Transport(lambda: tls, server_name=parent.config.tls_server_name, limit=64)
        self._clients: dict[str, AccountClient] = {}

    async def warm(self) -> None:
        """Gets every account's token a moment after the start, when whoever waits for the cluster has been served."""
        await self._clock.sleep(WARM_SECONDS)
        for client in list(self._clients.values()):
            try:
                await client.warm()
            except (errors.StatusError, httpx.HTTPError) as error:
                log.debug("identity: %s", error)
                return

    def client(self, account: str) -> Client:
        if account not in self._clients:
            made = AccountClient(self._parent, account, transport=self._transport, clock=self._clock)
            self._clients[account] = made
        return self._clients[account]

    async def aclose(self) -> None:
        await self._transport.aclose()
