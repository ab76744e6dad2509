"""LeaseCandidate: who would like to hold a Lease."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="coordination.k8s.io",
    version="v1beta1",
    kind="LeaseCandidate",
    plural="leasecandidates",
    namespaced=True,
    schema=Schema.of("io.k8s.api.coordination.v1beta1.LeaseCandidate"),
    priority=4,
    has_generation=False,
    create_on_update=True,
)
