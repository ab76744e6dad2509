"""Pod: containers that share a network and volumes on one node.

Read in order: defaults and checks of the spec (kinds/podspec), strategy, update, status, printing.
"""

from __future__ import annotations

from pocketkube.api.kinds.core.pod import printing, strategy, update
from pocketkube.api.kinds.kind import PROXY_VERBS, STATUS, Kind, Subresource
from pocketkube.api.schema import Schema

KIND = Kind(
    group="",
    version="v1",
    kind="Pod",
    plural="pods",
    namespaced=True,
    schema=Schema.of("io.k8s.api.core.v1.Pod"),
    short_names=("po",),
    categories=("all",),
    subresources=(
        Subresource("attach", ("create", "get"), kind="PodAttachOptions"),
        Subresource("binding", ("create",), kind="Binding"),
        Subresource("ephemeralcontainers"),
        Subresource("eviction", ("create",), kind="Eviction", group="policy", version="v1"),
        Subresource("exec", ("create", "get"), kind="PodExecOptions"),
        Subresource("log", ("get",)),
        Subresource("portforward", ("create", "get"), kind="PodPortForwardOptions"),
        Subresource("proxy", PROXY_VERBS, kind="PodProxyOptions"),
        Subresource("resize"),
        STATUS,
    ),
    priority=10,
    columns=printing.COLUMNS,
    row=printing.row,
    selectable=strategy.SELECTABLE,
    default=strategy.default,
    prepare_create=strategy.prepare_create,
    prepare_status=strategy.prepare_status,
    resets={"status": ("spec", "metadata.ownerReferences")},
    validate=strategy.validate,
    validate_update=update.validate_update,
    validate_status=update.validate_status,
    warnings=strategy.warnings,
    default_grace_seconds=30,
    graceful=strategy.grace_seconds,
)
