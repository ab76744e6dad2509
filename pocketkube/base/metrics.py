"""The process's metrics in Prometheus text form. Names are upstream's, given by whoever counts."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CONTENT_TYPE_LATEST as CONTENT_TYPE
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

__all__ = ["CONTENT_TYPE", "REGISTRY", "Counter", "Gauge", "Histogram", "counter", "gauge", "histogram", "render"]

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)


def counter(name: str, documentation: str, labels: Sequence[str] = ()) -> Counter:
    """A count that only rises; `_total` is added to the name if it lacks it. On hot paths keep `.labels(...)`."""
    return Counter(name, documentation, labels, registry=REGISTRY)


def gauge(name: str, documentation: str, labels: Sequence[str] = ()) -> Gauge:
    return Gauge(name, documentation, labels, registry=REGISTRY)


def histogram(name: str, documentation: str, labels: Sequence[str] = (), *, buckets: Sequence[float] = ()) -> Histogram:
    """Observations by bucket; `buckets` are upper bounds in the unit that the name says, by default seconds."""
    return Histogram(name, documentation, labels, buckets=buckets or Histogram.DEFAULT_BUCKETS, registry=REGISTRY)


def render() -> bytes:
    return generate_latest(REGISTRY)
