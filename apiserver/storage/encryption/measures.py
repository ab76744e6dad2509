"""What encryption at rest counts, under upstream's names. One for a server; configurations come and go."""

from __future__ import annotations

import hashlib
import socket
import time
from base64 import b32encode
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from apiserver.timings import Timings

_KEYS_KEPT = 10
_ENVELOPE = "apiserver_envelope_encryption"
_STORAGE = "apiserver_storage"
_RELOAD = "apiserver_encryption_config_controller"


@lru_cache(maxsize=256)
def hashed(text: str) -> str:
    """Key ids are not shown, their hashes are; "" is the hash of nothing."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" if text else ""


@lru_cache(maxsize=1)
def server_id() -> str:
    """Of the API server of this machine, as upstream makes it of the host's name."""
    digest = hashlib.sha256(socket.gethostname().encode()).digest()[:16]
    return f"apiserver-{b32encode(digest).decode().rstrip('=').lower()}"


def _doubling(first: float, count: int) -> list[float]:
    return [first * 2**n for n in range(count)]


def _timings(name: str, words: str, labels: tuple[str, ...], bounds: list[float]) -> Timings[tuple[str, ...]]:
    return Timings(name, words, labels=labels, bounds=bounds, show=lambda key: key)


class Measures(Collector):
    def __init__(self) -> None:
        self.source_caches: dict[str, Callable[[], int]] = {}  # provider -> how many seeds it has opened
        self.filled = 0.0  # of the cache of version 1: 1 is full
        self._operations: dict[tuple[str, str, str], int] = {}  # direction, prefix, outcome
        self._missed = 0
        self._uses: OrderedDict[tuple[str, str, str], tuple[int, float]] = OrderedDict()  # direction, provider, hash
        self._statuses: OrderedDict[tuple[str, str], float] = OrderedDict()  # provider, hash -> when
        self._invalid: dict[tuple[str, str], int] = {}
        self._reloads: dict[str, tuple[int, float]] = {}  # outcome -> count, when
        self._arrivals: dict[str, float] = {}
        self._transformations = _timings(
            f"{_STORAGE}_transformation_duration_seconds",
            "How long sealing and opening of values took.",
            ("transformation_type", "transformer_prefix"),
            _doubling(5e-6, 25),
        )
        self._generations = _timings(
            f"{_STORAGE}_data_key_generation_duration_seconds", "How long making a key took.", (), _doubling(5e-6, 14)
        )
        self._calls = _timings(
            f"{_ENVELOPE}_kms_operations_latency_seconds",
            "How long key management services took to answer, by outcome.",
            ("provider_name", "method_name", "grpc_status_code"),
            _doubling(0.0001, 20),
        )
        self._between = _timings(
            f"{_ENVELOPE}_dek_cache_inter_arrival_time_seconds",
            "Time between values sealed or opened with version 1.",
            ("transformation_type",),
            _doubling(60, 10),
        )

    def transformed(self, direction: str, prefix: bytes, outcome: str, seconds: float) -> None:
        named = prefix.decode()
        at = (direction, named, outcome)
        self._operations[at] = self._operations.get(at, 0) + 1
        if outcome == "OK":
            self._transformations.add((direction, named), seconds)

    def missed(self) -> None:
        """A key had to be opened by its service."""
        self._missed += 1

    def generated(self, seconds: float) -> None:
        self._generations.add((), seconds)

    def called(self, provider: str, method: str, code: str, seconds: float) -> None:
        self._calls.add((provider, method, code), seconds)

    def arrived(self, direction: str) -> None:
        now = time.monotonic()
        self._between.add((direction,), now - self._arrivals.get(direction, now))
        self._arrivals[direction] = now

    def used(self, direction: str, provider: str, key_id: str) -> None:
        at = (direction, provider, hashed(key_id))
        self._uses[at] = (self._uses.get(at, (0, 0.0))[0] + 1, time.time())
        self._uses.move_to_end(at)
        if len(self._uses) > _KEYS_KEPT:
            self._uses.popitem(last=False)

    def status_key_id(self, provider: str, key_id: str) -> None:
        at = (provider, hashed(key_id))
        self._statuses[at] = time.time()
        self._statuses.move_to_end(at)
        if len(self._statuses) > _KEYS_KEPT:
            self._statuses.popitem(last=False)

    def invalid_key_id(self, provider: str, error: str) -> None:
        self._invalid[provider, error] = self._invalid.get((provider, error), 0) + 1

    def reloaded(self, outcome: str) -> None:
        """`outcome`: success or failure."""
        self._reloads[outcome] = (self._reloads.get(outcome, (0, 0.0))[0] + 1, time.time())

    def collect(self) -> Iterable[Metric]:
        labels = "transformation_type transformer_prefix status"
        name = f"{_STORAGE}_transformation_operations"
        yield _counted(name, "Values sealed and opened.", labels, self._operations.items())
        for timings in (self._transformations, self._generations, self._calls, self._between):
            yield from timings.collect()
        name = f"{_STORAGE}_envelope_transformation_cache_misses"
        yield CounterMetricFamily(name, "Keys that their service had to open.", value=self._missed)
        yield from self._of_keys()
        yield from self._of_reloads()

    def _of_keys(self) -> Iterator[Metric]:
        server = hashed(server_id())
        uses = self._uses.items()
        labels = "transformation_type provider_name key_id_hash apiserver_id_hash"
        name = f"{_ENVELOPE}_key_id_hash"
        yield _counted(name, "Uses of a key.", labels, (((*at, server), count) for at, (count, _) in uses))
        times = (((*at, server), when) for at, (_, when) in uses)
        yield _shown(f"{name}_last_timestamp_seconds", "When a key was last used.", labels, times)
        labels = "provider_name key_id_hash apiserver_id_hash"
        told = (((*at, server), when) for at, when in self._statuses.items())
        yield _shown(f"{name}_status_last_timestamp_seconds", "When Status last named a key.", labels, told)
        name = f"{_ENVELOPE}_invalid_key_id_from_status"
        yield _counted(name, "Unusable key ids that Status named.", "provider_name error", self._invalid.items())
        sizes = (((name,), float(size())) for name, size in self.source_caches.items())
        yield _shown(f"{_ENVELOPE}_dek_source_cache_size", "Seeds that were opened.", "provider_name", sizes)
        yield GaugeMetricFamily(f"{_ENVELOPE}_dek_cache_fill_percent", "Of the cache of version 1.", value=self.filled)

    def _of_reloads(self) -> Iterator[Metric]:
        server = hashed(server_id())
        labels, name = "status apiserver_id_hash", f"{_RELOAD}_automatic_reload"
        counts = (((outcome, server), count) for outcome, (count, _) in self._reloads.items())
        yield _counted(f"{name}s", "Changed configurations taken over, or not.", labels, counts)
        times = (((outcome, server), when) for outcome, (_, when) in self._reloads.items())
        yield _shown(f"{name}_last_timestamp_seconds", "When a changed configuration was last read.", labels, times)


def _counted(name: str, words: str, labels: str, values: Iterable[tuple[tuple[str, ...], int]]) -> Metric:
    family = CounterMetricFamily(name, words, labels=labels.split())
    for at, count in values:
        family.add_metric(at, count)
    return family


def _shown(name: str, words: str, labels: str, values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(name, words, labels=labels.split())
    for at, value in values:
        family.add_metric(at, value)
    return family
