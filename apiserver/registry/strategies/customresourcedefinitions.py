"""CustomResourceDefinitions: a deletion waits until the objects they define are gone."""

from __future__ import annotations

from typing import Any

from apiserver.registry.crds import FINALIZER, GROUP, PLURAL
from apiserver.registry.strategy import Strategy
from pocketkube.api.meta import objects, times

Obj = dict[str, Any]


class CustomResourceDefinitions(Strategy):
    group, plural = GROUP, PLURAL

    def deleting(self, obj: Obj) -> bool:
        metadata = obj["metadata"]
        if "deletionTimestamp" in metadata:
            return bool(metadata.get("finalizers"))
        finalizers = metadata.get("finalizers") or []
        if FINALIZER not in finalizers:
            metadata["finalizers"] = [*finalizers, FINALIZER]
        condition = {
            "type": "Terminating",
            "status": "True",
            "reason": "InstanceDeletionPending",
            "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
        }
        conditions = obj.setdefault("status", {}).setdefault("conditions", [])
        objects.set_condition(conditions, condition, times.rfc3339(self.registry.clock.now()))
        return True


STRATEGY = CustomResourceDefinitions
