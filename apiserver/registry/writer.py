"""Who writes and how: what a request's query, headers and subject say about a write."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from apiserver.interfaces import User

Obj = dict[str, Any]

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
