"""What a pod's status is made from, beside the pod itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from kubelet.runtime.interface import ContainerRecord, PodRecords

UNKNOWN_EXIT = 137  # the exit code of what vanished


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """`waiting` maps a container to (reason, message) of why it does not run.

    `ready` and `started` answer for a running container. `rejected` is (reason, message) of a pod the node refused or evicted.
    """

    records: PodRecords
    now: datetime
    waiting: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    ready: Callable[[ContainerRecord], bool] = lambda record: True
    started: Callable[[ContainerRecord], bool] = lambda record: True
    image_id: Callable[[ContainerRecord], str] = lambda record: record.image_id
    host_ips: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    scheme: str = "docker"
    rejected: tuple[str, str] | None = None
    over: bool = False  # nothing of it will ever run again: deleted, rejected, evicted or past its deadline
