"""An issuer's public keys: its configuration document, then its key set, fetched when needed and again when a key is unknown."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from apiserver.authn.bearer import InvalidToken
from pocketkube.base.clock import Clock, SystemClock

if TYPE_CHECKING:
    import httpx
    from jwt import PyJWK

    from apiserver.authn.oidc.settings import Issuer

log = logging.getLogger(__name__)

Obj = dict[str, Any]

RETRY_SECONDS = 10.0
TIMEOUT_SECONDS = 30.0


class FetchFailed(Exception):
    """The issuer does not answer, or not with what it should."""


class Provider:
    """One issuer. However many tokens wait for its keys, it is asked once."""

    def __init__(self, issuer: Issuer, *, clock: Clock | None = None):
        self._issuer = issuer
        self._clock = clock or SystemClock()
        self._keys_url = ""
        self._keys: list[PyJWK] = []
        self._fetching: asyncio.Task[None] | None = None
        self._client: httpx.AsyncClient | None = None

    async def run(self) -> None:
        """Fetch the keys at start, again and again until the issuer answers."""
        while not self._keys:
            try:
                await self._fetch_once()
            except FetchFailed as failure:
                log.warning("oidc authenticator: initializing plugin: %s", failure)
                await self._clock.sleep(RETRY_SECONDS)

    async def keys(self, key_id: str) -> list[PyJWK]:
        """The keys that may have signed: the one of that id, or all where the token names none. Raises InvalidToken."""
        found = self._named(key_id)
        if found:
            return found
        try:
            await self._fetch_once()
        except FetchFailed as failure:
            raise InvalidToken(f"oidc: failed to verify signature: fetching keys {failure}") from failure
        return self._named(key_id)

    async def get_json(self, url: str, *, token: str = "") -> tuple[str, bytes]:
        """(content type, body) of a document. Raises FetchFailed."""
        import httpx

        headers = {"authorization": f"Bearer {token}"} if token else {}
        try:
            response = await self._http().get(url, headers=headers)
        except httpx.HTTPError as failure:
            raise FetchFailed(f'Get "{url}": {failure or type(failure).__name__}') from failure
        if response.status_code != 200:
            raise FetchFailed(f"oidc: get {url} failed: {response.status_code} {response.text[:300]}")
        return response.headers.get("content-type", ""), response.content

    async def close(self) -> None:
        if self._fetching is not None and not self._fetching.done():
            self._fetching.cancel()
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _named(self, key_id: str) -> list[PyJWK]:
        return [key for key in self._keys if key_id in ("", key.key_id)]

    async def _fetch_once(self) -> None:
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch(), name=f"keys of {self._issuer.url}")
        # A waiter that goes away must not end the fetch for the others.
        await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        if not self._keys_url:
            self._keys_url = await self._discover()
        self._keys = _key_set(await self._document(self._keys_url))

    async def _discover(self) -> str:
        found = await self._document(self._issuer.configuration_url)
        if found.get("issuer") != self._issuer.url:
            raise FetchFailed(
                f"oidc: issuer did not match the issuer returned by provider, "
                f'expected "{self._issuer.url}" got "{found.get("issuer", "")}"'
            )
        url = found.get("jwks_uri")
        if not isinstance(url, str) or not url.startswith("https://"):
            raise FetchFailed(f"oidc: the provider's jwks_uri {url!r} is no https URL")
        return url

    async def _document(self, url: str) -> Obj:
        import orjson

        _, body = await self.get_json(url)
        try:
            found = orjson.loads(body)
        except ValueError as failure:
            raise FetchFailed(f"oidc: {url} is not JSON: {failure}") from failure
        if not isinstance(found, dict):
            raise FetchFailed(f"oidc: {url} is not a JSON object")
        return found

    def _http(self) -> httpx.AsyncClient:
        import ssl

        import httpx

        if self._client is None:
            context = ssl.create_default_context(cadata=self._issuer.ca or None)
            self._client = httpx.AsyncClient(verify=context, timeout=TIMEOUT_SECONDS, trust_env=False)
        return self._client


def _key_set(found: Obj) -> list[PyJWK]:
    """The signature keys that we understand; others belong to other uses."""
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError

    keys = []
    for entry in found.get("keys") or ():
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        try:
            keys.append(PyJWK.from_dict(entry))
        except (PyJWTError, ValueError, TypeError) as broken:
            log.info("oidc: a published key is not usable: %s", broken)
    return keys
