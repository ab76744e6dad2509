"""FlowSchema: which requests go to which priority level."""

from __future__ import annotations

from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="flowcontrol.apiserver.k8s.io",
    version="v1",
    kind="FlowSchema",
    plural="flowschemas",
    namespaced=False,
    schema=Schema.of("io.k8s.api.flowcontrol.v1.FlowSchema"),
    subresources=(STATUS,),
    priority=10,
)
