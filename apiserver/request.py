"""One request as the chain and the handlers see it: a raw ASGI scope, read lazily; and the response they give back.

Nothing is parsed twice and nothing is parsed that no one asks for.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from math import inf
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson

from apiserver.interfaces import RequestInfo, User
from pocketkube.api.meta import errors
from pocketkube.base.kept import remembered

if TYPE_CHECKING:
    from apiserver.audit.record import Record
    from apiserver.registry.resource import Resource
    from apiserver.tails import Tail

Obj = dict[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

REQUEST_SECONDS = 60.0
MAX_PARAMETERS = 10_000  # of a query; reading more would hold up everyone else
MAX_BODY = 3 * 1024 * 1024  # bytes; upstream's limit of a resource request
JSON = b"application/json"
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII).fullmatch
_LARGEST = 2**63 - 1
_DIGITS = 64  # zeros in front included
_LONGEST_ID = 64  # of what is sent back of an audit id
NOBODY = User("system:anonymous", groups=("system:unauthenticated",))


_RANDOM = os.urandom(12).hex()
_FIRST_PART = f"{_RANDOM[:8]}-{_RANDOM[8:12]}-4{_RANDOM[13:16]}-a{_RANDOM[17:20]}-{_RANDOM[20:]}".encode()
_counted = itertools.count(int.from_bytes(os.urandom(3), "big"))


def new_id() -> bytes:
    """An audit id that no other request has, in the form of a UUID: the process's own part and a count."""
    return b"%b%08x" % (_FIRST_PART, next(_counted) & 0xFFFFFFFF)


class Response:
    """What a handler answers: ready bytes. `tail` follows `body` and is sent without being copied to it."""

    __slots__ = ("body", "content_type", "headers", "status", "tail")

    def __init__(
        self,
        body: bytes,
        *,
        status: int = 200,
        content_type: bytes = JSON,
        headers: list[tuple[bytes, bytes]] | None = None,
        tail: Tail | None = None,
    ):
        self.body = body
        self.tail = tail
        self.status = status
        self.content_type = content_type
        self.headers = headers

    @property
    def size(self) -> int:
        """Bytes of the whole body."""
        return len(self.body) if self.tail is None else len(self.body) + len(self.tail.data)

    def whole(self) -> bytes:
        return self.body if self.tail is None else self.body + self.tail.data


def page_not_found() -> Response:
    """For a path that nobody has heard of."""
    return text_response("404 page not found\n", status=404)


def text_response(text: str, *, status: int = 200) -> Response:
    nosniff = [(b"x-content-type-options", b"nosniff")]
    return Response(text.encode(), status=status, content_type=b"text/plain; charset=utf-8", headers=nosniff)


def json_response(value: Any, *, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status=status)


def status_response(error: errors.StatusError) -> Response:
    """The Status of an error, with Retry-After where it asks for one."""
    response = json_response(error.to_status(), status=error.code)
    if error.retry_after:
        response.headers = [(b"retry-after", str(error.retry_after).encode())]
    return response


def parse_integer(text: str) -> int:
    """An integer of 64 bits in decimal digits. Raises ValueError with Go's words for what is wrong."""
    if not _INTEGER(text):
        raise ValueError("invalid syntax")
    if len(text) > _DIGITS or not -_LARGEST - 1 <= (value := int(text)) <= _LARGEST:
        raise ValueError("value out of range")
    return value


