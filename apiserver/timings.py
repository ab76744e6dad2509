"""How long things took, by key: a lookup and a bisection each, a histogram when asked for."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Generic, TypeVar

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

K = TypeVar("K", bound=Hashable)


class Series:
    __slots__ = ("buckets", "total")

    def __init__(self, bounds: int) -> None:
        self.buckets = [0] * (bounds + 1)
        self.total = 0.0


class Timings(Collector, Generic[K]):
    """`bounds` are upper ones, in rising order; `show` gives a key's label values."""

    def __init__(
        self,
        name: str,
        words: str,
        *,
        labels: Sequence[str],
        bounds: Sequence[float],
        show: Callable[[K], Sequence[str]],
    ):
        self._name, self._words, self._labels = name, words, labels
        self._bounds = tuple(bounds)
        self._show = show
        self._series: dict[K, Series] = {}

    def add(self, key: K, value: float) -> None:
        """One observation, in seconds or whatever the name says."""
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = Series(len(self._bounds))
        series.total += value
        series.buckets[bisect_left(self._bounds, value)] += 1

    def collect(self) -> Iterable[HistogramMetricFamily]:
        family = HistogramMetricFamily(self._name, self._words, labels=self._labels)
        for key, series in self._series.items():
            family.add_metric(self._show(key), cumulated(self._bounds, series.buckets), series.total)
        yield family


def cumulated(bounds: Iterable[float], buckets: Iterable[int]) -> list[tuple[str, float]]:
    """(upper bound, how many up to it), as Prometheus wants them."""
    total = 0
    found: list[tuple[str, float]] = []
    for bound, count in zip((*map(str, bounds), "+Inf"), buckets, strict=True):
        total += count
        found.append((bound, total))
    return found
