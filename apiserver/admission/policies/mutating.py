"""MutatingAdmissionPolicy: expressions that give what to change, as an apply configuration or as JSON patch operations."""

from __future__ import annotations

from typing import Any

from apiserver.admission.policies.store import Policy
from pocketkube.api.cel.budget import POLICY_LIMIT, Budget
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import errors
from pocketkube.api.meta.patches.jsonpatch import json_patch
from pocketkube.api.meta.patches.strategic import strategic_merge

Obj = dict[str, Any]
_FIXED = ("name", "namespace", "generateName", "uid")


class MutatingPolicy(Policy):
    def __init__(self, stored: Obj):
        super().__init__(stored)
        self.reinvoked = self.spec.get("reinvocationPolicy") == "IfNeeded"
        self._mutations = []
        for mutation in self.spec.get("mutations") or ():
            kind = mutation.get("patchType", "")
            held = mutation.get("jsonPatch" if kind == "JSONPatch" else "applyConfiguration") or {}
            self._mutations.append((kind, self.compiled(held.get("expression", ""))))

    def mutated(self, obj: Obj, given: Obj, kind: Kind) -> Obj:
        """The object after every mutation, each seeing the one before.

        Raises cel.EvaluationError, OutOfBudget and StatusError."""
        budget = Budget(POLICY_LIMIT, given)
        for patch_type, program in self._mutations:
            wanted = program.run(self.with_variables({**given, "object": obj}, budget), budget=budget)
            if patch_type == "JSONPatch":
                obj = json_patch(obj, _operations(wanted))
            else:
                obj = _applied(obj, wanted, kind)
        return obj


def _operations(wanted: Any) -> list[Obj]:
    if not isinstance(wanted, list) or not all(isinstance(op, dict) for op in wanted):
        raise errors.InternalError("a JSON patch expression must give a list of JSONPatch objects")
    return wanted


def _applied(obj: Obj, wanted: Any, kind: Kind) -> Obj:
    """Lists merge by their keys, maps deeply, atomic parts are replaced: as an apply would, without owning anything."""
    if not isinstance(wanted, dict):
        raise errors.InternalError("an apply configuration expression must give an Object")
    meta = wanted.get("metadata") or {}
    if any(name in meta for name in _FIXED):
        raise errors.InternalError(
            f"an apply configuration may not set metadata.{next(n for n in _FIXED if n in meta)}"
        )
    return dict(strategic_merge(obj, wanted, kind.schema))