@remembered(2048)
def parse_query(raw: bytes) -> Mapping[str, str]:
    """The last value of each parameter. The result is shared: never change it."""
    try:
        pairs = parse_qsl(raw.decode("latin-1"), keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
        return dict(pairs)
    except (UnicodeDecodeError, ValueError) as error:
        raise errors.BadRequest(f"invalid query string: {error}") from None


_NO_QUERY: Mapping[str, str] = {}


class Request:
    """One HTTP request. `info`, `user` and `resource` are filled by the chain before a handler runs; whoever
    sends an answer's head adds `answer_headers`, which are shared: replaced, never changed."""

    __slots__ = (
        "_headers",
        "_query",
        "annotations",
        "answer_headers",
        "audit",
        "audit_id",
        "deadline",
        "info",
        "method",
        "path",
        "receive",
        "resource",
        "scope",
        "seconds",
        "send",
        "trace",
        "user",
        "warnings",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send):
        self.scope = scope
        self._headers: list[tuple[bytes, bytes]] = scope["headers"]
        self.receive = receive
        self.send = send
        self.seconds = REQUEST_SECONDS  # that it may take
        self.deadline = inf  # by the loop's clock; what is asked of others to answer it must come before
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.info: RequestInfo = RequestInfo("", self.path)
        self.user: User = NOBODY
        self.resource: Resource | None = None
        self.warnings: list[str] = []
        self.annotations: dict[str, str] = {}  # what admission and authorization note for the audit log
        self.trace: tuple[str, str] | None = None  # see tracing
        self.audit: Record | None = None
        self.audit_id = self.header(b"audit-id") or new_id()
        self.answer_headers: list[tuple[bytes, bytes]] = [(b"audit-id", self.audit_id[:_LONGEST_ID])]
        self._query: Mapping[str, str] | None = None

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Names in lower case."""
        return self._headers

    def header(self, name: bytes) -> bytes:
        """The first value of a header, b"" without one. `name` in lower case."""
        for key, value in self._headers:
            if key == name:
                return value
        return b""

    @property
    def query(self) -> Mapping[str, str]:
        if self._query is None:
            raw = self.scope["query_string"]
            self._query = _NO_QUERY  # what cannot be read is refused once; who answers that sees none
            if raw:
                self._query = parse_query(raw)
        return self._query

    def query_all(self, name: str) -> list[str]:
        """Every value of a repeated parameter, in order."""
        raw = self.scope["query_string"].decode("latin-1")
        pairs = parse_qsl(raw, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
        return [value for key, value in pairs if key == name]

    def flag(self, name: str) -> bool:
        """A boolean parameter as upstream reads it: present and not `false` or `0`."""
        value = self.query.get(name)
        return value is not None and value.lower() not in ("false", "0")

    def integer(self, name: str) -> int | None:
        """An integer parameter, None where absent or empty. Raises BadRequest in upstream's words."""
        text = self.query.get(name)
        if not text:
            return None
        try:
            return parse_integer(text)
        except ValueError as wrong:
            raise errors.BadRequest(f'strconv.ParseInt: parsing "{text}": {wrong}') from None

    @property
    def user_agent(self) -> str:
        return self.header(b"user-agent").decode("latin-1")

    @property
    def peer_certificate(self) -> bytes | None:
        extension = self.scope.get("extensions", {}).get("pocketkube.tls")
        return extension["peer_certificate"] if extension else None

    async def body(self, limit: int = MAX_BODY) -> bytes:
        """The whole body. Raises RequestEntityTooLarge past `limit` bytes, BadRequest if the client went away, Timeout if the
        body has not come within `seconds`: who sends it slowly holds up what others wait for."""
        at_once = self.scope["extensions"].get("pocketkube.body")
        if at_once is not None and self.audit is None and (whole := at_once()) is not None:
            if len(whole) > limit:
                raise _too_large(limit)
            data: bytes = whole
            return data
        try:
            async with asyncio.timeout(self.seconds):
                return await self._received(limit)
        except TimeoutError:
            raise errors.Timeout(
                "Timeout: request did not complete within requested timeout - context deadline exceeded"
            ) from None

    async def _received(self, limit: int) -> bytes:
        message = await self.receive()
        data: bytes = message.get("body", b"")
        if not message.get("more_body"):
            _check_body(message, len(data), limit)
            return data
        pieces, size = [data], len(data)
        while message.get("more_body"):
            message = await self.receive()
            piece = message.get("body", b"")
            size += len(piece)
            _check_body(message, size, limit)
            pieces.append(piece)
        return b"".join(pieces)


def _check_body(message: Mapping[str, Any], size: int, limit: int) -> None:
    if message["type"] == "http.disconnect":
        raise errors.BadRequest("the client went away")
    if size > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> errors.RequestEntityTooLarge:
    return errors.RequestEntityTooLarge(f"Request entity too large: limit is {limit}")
