"""Runs the enabled plugins in order. For each (kind, operation, subresource) the plugins concerned are worked out once."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import NamedTuple

from apiserver.admission.plugin import Plugin, Step
from apiserver.interfaces import AdmissionRequest, Undecided
from apiserver.timings import Timings

BUCKETS = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 25.0)  # seconds
_KEPT = 8192


class _Steps(NamedTuple):
    mutate: tuple[Step, ...]
    validate: tuple[Step, ...]


class Chain:
    """Implements `AdmissionChain`."""

    def __init__(self, plugins: Sequence[Plugin]):
        self.plugins = tuple(plugins)
        self.timings: Timings[tuple[str, str, bool]] = Timings(
            "apiserver_admission_step_admission_duration_seconds",
            "How long all plugins together took, by step.",
            labels=("type", "operation", "rejected"),
            bounds=BUCKETS,
            show=lambda key: (key[0], key[1], "true" if key[2] else "false"),
        )
        self._steps: dict[tuple[str, str, str, str, str], _Steps] = {}

    async def mutate(self, request: AdmissionRequest) -> None:
        started, rejected = perf_counter(), True
        try:
            steps = self._concerned(request)
            await _take(steps.mutate, request)
            if request.changed_outside:
                # A container that a webhook added gets what all containers get; webhooks may want to see that.
                request.again = True
                await _take(steps.mutate, request)
            rejected = False
        finally:
            self.timings.add(("admit", request.operation, rejected), perf_counter() - started)

    async def validate(self, request: AdmissionRequest) -> None:
        started, rejected = perf_counter(), True
        try:
            await _take(self._concerned(request).validate, request)
            rejected = False
        finally:
            self.timings.add(("validate", request.operation, rejected), perf_counter() - started)

    async def close(self) -> None:
        """Give back what plugins hold open."""
        for plugin in self.plugins:
            await plugin.close()

    def _concerned(self, request: AdmissionRequest) -> _Steps:
        kind = request.kind
        key = (kind.plural, request.operation, request.subresource, kind.group, kind.version)
        steps = self._steps.get(key)
        if steps is None:
            steps = self._work_out(request)
            if len(self._steps) >= _KEPT:
                self._steps.clear()
            self._steps[key] = steps
        return steps

    def _work_out(self, request: AdmissionRequest) -> _Steps:
        plugins = [p for p in self.plugins if p.interested(request.kind, request.operation, request.subresource)]
        return _Steps(
            tuple(p.mutate for p in plugins if p.mutate is not None),
            tuple(p.validate for p in plugins if p.validate is not None),
        )


async def _take(steps: tuple[Step, ...], request: AdmissionRequest) -> None:
    for step in steps:
        while True:
            try:
                pending = step(request)
                if pending is not None:
                    await pending
                break
            except Undecided as undecided:  # a right that another server knows of
                await undecided.ask()
