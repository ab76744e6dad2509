"""CronJob in v1beta1, which components of v1.20 ask for: a view of what is kept in v1."""

from __future__ import annotations

from dataclasses import replace

from pocketkube.api.kinds.batch import cronjob
from pocketkube.api.schema import Schema

KIND = replace(
    cronjob.KIND,
    version="v1beta1",
    schema=Schema.of("io.k8s.api.batch.v1beta1.CronJob"),
    storage_version="v1",
    priority=4,
)
