"""MutatingWebhookConfiguration: who is asked to change requests."""

from __future__ import annotations

from functools import partial

from pocketkube.api.kinds import checks, webhooks
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

_validate = partial(webhooks.validate, reinvoked=True)

KIND = Kind(
    group="admissionregistration.k8s.io",
    version="v1",
    kind="MutatingWebhookConfiguration",
    plural="mutatingwebhookconfigurations",
    namespaced=False,
    schema=Schema.of("io.k8s.api.admissionregistration.v1.MutatingWebhookConfiguration"),
    categories=("api-extensions",),
    priority=10,
    columns=webhooks.COLUMNS,
    row=webhooks.row,
    default=partial(webhooks.default, reinvoked=True),
    validate=_validate,
    validate_update=checks.on_update(_validate),
)
