"""What is learned of one request while it runs, and the event that says it."""

from __future__ import annotations

import time
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from apiserver.admission.webhooks.review import PATCHES
from apiserver.audit.policy import LEVELS, Ruling
from apiserver.interfaces import User
from apiserver.request import NOBODY, Request, Response
from pocketkube.api.meta import times

Obj = dict[str, Any]

METADATA, REQUEST, RESPONSE = 1, 2, 3
_STATUS = b'{"kind":"Status"'


class Record:
    """`code` is 0 until the answer began."""

    __slots__ = (
        "_failure", "_pieces", "_receive", "_response", "annotations", "code", "id", "received", "request", "ruling", "sent", "status",
    )  # fmt: skip

    def __init__(self, request: Request, ruling: Ruling, annotations: dict[str, str]):
        self.id = request.audit_id.decode("latin-1")
        self.ruling = ruling
        self.received = time.time()
        self.request = request
        self.annotations = annotations
        self.code = 0
        self.status: Obj = {}  # of a failure
        self.sent = False
        self._pieces: list[bytes] = []
        self._receive = request.receive
        self._response: Response | None = None
        self._failure: Mapping[str, Any] | None = None

    async def receive(self) -> MutableMapping[str, Any]:
        """The request's body, which is kept on its way."""
        message = await self._receive()
        if body := message.get("body"):
            self._pieces.append(body)
        return message

    def answered(self, response: Response) -> None:
        self.code = response.status
        self._response = response
        if response.body.startswith(_STATUS):
            whole = orjson.loads(response.body)
            self.status = {n: whole[n] for n in ("status", "message", "reason", "details") if whole.get(n)}

    def failed(self, status: Mapping[str, Any]) -> None:
        self._failure = status
        self.code = status["code"]
        self.status = {n: status[n] for n in ("status", "message", "reason", "details") if status.get(n)}

    def event(self, stage: str) -> Obj:
        """For orjson: objects are pieces of JSON that are ready."""
        request, level = self.request, self.ruling.level
        query = request.scope["query_string"]
        made: Obj = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": LEVELS[level],
            "auditID": self.id,
            "stage": stage,
            "requestURI": f"{request.path}?{query.decode('latin-1')}" if query else request.path,
            "verb": request.info.verb,
            "user": _user(request.user.impersonator or request.user) if request.user is not NOBODY else {},
        }
        if request.user.impersonator is not None:
            made["impersonatedUser"] = _user(request.user)
        made["sourceIPs"] = _sources(request)
        if agent := request.user_agent:
            made["userAgent"] = agent
        body = self._body() if self._pieces and stage != "RequestReceived" else None
        if request.info.is_resource:
            made["objectRef"] = _reference(request, body)
        if stage != "RequestReceived":
            made["responseStatus"] = {"metadata": {}, **self.status, "code": self.code}
            if body is not None and level >= REQUEST:
                made["requestObject"] = self._shown(body)
            if level >= RESPONSE and stage == "ResponseComplete":
                answer = self._failure if self._response is None else self._answer(self._response)
                if answer is not None:
                    made["responseObject"] = answer
        made["requestReceivedTimestamp"] = _moment(self.received)
        made["stageTimestamp"] = _moment(time.time())
        if self.annotations:
            made["annotations"] = self.annotations if level >= REQUEST else _without_patches(self.annotations)
        return made

    def _body(self) -> Any:
        from apiserver.decoding import media_type, parse
        from pocketkube.api.meta.errors import StatusError

        resource = self.request.resource
        media = media_type(self.request)
        media = "application/yaml" if "apply-patch" in media else "application/json" if "json" in media else media
        try:
            definition = resource.kind.schema.name if resource is not None else ""
            return parse(b"".join(self._pieces), media, definition=definition)[0]
        except (StatusError, ValueError):
            return None

    def _shown(self, value: Any) -> Any:
        if not self.ruling.omit_managed_fields or not isinstance(value, dict):
            return value
        if isinstance(items := value.get("items"), list):
            return {**value, "items": [_without_managed_fields(item) for item in items]}
        return _without_managed_fields(value)

    def _answer(self, response: Response) -> Any:
        if not response.content_type.startswith(b"application/json"):
            return None
        return (
            self._shown(orjson.loads(response.whole()))
            if self.ruling.omit_managed_fields
            else orjson.Fragment(response.whole().rstrip(b"\n"))
        )


def _without_managed_fields(value: Any) -> Any:
    metadata = value.get("metadata") if isinstance(value, dict) else None
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return value
    return {**value, "metadata": {name: part for name, part in metadata.items() if name != "managedFields"}}


def _user(user: User) -> Obj:
    made: Obj = {"username": user.name}
    if user.uid:
        made["uid"] = user.uid
    if user.groups:
        made["groups"] = user.groups
    if user.extra:
        made["extra"] = dict(user.extra)
    return made


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return times.rfc3339(datetime.fromtimestamp(seconds, UTC))[:-1]


def _moment(now: float) -> str:
    """With six decimals; most events of one second are made in a row."""
    seconds = int(now)
    return f"{_second(seconds)}.{int((now - seconds) * 1e6):06}Z"


def _sources(request: Request) -> list[str]:
    """Where the request came from by what proxies say, then whom we see."""
    found: list[str] = []
    for name, value in request.headers:
        if name == b"x-forwarded-for" or name == b"x-real-ip":
            found += [part.strip() for part in value.decode("latin-1").split(",") if part.strip()]
    client = request.scope.get("client")
    if client:
        found.append(str(client[0]))
    return list(dict.fromkeys(found)) if len(found) > 1 else found


def _without_patches(annotations: dict[str, str]) -> dict[str, str]:
    """They hold what the request says."""
    if not any(name.startswith(PATCHES) for name in annotations):
        return annotations
    return {name: text for name, text in annotations.items() if not name.startswith(PATCHES)}


def _reference(request: Request, body: Any) -> Obj:
    info = request.info
    metadata = body.get("metadata") if isinstance(body, dict) and info.verb in ("create", "update") else None
    metadata = metadata if isinstance(metadata, dict) else {}
    fields = (
        ("resource", info.resource),
        ("namespace", info.namespace or metadata.get("namespace")),
        ("name", info.name or metadata.get("name")),
        ("uid", metadata.get("uid")),
        ("apiGroup", info.group),
        ("apiVersion", info.version),
        ("resourceVersion", metadata.get("resourceVersion")),
        ("subresource", info.subresource),
    )
    return {name: value for name, value in fields if value}
