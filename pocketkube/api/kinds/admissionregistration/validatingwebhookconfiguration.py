"""ValidatingWebhookConfiguration: who is asked to check requests."""

from __future__ import annotations

from typing import Any

from pocketkube.api.kinds import webhooks
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.schema import Schema

Obj = dict[str, Any]


def _default(obj: Obj) -> None:
    webhooks.default(obj, reinvoked=False)


def _validate(obj: Obj) -> Errors:
    return webhooks.validate(obj, reinvoked=False)


def _validate_update(obj: Obj, old: Obj) -> Errors:
    return _validate(obj)


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
    default=_default,
    validate=_validate,
    validate_update=_validate_update,
)
