"""The words that the parts of the API server share: who asks, for what, and what admission sees. No behaviour here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pocketkube.api.kinds.kind import Kind

if TYPE_CHECKING:
    from apiserver.admission.reinvocation import Invoked

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class User:
    """An authenticated subject. `groups` already holds system:authenticated or system:unauthenticated."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    impersonator: User | None = field(default=None, compare=False)  # who acts as this subject


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """A request's path and method, as upstream's RequestInfo. Non-resource requests have the HTTP method in lower case as verb."""

    verb: str  # get list watch create update patch delete deletecollection
    path: str
    is_resource: bool = False
    group: str = ""
    version: str = ""
    resource: str = ""  # plural
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    field_selector: str = ""
    label_selector: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """allowed True: go on; False with `denied`: stop; False without: no opinion. `reason` is for the message, `error`
    what kept an authorizer from deciding."""

    allowed: bool
    reason: str = ""
    denied: bool = False
    error: str = ""


class Undecided(Exception):
    """Somebody else must be asked first: `await ask()`, then put the same question again."""

    def __init__(self, ask: Callable[[], Awaitable[None]]):
        self.ask = ask


class PlainFailure(Exception):
    """What upstream answers as 500 in plain text, no Status; the text says what went wrong."""


class NoSuchPath(Exception):
    """Nothing is there, not even a group of resources: 404 in plain text, no Status."""


class Authenticator(Protocol):
    async def authenticate(
        self, headers: Sequence[tuple[bytes, bytes]], peer_certificate: bytes | None, path: str = ""
    ) -> User:
        """The subject of a request. `peer_certificate` is the verified client certificate, DER. Raises errors.Unauthorized."""


class Authorizer(Protocol):
    def authorize(self, user: User, request: RequestInfo) -> Decision:
        """Never waits. Raises Undecided where the answer has to come from elsewhere; see apiserver.asking."""

    async def rules_for(self, user: User, namespace: str) -> tuple[list[Obj], list[Obj], str]:
        """(resourceRules, nonResourceRules, why they are incomplete or "") for SelfSubjectRulesReview."""


class Cluster(Protocol):
    """How admission, authentication and authorization see stored objects: reads are synchronous, from the watch cache.

    Objects returned are shared and must never be changed. A kind is named by (group, plural)."""

    def get(self, group: str, plural: str, namespace: str, name: str) -> Obj | None: ...

    def list(self, group: str, plural: str, namespace: str = "") -> Sequence[Obj]: ...

    def revision(self, group: str, plural: str) -> int:
        """Rises whenever any object of that kind changes: lets a reader keep something derived."""

    async def get_live(self, group: str, plural: str, namespace: str, name: str) -> Obj | None:
        """From the store itself, where a stale answer would be wrong."""

    async def create(self, group: str, plural: str, namespace: str, obj: Obj) -> Obj: ...

    async def update(self, group: str, plural: str, obj: Obj, *, subresource: str = "") -> Obj:
        """Compares obj's resourceVersion; raises errors.Conflict."""


Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]


@dataclass(slots=True)
class AdmissionRequest:
    """What an admission plugin sees. Mutating plugins change `obj` in place; `old` is never changed."""

    operation: Operation
    kind: Kind  # of the resource in the path, also for subresources
    namespace: str
    name: str
    subresource: str
    obj: Obj | None
    old: Obj | None
    user: User
    dry_run: bool = False
    options: Obj = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)
    nameless: bool = False  # one of a collection that is deleted: outside nobody is told a name, as upstream
    changed_outside: bool = False  # by a webhook or a policy: all plugins look at it once more
    again: bool = False  # that second look
    invoked: dict[str, Invoked] | None = None  # by plugin: whom it asked


class AdmissionChain(Protocol):
    async def mutate(self, request: AdmissionRequest) -> None:
        """Runs every mutating plugin in order. Raises a StatusError to reject."""

    async def validate(self, request: AdmissionRequest) -> None:
        """Runs every validating plugin, after schema and kind validation. Raises a StatusError to reject."""
