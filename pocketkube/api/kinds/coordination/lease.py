"""Lease: who holds something, until when: heartbeats and leader election."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="coordination.k8s.io",
    version="v1",
    kind="Lease",
    plural="leases",
    namespaced=True,
    schema=Schema.of("io.k8s.api.coordination.v1.Lease"),
    priority=10,
    has_generation=False,
    create_on_update=True,
)
