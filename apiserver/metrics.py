"""Requests counted and timed, under upstream's metric names; one tuple and one bisection a request, text only when asked for."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from time import perf_counter

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from apiserver.interfaces import RequestInfo
from apiserver.timings import cumulated

Metric = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily

SIZES = tuple(1000.0 * 10**n for n in range(7))  # bytes; upstream's
_TERMINATED = (429, 504)
# Seconds; upstream's.
BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60)
MOST_SERIES = 20_000
_LABELS = ("verb", "group", "version", "resource", "subresource", "scope", "component")
_READING = frozenset(("GET", "HEAD", "OPTIONS"))
_VERBS = {"create": "POST", "update": "PUT", "patch": "PATCH", "deletecollection": "DELETECOLLECTION"}

Key = tuple[str, str, str, str, str, bool, bool]  # verb, group, version, resource, subresource, namespaced, named


class _Series:
    __slots__ = ("buckets", "codes", "seconds", "size", "sizes")

    def __init__(self) -> None:
        self.codes: dict[int, int] = {}
        self.buckets = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0
        self.sizes = [0] * (len(SIZES) + 1)
        self.size = 0  # bytes


class Requests(Collector):
    """Register it with a Prometheus registry. What nobody serves is counted together: clients name what they like."""

    def __init__(self, served: Callable[[RequestInfo], bool] = lambda info: True) -> None:
        self._served = served
        self._series: dict[Key, _Series] = {}
        self.reading = 0  # in flight
        self.mutating = 0

    def begin(self, method: str) -> float:
        """A request has begun; give what it returns to `end`."""
        if method in _READING:
            self.reading += 1
        else:
            self.mutating += 1
        return perf_counter()

    def end(self, method: str, info: RequestInfo, code: int, started: float, size: int = 0) -> float:
        """It has ended; the seconds that it took. `size`: bytes of the answer to a read."""
        seconds = perf_counter() - started
        if method in _READING:
            self.reading -= 1
        else:
            self.mutating -= 1
        key = (
            info.verb, info.group, info.version, info.resource, info.subresource, bool(info.namespace), bool(info.name),
        )  # fmt: skip
        series = self._series.get(key)
        if series is None:
            series = self._first(key, info)
        series.codes[code] = series.codes.get(code, 0) + 1
        series.seconds += seconds
        series.buckets[bisect_left(BUCKETS, seconds)] += 1
        if size:
            series.size += size
            series.sizes[bisect_left(SIZES, size)] += 1
        return seconds

    def _first(self, key: Key, info: RequestInfo) -> _Series:
        if len(self._series) >= MOST_SERIES or (info.resource and not self._served(info)):
            key = (info.verb, "", "", "", "", False, False)
        return self._series.setdefault(key, _Series())

    def collect(self) -> Iterable[Metric]:
        yield self._totals()
        yield self._terminations()
        yield self._durations("apiserver_request_duration_seconds")
        yield self._durations("apiserver_request_sli_duration_seconds")
        yield self._response_sizes()
        yield self._authentications()
        words = (
            "Maximal number of currently used inflight request limit of this apiserver per request kind in last second."
        )
        inflight = GaugeMetricFamily("apiserver_current_inflight_requests", words, labels=["request_kind"])
        inflight.add_metric(["mutating"], self.mutating)
        inflight.add_metric(["readOnly"], self.reading)
        yield inflight

    def _labelled(self) -> Iterator[tuple[list[str], _Series]]:
        for (verb, group, version, resource, subresource, namespaced, named), series in self._series.items():
            scope = "" if not resource else "resource" if named else "namespace" if namespaced else "cluster"
            shown = _VERBS.get(verb, verb.upper())
            yield [shown, group, version, resource, subresource, scope, "apiserver"], series

    def _totals(self) -> CounterMetricFamily:
        words = "Counter of apiserver requests broken out for each verb, group, version, resource, scope, component and code."
        family = CounterMetricFamily("apiserver_request", words, labels=[*_LABELS, "dry_run", "code"])
        for labels, series in self._labelled():
            for code, count in series.codes.items():
                family.add_metric([*labels, "", str(code)], count)
        return family

    def _durations(self, name: str) -> HistogramMetricFamily:
        words = (
            "Response latency distribution in seconds for each verb, group, version, resource, subresource and scope."
        )
        family = HistogramMetricFamily(name, words, labels=[*_LABELS, "dry_run"])
        for labels, series in self._labelled():
            family.add_metric([*labels, ""], cumulated(BUCKETS, series.buckets), series.seconds)
        return family

    def _terminations(self) -> CounterMetricFamily:
        words = "Requests that the server ended to protect itself."
        family = CounterMetricFamily("apiserver_request_terminations", words, labels=[*_LABELS, "code"])
        for labels, series in self._labelled():
            for code in _TERMINATED:
                if code in series.codes:
                    family.add_metric([*labels, str(code)], series.codes[code])
        return family

    def _response_sizes(self) -> HistogramMetricFamily:
        family = HistogramMetricFamily("apiserver_response_sizes", "Bytes of the answers to reads.", labels=_LABELS)
        for labels, series in self._labelled():
            if series.size:
                family.add_metric(labels, cumulated(SIZES, series.sizes), series.size)
        return family

    def _authentications(self) -> CounterMetricFamily:
        """Who was refused got 401; nobody else does."""
        family = CounterMetricFamily("authentication_attempts", "Authentications by result.", labels=["result"])
        counts = [(code, count) for series in self._series.values() for code, count in series.codes.items()]
        family.add_metric(["success"], sum(count for code, count in counts if code != 401))
        family.add_metric(["failure"], sum(count for code, count in counts if code == 401))
        return family
