"""apiserver_flowcontrol_*: made from the counters of levels and schemas when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from apiserver.flowcontrol.level import Level
from apiserver.flowcontrol.turns import WAIT_BUCKETS, Turns

Metric = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily

_BOTH = ("priority_level", "flow_schema")
_GAUGES: tuple[tuple[str, str, Callable[[Level], float]], ...] = (
    ("nominal_limit_seats", "Seats that a level's shares give it.", lambda level: level.limits.nominal),
    ("lower_limit_seats", "Seats that a level keeps however much it lends.",
     lambda level: level.limits.nominal - level.limits.lendable),
    ("current_limit_seats", "Seats of a level now, borrowed ones included.", lambda level: level.limit),
    ("current_executing_seats", "Seats that are taken.", lambda level: level.used),
    ("current_executing_requests", "Requests that run.", lambda level: level.executing),
    ("current_inqueue_requests", "Requests that wait for a seat.", lambda level: level.waiting),
)  # fmt: skip


class Measures(Collector):
    """Register it with a Prometheus registry."""

    def __init__(self, turns: Turns):
        self._turns = turns

    def collect(self) -> Iterable[Metric]:
        for name, words, value in _GAUGES:
            gauge = GaugeMetricFamily(f"apiserver_flowcontrol_{name}", words, labels=["priority_level"])
            for level in self._turns.rack:
                gauge.add_metric([level.name], value(level))
            yield gauge
        yield from self._counts()
        yield self._waits()

    def _counts(self) -> Iterable[Metric]:
        dispatched = CounterMetricFamily(
            "apiserver_flowcontrol_dispatched_requests", "Requests that got a seat.", labels=_BOTH
        )
        rejected = CounterMetricFamily(
            "apiserver_flowcontrol_rejected_requests", "Requests that were turned away.", labels=[*_BOTH, "reason"]
        )
        for schema in self._turns.schemas:
            dispatched.add_metric([schema.level, schema.name], schema.dispatched)
            for reason, count in schema.rejected.items():
                rejected.add_metric([schema.level, schema.name, reason], count)
        yield dispatched
        yield rejected

    def _waits(self) -> HistogramMetricFamily:
        family = HistogramMetricFamily(
            "apiserver_flowcontrol_request_wait_duration_seconds",
            "How long requests waited for a seat.",
            labels=[*_BOTH, "execute"],
        )
        for schema in self._turns.schemas:
            at_once = schema.dispatched - (sum(schema.waited) - sum(schema.rejected.values()))
            total, buckets = at_once, []
            for bound, count in zip((*map(str, WAIT_BUCKETS), "+Inf"), schema.waited, strict=True):
                total += count
                buckets.append((bound, total))
            family.add_metric([schema.level, schema.name, "true"], buckets, schema.waited_seconds)
        return family
