"""What an admission plugin is: a class that says what it looks at and changes or checks the request.

A plugin's file exports `ADMISSION`, the class. `mutate` and `validate` return None when done at once, or an awaitable for
what still has to wait: most never do, so that a request pays no coroutine for them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from apiserver.interfaces import AdmissionRequest, Authorizer, Cluster
from pocketkube.api.kinds.kind import Kind

Obj = dict[str, Any]
Outcome = Awaitable[None] | None
Step = Callable[[AdmissionRequest], Outcome]


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """What plugins are made with. `kind_of(group, version, kind)` finds a served kind, for plugins that meet others' kinds."""

    cluster: Cluster
    authorizer: Authorizer | None = None
    kind_of: Callable[[str, str, str], Kind | None] | None = None


class Plugin:
    """Base of all plugins; a phase that a class leaves out is never called.

    `default` is whether the plugin runs when no flag names it."""

    name: ClassVar[str]
    default: ClassVar[bool] = True

    mutate: Step | None = None
    validate: Step | None = None

    def __init__(self, setup: Setup):
        self.cluster = setup.cluster
        self.setup = setup

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        """Asked once for each shape of request; the answer is kept."""
        raise NotImplementedError
