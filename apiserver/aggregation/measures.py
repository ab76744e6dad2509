"""How many APIServices do not answer, and how often each has ceased to; under upstream's metric names."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from apiserver.aggregation.registration import GROUP, PLURAL
from apiserver.interfaces import Cluster
from pocketkube.api.meta import objects

_GAUGE = "A gauge of APIServices which are marked as unavailable broken down by APIService name."
_COUNTER = "A counter of APIServices which are marked as unavailable broken down by APIService name and reason."


class Measures(Collector):
    def __init__(self, cluster: Cluster):
        self._cluster = cluster
        self._lost: dict[tuple[str, str], int] = {}

    def lost(self, name: str, reason: str) -> None:
        """An APIService that was available is no more."""
        self._lost[name, reason] = self._lost.get((name, reason), 0) + 1

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        gauge = GaugeMetricFamily("aggregator_unavailable_apiservice", _GAUGE, labels=["name"])
        for service in self._cluster.list(GROUP, PLURAL):
            gauge.add_metric([service["metadata"]["name"]], 0 if objects.is_true(service, "Available") else 1)
        yield gauge
        counter = CounterMetricFamily("aggregator_unavailable_apiservice", _COUNTER, labels=["name", "reason"])
        for labels, count in self._lost.items():
            counter.add_metric(labels, count)
        yield counter
