"""Namespaces: born with the `kubernetes` finalizer in their spec; a deletion marks them Terminating until it is gone."""

from __future__ import annotations

from typing import Any

from apiserver.registry import narrowing
from apiserver.registry.strategy import Strategy
from apiserver.registry.writer import Writer

Obj = dict[str, Any]


class Namespaces(Strategy):
    group, plural = "", "namespaces"
    marks_grace = False

    def narrow(self, subresource: str, new: Obj, old: Obj) -> None:
        if subresource == "finalize":
            narrowing.only_spec(new, old, finalizers=(new.get("spec") or {}).get("finalizers") or [])
        else:
            super().narrow(subresource, new, old)

    async def creating(self, writer: Writer, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        finalizers = spec.get("finalizers") or []
        if "kubernetes" not in finalizers:
            spec["finalizers"] = [*finalizers, "kubernetes"]
        obj["status"] = {"phase": "Active"}

    async def updating(self, writer: Writer, obj: Obj, old: Obj) -> None:
        obj["spec"] = old.get("spec") or {}

    def deleting(self, obj: Obj) -> bool:
        obj["status"] = {**obj.get("status", {}), "phase": "Terminating"}
        return bool((obj.get("spec") or {}).get("finalizers"))


STRATEGY = Namespaces
