"""Whether an extension server answers, and what it says of itself: its resources and its OpenAPI documents."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from urllib.parse import urlsplit

import orjson

from apiserver.aggregation import identity
from apiserver.aggregation.service import Resolver, Service, Unreachable
from apiserver.backends import BackendError, Backends
from apiserver.interfaces import User

log = logging.getLogger(__name__)

Obj = dict[str, Any]

SECONDS = 5.0
MORE_ATTEMPTS = 4  # side by side, where the first one failed: another endpoint may answer
MOST_DOCUMENT = 64 << 20  # bytes
JSON = "application/json"
PASSED: Obj = {"type": "Available", "status": "True", "reason": "Passed", "message": "all checks passed"}


class Checker:
    def __init__(self, resolver: Resolver, backends: Backends):
        self._resolver, self._backends = resolver, backends

    async def check(self, service: Service) -> Obj:
        """The Available condition. Where it is true the service has its resources."""
        try:
            self._resolver.check(service)
            service.resources = await self._resources(service)
        except Unreachable as failure:
            return {"type": "Available", "status": "False", "reason": failure.reason, "message": str(failure)}
        return PASSED

    async def _resources(self, service: Service) -> list[Obj]:
        try:
            return await self._ask(service)
        except Unreachable as failure:
            answers = await asyncio.gather(*(self._ask(service) for _ in range(MORE_ATTEMPTS)), return_exceptions=True)
            for answer in answers:
                if isinstance(answer, list):
                    return answer
            raise failure

    async def _ask(self, service: Service) -> list[Obj]:
        """The entries of its APIResourceList. Raises Unreachable for anything but a good answer."""
        shown = f"https://{service.server_name}:{service.port}{service.path}"
        try:
            shown = f"https://{self._resolver.target(service).authority}{service.path}"
            data = await self.fetch(service, service.path, user=identity.CHECKER)
        except (BackendError, TimeoutError) as failure:
            why = str(failure) or "context deadline exceeded"
            message = f"failing or missing response from {shown}: {why}"
            raise Unreachable("FailedDiscoveryCheck", message) from None
        try:
            return list(orjson.loads(data).get("resources") or ())
        except (ValueError, AttributeError, TypeError):
            return []

    async def fetch(self, service: Service, path: str, *, user: User = identity.READER) -> bytes:
        """A document of an extension server. Raises BackendError, TimeoutError, Unreachable."""
        headers = [(b"accept", JSON.encode()), *identity.headers_of(user)]
        async with asyncio.timeout(SECONDS):
            answer = await self._backends.send(self._resolver.target(service), "GET", path, headers=headers)
            try:
                data = await answer.read(MOST_DOCUMENT)
            finally:
                await answer.close()
        if not 200 <= answer.status < 300:
            raise BackendError(f"bad status from {path}: {answer.status}")
        return data

    async def read_openapi(self, service: Service) -> bool:
        """Look at its documents of both versions; returns whether they are others than before."""
        before = service.openapi_v2, service.openapi_v3
        index = await self._document(service, "/openapi/v3")
        paths = index.get("paths")
        mine = service.path.removeprefix("/")
        service.openapi_v3 = {
            key: str(entry.get("serverRelativeURL") or "")
            for key, entry in (paths.items() if isinstance(paths, dict) else ())
            if key == mine and isinstance(entry, dict)
        }
        service.openapi_v2 = await self._document(service, "/openapi/v2") or None
        return before != (service.openapi_v2, service.openapi_v3)

    async def _document(self, service: Service, path: str) -> Obj:
        """{} where there is none."""
        try:
            found = orjson.loads(await self.fetch(service, path))
        except (BackendError, TimeoutError, Unreachable, ValueError) as failure:
            log.debug("%s has no %s: %s", service.name, path, failure)
            return {}
        return found if isinstance(found, dict) else {}

    async def openapi_v3(self, service: Service, key: str) -> bytes:
        """Its document of a group and version. Raises BackendError, TimeoutError, Unreachable."""
        url = urlsplit(service.openapi_v3[key])
        return await self.fetch(service, f"{url.path}?{url.query}" if url.query else url.path)
