"""What an admission plugin is: a class that says what it looks at and changes or checks the request.

A plugin's file exports `ADMISSION`, the class. `mutate` and `validate` return None when done at once, or an awaitable for
what still has to wait: most never do, so that a request pays no coroutine for them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from apiserver.interfaces import AdmissionRequest, Authorizer, Cluster
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import errors
from pocketkube.base.clock import Clock, SystemClock

Obj = dict[str, Any]
Outcome = Awaitable[None] | None
Step = Callable[[AdmissionRequest], Outcome]


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """What plugins are made with. `kind_of(group, version, kind)` finds a served kind, for plugins that meet others' kinds."""

    cluster: Cluster
    authorizer: Authorizer | None = None
    kind_of: Callable[[str, str, str], Kind | None] | None = None
    clock: Clock = field(default_factory=SystemClock)
    configuration: Mapping[str, tuple[str, Obj]] = field(default_factory=dict)  # by plugin: where it stands, and it


class Plugin(ABC):
    """Base of all plugins; a phase that a class leaves out is never called.

    `default` is whether the plugin runs when no flag names it. `mutate` is called a second time where a webhook or a policy
    changed the object: `request.again`."""

    name: ClassVar[str]
    default: ClassVar[bool] = True

    mutate: Step | None = None
    validate: Step | None = None

    def __init__(self, setup: Setup):
        self.cluster = setup.cluster
        self.setup = setup

    @abstractmethod
    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        """Asked once for each shape of request; the answer is kept."""

    async def close(self) -> None:  # noqa: B027 most plugins hold nothing
        """Give back connections at shutdown."""


def creates_pods(kind: Kind, operation: str, subresource: str) -> bool:
    return kind.plural == "pods" and not kind.group and operation == "CREATE" and not subresource


def is_mirror(pod: Obj) -> bool:
    """A kubelet's picture of a static pod, which runs whatever the API says."""
    return "kubernetes.io/config.mirror" in (pod["metadata"].get("annotations") or {})


def forbidden(request: AdmissionRequest, why: str) -> errors.Forbidden:
    """403 in the words of the request's resource."""
    meta = (request.obj or {}).get("metadata") or {}
    name = request.name or meta.get("name") or meta.get("generateName") or ""
    return errors.forbidden(request.kind.group, request.kind.plural, name, why)
