"""PodDisruptionBudget: how many pods may be taken away at once."""

from __future__ import annotations

from pocketkube.api.kinds.kind import STATUS, Kind
from pocketkube.api.schema import Schema

KIND = Kind(
    group="policy",
    version="v1",
    kind="PodDisruptionBudget",
    plural="poddisruptionbudgets",
    namespaced=True,
    schema=Schema.of("io.k8s.api.policy.v1.PodDisruptionBudget"),
    short_names=("pdb",),
    subresources=(STATUS,),
    priority=10,
)
