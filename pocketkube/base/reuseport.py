"""What processes that share a port by SO_REUSEPORT ask of the kernel."""

from __future__ import annotations

import contextlib
from pathlib import Path

_MIGRATE = Path("/proc/sys/net/ipv4/tcp_migrate_req")


def keep_waiting() -> None:
    """Connections that wait to be accepted by a process that ends go to another that shares its port, instead of being refused.

    Linux 5.14; where it cannot be set, those connections are lost.
    """
    with contextlib.suppress(OSError):
        _MIGRATE.write_text("1")
