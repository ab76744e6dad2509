"""A component's own small server: short answers to who asks how it is, and to those who may see its metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from pocketkube.base import metrics

Send = Callable[[dict[str, Any]], Awaitable[None]]

TEXT = "text/plain; charset=utf-8"


class Answer(NamedTuple):
    code: int
    body: bytes
    content_type: str = TEXT


OK = Answer(200, b"ok")
_REFUSALS = {
    401: Answer(401, b"Unauthorized\n"),
    403: Answer(403, b"Forbidden\n"),
    503: Answer(503, b"nobody can say who may see this\n"),
}
_NOT_FOUND = Answer(404, b"404 page not found\n")


def ok() -> Answer:
    return OK


def shown_metrics() -> Answer:
    return Answer(200, metrics.render(), metrics.CONTENT_TYPE)


class Health:
    """An ASGI application that answers each path by its function.

    The `open` ones are for anyone. For all else `verdict(authorization, verb, path)` must say 200 first, or its 401, 403 or 503 is the
    answer: who may not see anything does not learn what is there.
    """

    def __init__(
        self,
        *,
        open: Mapping[str, Callable[[], Answer]],
        closed: Mapping[str, Callable[[], Answer]] | None = None,
        verdict: Callable[[str, str, str], Awaitable[int]] | None = None,
    ) -> None:
        self._open, self._closed, self._verdict = open, closed or {}, verdict

    async def __call__(self, scope: Mapping[str, Any], receive: object, send: Send) -> None:
        code, body, content_type = await self._answer(scope)
        headers = [(b"content-type", content_type.encode()), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": code, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Mapping[str, Any]) -> Answer:
        path = scope["path"]
        if path in self._open:
            return self._open[path]()
        if self._verdict is not None:
            authorization = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
            code = await self._verdict(authorization, scope["method"].lower(), path)
            if code != 200:
                return _REFUSALS[code]
        return self._closed[path]() if path in self._closed else _NOT_FOUND
