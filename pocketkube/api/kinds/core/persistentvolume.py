"""PersistentVolume: a piece of storage in the cluster."""

from __future__ import annotations

from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="",
    version="v1",
    kind="PersistentVolume",
    plural="persistentvolumes",
    namespaced=False,
    schema=Schema.of("io.k8s.api.core.v1.PersistentVolume"),
    short_names=("pv",),
    subresources=(STATUS,),
    priority=10,
    has_generation=False,
)
