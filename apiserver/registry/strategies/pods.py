"""Pods: DELETE answers with the pod; ephemeral containers and resources change through paths of their own."""

from __future__ import annotations

from typing import Any

from apiserver.registry import narrowing
from apiserver.registry.strategy import Strategy
from pocketkube.api.kinds.core.pod import update
from pocketkube.api.meta.field import FieldError

Obj = dict[str, Any]


class Pods(Strategy):
    group, plural = "", "pods"
    returns_deleted = True

    def narrow(self, subresource: str, new: Obj, old: Obj) -> None:
        if subresource == "ephemeralcontainers":
            given = (new.get("spec") or {}).get("ephemeralContainers") or []
            narrowing.only_spec(new, old, ephemeralContainers=given)
        elif subresource == "resize":
            narrowing.only_spec(new, old, **_resized(new.get("spec") or {}, old["spec"]))
        else:
            super().narrow(subresource, new, old)

    def validate(self, subresource: str, new: Obj, old: Obj) -> list[FieldError]:
        if subresource == "ephemeralcontainers":
            return update.validate_ephemeral_containers(new, old)
        return update.validate_resize(new, old) if subresource == "resize" else []


def _resized(given: Obj, spec: Obj) -> dict[str, list[Obj]]:
    """The containers of a pod with the resources and resize policies that were given for them."""
    changed: dict[str, list[Obj]] = {}
    for part in ("containers", "initContainers"):
        wanted = {c.get("name"): c for c in given.get(part) or ()}
        if part in spec:
            changed[part] = [_with_resources(c, wanted.get(c["name"], c)) for c in spec[part]]
    return changed


def _with_resources(container: Obj, given: Obj) -> Obj:
    changed = dict(container)
    for name in ("resources", "resizePolicy"):
        narrowing.keep(changed, given, name)
    return changed


STRATEGY = Pods
