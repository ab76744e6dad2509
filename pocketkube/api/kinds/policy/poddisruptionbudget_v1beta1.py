"""PodDisruptionBudget in v1beta1, which components of v1.20 ask for: a view of what is kept in v1."""

from __future__ import annotations

from dataclasses import replace

from pocketkube.api.kinds.policy import poddisruptionbudget
from pocketkube.api.schema import Schema

KIND = replace(
    poddisruptionbudget.KIND,
    version="v1beta1",
    schema=Schema.of("io.k8s.api.policy.v1beta1.PodDisruptionBudget"),
    storage_version="v1",
    priority=4,
)
