"""Every error the API can answer, as a tree, and its mapping to a `Status` object.

    StatusError
    ├── BadRequest 400            ├── Gone 410 ── Expired 410
    ├── Unauthorized 401          ├── RequestEntityTooLarge 413
    ├── Forbidden 403             ├── UnsupportedMediaType 415
    ├── NotFound 404              ├── Invalid 422
    ├── MethodNotAllowed 405      ├── TooManyRequests 429
    ├── NotAcceptable 406         ├── InternalError 500
    ├── AlreadyExists 409         ├── ServiceUnavailable 503
    └── Conflict 409              └── Timeout 504

The server raises them and turns each into the response once; the client raises the same classes from a response.
Reasons and codes are those of upstream's metav1.StatusReason.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from pocketkube.api.meta.field import FieldError, quoted

Obj = dict[str, Any]
E = TypeVar("E", bound="StatusError")


class StatusError(Exception):
    """An API failure: HTTP `code`, CamelCase `reason`, a sentence, and optional `details` as in metav1.StatusDetails."""

    code = 500
    reason = "InternalError"
    detailed = False  # whether the Status has details also where there is nothing to say

    def __init__(
        self, message: str = "", *, details: Obj | None = None, code: int | None = None, reason: str | None = None
    ):
        super().__init__(message)
        self.message = message
        self.details: Obj = details or {}
        if code is not None:
            self.code = code
        if reason is not None:
            self.reason = reason

    @property
    def retry_after(self) -> int | None:
        """Seconds to wait before a retry, if the server said so."""
        value = self.details.get("retryAfterSeconds")
        return int(value) if value else None

    def to_status(self) -> Obj:
        status: Obj = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details or self.detailed:
            status["details"] = self.details
        status["code"] = self.code
        return status


class BadRequest(StatusError):
    code, reason = 400, "BadRequest"


class Unauthorized(StatusError):
    code, reason = 401, "Unauthorized"

    def __init__(self, message: str = "Unauthorized", **kw: Any):
        super().__init__(message, **kw)


class Forbidden(StatusError):
    code, reason = 403, "Forbidden"
    detailed = True


class NotFound(StatusError):
    code, reason = 404, "NotFound"
    detailed = True


class MethodNotAllowed(StatusError):
    code, reason = 405, "MethodNotAllowed"
    detailed = True


class NotAcceptable(StatusError):
    code, reason = 406, "NotAcceptable"


class AlreadyExists(StatusError):
    code, reason = 409, "AlreadyExists"


class Conflict(StatusError):
    code, reason = 409, "Conflict"


class Gone(StatusError):
    code, reason = 410, "Gone"


class Expired(Gone):
    reason = "Expired"


class RequestEntityTooLarge(StatusError):
    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(StatusError):
    code, reason = 415, "UnsupportedMediaType"


class Invalid(StatusError):
    code, reason = 422, "Invalid"


class TooManyRequests(StatusError):
    code, reason = 429, "TooManyRequests"


class InternalError(StatusError):
    code, reason = 500, "InternalError"


class ServiceUnavailable(StatusError):
    code, reason = 503, "ServiceUnavailable"


class Timeout(StatusError):
    code, reason = 504, "Timeout"


def unrouted(error: E) -> E:
    """Of what no route takes: a Status whose details say nothing."""
    error.detailed = True
    return error


def qualified(group: str, resource: str) -> str:
    """`deployments.apps`, or `pods` for the core group: how upstream names a resource in messages."""
    return f"{resource}.{group}" if group else resource


def _details(group: str, kind: str, name: str) -> Obj:
    details: Obj = {}
    if name:
        details["name"] = name
    if group:
        details["group"] = group
    if kind:
        details["kind"] = kind
    return details


def not_found(group: str, resource: str, name: str) -> NotFound:
    return NotFound(f"{qualified(group, resource)} {quoted(name)} not found", details=_details(group, resource, name))


def already_exists(group: str, resource: str, name: str) -> AlreadyExists:
    return AlreadyExists(
        f"{qualified(group, resource)} {quoted(name)} already exists", details=_details(group, resource, name)
    )


def conflict(group: str, resource: str, name: str, why: str) -> Conflict:
    return Conflict(
        f"Operation cannot be fulfilled on {qualified(group, resource)} {quoted(name)}: {why}",
        details=_details(group, resource, name),
    )


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def forbidden(group: str, resource: str, name: str, why: str) -> Forbidden:
    named = f" {quoted(name)}" if name else ""
    return Forbidden(
        f"{qualified(group, resource)}{named} is forbidden: {why}", details=_details(group, resource, name)
    )


MOST_CAUSES = 1000  # that an answer lists: nobody reads more, and an object of 3 MB can have some 100,000


def invalid(group: str, kind: str, name: str, errors: Iterable[FieldError]) -> Invalid:
    """422 with a cause a field, in upstream's words: `Deployment.apps "web" is invalid: spec.replicas: Invalid value: ...`."""
    found = list(errors)
    more = len(found) - MOST_CAUSES
    del found[MOST_CAUSES:]
    details = _details(group, kind, name)
    details["causes"] = [e.to_cause() for e in found]
    texts = list(dict.fromkeys(str(e) for e in found))
    if more > 0:
        texts.append(f"and {more} more")
    body = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    return Invalid(f"{qualified(group, kind)} {quoted(name)} is invalid: {body}", details=details)


_BY_CODE: dict[int, type[StatusError]] = {
    c.code: c
    for c in (
        BadRequest, Unauthorized, Forbidden, NotFound, MethodNotAllowed, NotAcceptable, Conflict, Gone,
        RequestEntityTooLarge, UnsupportedMediaType, Invalid, TooManyRequests, InternalError, ServiceUnavailable, Timeout,
    )
}  # fmt: skip
_MORE: tuple[type[StatusError], ...] = (AlreadyExists, Expired)
_BY_REASON: dict[str, type[StatusError]] = {c.reason: c for c in (*_BY_CODE.values(), *_MORE)}


def from_status(status: Obj, code: int = 0) -> StatusError:
    """The typed error of a `Status` that a server answered; `code` is the HTTP code where the body has none."""
    code = int(status.get("code") or code or 500)
    reason = status.get("reason") or ""
    cls = _BY_REASON.get(reason) or _BY_CODE.get(code) or StatusError
    return cls(status.get("message") or "", details=status.get("details") or {}, code=code, reason=reason or None)
