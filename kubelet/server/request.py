"""One request to the kubelet's API: what its URL and headers say, and the plain answers to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson

Obj = dict[str, Any]
Send = Callable[[Obj], Awaitable[None]]
Hijack = Callable[[bytes], Awaitable[tuple[Any, Any]]]

TEXT = "text/plain; charset=utf-8"


@dataclass(slots=True)
class Request:
    """`parts` are the path's, `query` keeps repeated parameters in order."""

    scope: Obj
    send: Send
    method: str
    parts: list[str]
    query: list[tuple[str, str]]
    headers: dict[str, str]

    @classmethod
    def of(cls, scope: Obj, send: Send) -> Request:
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        return cls(scope, send, scope["method"], [p for p in scope["path"].split("/") if p], query, headers)

    def value(self, *names: str) -> str:
        return next((v for k, v in self.query if k in names), "")

    def values(self, *names: str) -> list[str]:
        return [v for k, v in self.query if k in names]

    def flag(self, *names: str) -> bool:
        return self.value(*names).lower() in ("1", "true", "t")

    def words(self, header: str) -> list[str]:
        """Of all headers of that name: clients send one a protocol."""
        name = header.encode()
        values = [v.decode("latin-1") for k, v in self.scope["headers"] if k == name]
        return [word.strip() for value in values for word in value.split(",") if word.strip()]

    @property
    def certificate(self) -> bytes | None:
        """The client's, DER."""
        found: bytes | None = self._extension("pocketkube.tls", {}).get("peer_certificate")
        return found

    @property
    def upgrade(self) -> str:
        """The protocol that the client wants to go on with, "" for none."""
        wants = "upgrade" in self.headers.get("connection", "").lower()
        return self.headers.get("upgrade", "").lower() if wants else ""

    @property
    def hijack(self) -> Hijack | None:
        """Takes the connection over after a last answer, whose head it is given."""
        found: Hijack | None = self._extension("pocketkube.upgrade", None)
        return found

    def when_left(self, call: Callable[[], None]) -> None:
        """`call` as soon as the client has gone."""
        listen = self._extension("pocketkube.disconnect", None)
        if listen is not None:
            listen(call)

    def _extension(self, name: str, default: Any) -> Any:
        return (self.scope.get("extensions") or {}).get(name, default)

    async def answer(self, body: bytes, kind: str = TEXT, *, status: int = 200) -> None:
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    async def answer_object(self, obj: Obj) -> None:
        await self.answer(orjson.dumps(obj), "application/json")
