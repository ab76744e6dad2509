"""Event: what happened to an object. The same store serves events.k8s.io."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="",
    version="v1",
    kind="Event",
    plural="events",
    namespaced=True,
    schema=Schema.of("io.k8s.api.core.v1.Event"),
    short_names=("ev",),
    priority=10,
    has_generation=False,
    create_on_update=True,
)
