"""Who writes and how: what a request's query, headers and subject say about a write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from apiserver.interfaces import User

Obj = dict[str, Any]
T = TypeVar("T")

BULKY = 1 << 17  # bytes; what is larger would hold up everyone else for more than about 20 ms
SYSTEM = User("system:apiserver", groups=("system:masters", "system:authenticated"))


@dataclass(slots=True)
class Writer:
    """`manager` owns the written fields; `options` are CreateOptions, UpdateOptions, PatchOptions or DeleteOptions."""

    user: User = SYSTEM
    manager: str = "kube-apiserver"
    operation: str = "Update"  # or Apply
    dry_run: bool = False
    validation: str = "Ignore"  # Ignore, Warn or Strict: what unknown fields do
    options: Obj = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)  # for the audit log
    bulky: bool = False  # what is written is large

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """Do what takes time in proportion to the object; of a large one beside the event loop."""
        return await asyncio.to_thread(function, *args) if self.bulky else function(*args)
