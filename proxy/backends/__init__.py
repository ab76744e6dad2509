"""How a host is made to match the table: one file a way, each exporting BACKEND, a factory of `Backend`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from proxy.model import ServicePort

Table = Mapping[str, Sequence[ServicePort]]  # by namespace/service


@dataclass(frozen=True, kw_only=True)
class Host:
    """What a backend must know of this host."""

    table: str = "pocketkube"  # name of the kernel's table, so that two clusters can share a machine
    cluster_cidr: str = ""  # pods; "" masquerades nothing by source
    node_ip: str = ""


class Backend(Protocol):
    async def apply(self, changed: Table, *, everything: bool) -> None:
        """Make the host match: `changed` replaces what was there for each key, an empty sequence removes it.

        With `everything`, what is not named goes too. All or nothing: raises BackendError and leaves the host as it was.
        """

    async def close(self) -> None:
        """Give up resources; rules stay, so that traffic flows while the proxy restarts."""

    async def cleanup(self) -> None:
        """Remove everything that any run of this backend made."""


class BackendError(Exception):
    """The kernel or a program refused; the message carries its words."""
