"""Calls of webhooks counted and timed, under upstream's metric names."""

from __future__ import annotations

from time import perf_counter

from pocketkube.base import metrics

_CALL = ("name", "type", "operation")
_seconds = metrics.histogram(
    "apiserver_admission_webhook_admission_duration_seconds",
    "How long a webhook took.",
    (*_CALL, "rejected"),
    buckets=(0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 25.0),
)
_requests = metrics.counter(
    "apiserver_admission_webhook_request_total", "Calls of webhooks.", (*_CALL, "code", "rejected")
)
_rejections = metrics.gauge(  # upstream's name lacks the ending that a counter would get
    "apiserver_admission_webhook_rejection_count",
    "Requests that webhooks rejected.",
    (*_CALL, "error_type", "rejection_code"),
)
_failed_open = metrics.gauge(
    "apiserver_admission_webhook_fail_open_count", "Calls that failed and were ignored.", ("name", "type")
)


class Call:
    """One call of a webhook; `type` is admit or validating."""

    def __init__(self, name: str, type: str, operation: str):
        self._labels = (name, type, operation)
        self._started = perf_counter()

    def answered(self, *, allowed: bool, code: int) -> None:
        """`code` is that of a refusal."""
        self._end("200" if allowed else str(code), rejected=not allowed)
        if not allowed:
            _rejections.labels(*self._labels, "no_error", str(code)).inc()

    def failed(self, *, ignored: bool) -> None:
        """No usable answer came."""
        self._end("0", rejected=not ignored)
        if ignored:
            _failed_open.labels(*self._labels[:2]).inc()
        else:
            _rejections.labels(*self._labels, "calling_webhook_error", "0").inc()

    def _end(self, code: str, *, rejected: bool) -> None:
        word = "true" if rejected else "false"
        _seconds.labels(*self._labels, word).observe(perf_counter() - self._started)
        _requests.labels(*self._labels, code, word).inc()
