"""ValidatingWebhookConfiguration: who is asked to check requests."""

from __future__ import annotations

from functools import partial

from pocketkube.api.kinds import checks, webhooks
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

_validate = partial(webhooks.validate, reinvoked=False)

KIND = Kind(
    group="admissionregistration.k8s.io",
    version="v1",
    kind="ValidatingWebhookConfiguration",
    plural="validatingwebhookconfigurations",
    namespaced=False,
    schema=Schema.of("io.k8s.api.admissionregistration.v1.ValidatingWebhookConfiguration"),
    categories=("api-extensions",),
    priority=10,
    columns=webhooks.COLUMNS,
    row=webhooks.row,
    default=partial(webhooks.default, reinvoked=False),
    validate=_validate,
    validate_update=checks.on_update(_validate),
)
