"""Runs the enabled plugins in order. For each (kind, operation, subresource) the plugins concerned are worked out once."""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.admission.plugin import Plugin, Step
from apiserver.interfaces import AdmissionRequest

_KEPT = 8192


class Chain:
    """Implements `AdmissionChain`."""

    def __init__(self, plugins: Sequence[Plugin]):
        self.plugins = tuple(plugins)
        self._steps: dict[tuple[str, str, str, str, str], tuple[tuple[Step, ...], tuple[Step, ...]]] = {}

    async def mutate(self, request: AdmissionRequest) -> None:
        for step in self._concerned(request)[0]:
            pending = step(request)
            if pending is not None:
                await pending

    async def validate(self, request: AdmissionRequest) -> None:
        for step in self._concerned(request)[1]:
            pending = step(request)
            if pending is not None:
                await pending

    def _concerned(self, request: AdmissionRequest) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
        kind = request.kind
        key = (kind.plural, request.operation, request.subresource, kind.group, kind.version)
        steps = self._steps.get(key)
        if steps is None:
            plugins = [p for p in self.plugins if p.interested(kind, request.operation, request.subresource)]
            steps = (
                tuple(p.mutate for p in plugins if p.mutate is not None),
                tuple(p.validate for p in plugins if p.validate is not None),
            )
            if len(self._steps) >= _KEPT:
                self._steps.clear()
            self._steps[key] = steps
        return steps
