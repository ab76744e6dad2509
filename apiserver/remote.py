"""Another server that decides for this one, as a kubeconfig file describes it: JSON objects are posted, its answers come back."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Any

import orjson

from apiserver import tracing
from pocketkube.client import config as clients
from pocketkube.client.config import ClientConfig

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

Obj = dict[str, Any]

TRIES = 5
_RETRIED = frozenset((429, 500, 503, 504))
_MOST_BYTES = 3 * 1024 * 1024


class RemoteFailed(Exception):
    """No usable answer came, also after some tries; the text says why."""


class Remote:
    """One server. Raises ConfigError at once for a kubeconfig that cannot be used."""

    def __init__(self, config: ClientConfig, *, seconds: float = 30.0, first_wait: float = 0.5):
        self._config, self._seconds, self._first_wait = config, seconds, first_wait
        self._client: httpx.AsyncClient | None = None

    @classmethod
    def of_file(cls, kubeconfig: str, *, seconds: float = 30.0) -> Remote:
        return cls(clients.load(kubeconfig), seconds=seconds)

    async def post(self, body: Obj) -> Obj:
        """The answer to `body`; overloaded and failing servers are asked again, waiting longer each time."""
        import httpx

        wait, why = self._first_wait, ""
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(wait * (1 + 0.2 * random.random()))
                wait *= 1.5
            try:
                trace = {tracing.HEADER.decode(): tracing.onward().decode()}
                response = await self._http().post(self._config.server, content=orjson.dumps(body), headers=trace)
            except httpx.TimeoutException:
                raise RemoteFailed(f'Post "{self._config.server}": context deadline exceeded') from None
            except httpx.HTTPError as failure:
                why = f'Post "{self._config.server}": {failure or type(failure).__name__}'
                if isinstance(failure, httpx.ConnectError):
                    break
                continue
            if response.status_code < 300:
                return _object(response.content)
            why = f"the server answered with the status code {response.status_code}: {response.text[:300].strip()}"
            if response.status_code not in _RETRIED:
                break
        raise RemoteFailed(why)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _http(self) -> httpx.AsyncClient:
        import httpx

        if self._client is None:
            config = self._config
            headers = {"content-type": "application/json", "accept": "application/json"}
            if config.token:
                headers["authorization"] = f"Bearer {config.token}"
            basic = httpx.BasicAuth(config.username, config.password) if config.username else None
            self._client = httpx.AsyncClient(
                verify=config.tls() or False, headers=headers, auth=basic, timeout=self._seconds, trust_env=False
            )
        return self._client


def _object(content: bytes) -> Obj:
    try:
        found = orjson.loads(content) if len(content) <= _MOST_BYTES else None
    except ValueError as failure:
        raise RemoteFailed(f"the answer is not JSON: {failure}") from failure
    if not isinstance(found, dict):
        raise RemoteFailed("the answer is no JSON object, or too long")
    return found
