"""Event in the newer form: a view of the core group's events."""

from __future__ import annotations

from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="events.k8s.io",
    version="v1",
    kind="Event",
    plural="events",
    namespaced=True,
    schema=Schema.of("io.k8s.api.events.v1.Event"),
    short_names=("ev",),
    priority=10,
    has_generation=False,
    storage_prefix="events",
    storage_version="core/v1",
    create_on_update=True,
)
