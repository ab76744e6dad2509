"""The layers of the request chain that audit, and where events go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import Any, Protocol

import orjson
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from apiserver import tracing
from apiserver.audit import policy as policies
from apiserver.audit.logfile import BatchedLogFile, LogFile
from apiserver.audit.policy import LEVELS, Policy
from apiserver.audit.record import Record
from apiserver.audit.webhook import Batching, Webhook, config_of
from apiserver.configfile import BadFile
from apiserver.flowcontrol.turns import LONG_RUNNING
from apiserver.interfaces import PlainFailure
from apiserver.options import Options
from apiserver.request import NOBODY, Request, Response
from pocketkube.api.meta import errors
from pocketkube.base import durations

Next = Callable[[Request], Awaitable[Response | None]]

_MODES = ("batch", "blocking", "blocking-strict")
_TRACE = "tracing.pocketkube.io/trace-id"
_BODY_VERBS = frozenset(("create", "update", "patch", "delete", "deletecollection"))


class Sink(Protocol):
    """Where events go: one line of JSON each. Never waits, never fails; False: the event is lost."""

    def write(self, line: bytes) -> bool: ...


class Auditor(Collector):
    """A metrics collector too."""

    def __init__(self, policy: Policy, sinks: Sequence[tuple[Sink, bytes]], *, strict: bool = False):
        """Each sink with what ends an event in it. `strict`: a request that cannot be written down is not begun."""
        self._strict = strict
        self._policy = policy
        self._sinks = tuple(sinks)
        self._events = 0
        self._levels = [0] * len(LEVELS)

    async def audit(self, following: Next, request: Request) -> Response | None:
        """Around everything that an authenticated request meets."""
        ruling = self._policy.ruling(request.user.impersonator or request.user, request.info)
        self._levels[ruling.level] += 1
        if not ruling.level:
            return await following(request)
        record = Record(request, ruling, request.annotations)
        if trace := tracing.given(request):
            request.annotations[_TRACE] = trace
        request.audit = record
        if request.info.verb in _BODY_VERBS:
            request.receive = record.receive
        if not self._write(record, "RequestReceived") and self._strict:
            raise PlainFailure("failed to store audit event")
        self._notice_start(record)
        try:
            response = await following(request)
        except errors.StatusError as error:
            record.failed(error.to_status())
            raise
        except Exception:
            record.failed(errors.InternalError("the request failed, see the server's log").to_status())
            self._write(record, "Panic")
            record.sent = True
            raise
        else:
            if response is not None:
                record.answered(response)
            return response
        finally:
            if not record.sent:
                record.code = record.code or 101  # an upgraded connection, which answered by itself
                self._write(record, "ResponseComplete")

    def _notice_start(self, record: Record) -> None:
        """Handlers that answer by themselves: their code, and the start of a long answer."""
        request = record.request
        send = request.send
        long = request.info.verb in ("watch", "proxy") or request.info.subresource in LONG_RUNNING

        async def noticed(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start" and not record.code:
                record.code = message["status"]
                if long:
                    self._write(record, "ResponseStarted")
            await send(message)

        request.send = noticed

    async def audit_refused(self, following: Next, request: Request) -> Response | None:
        """Around authentication: who was not let in is written too."""
        try:
            return await following(request)
        except errors.StatusError as error:
            if request.user is NOBODY:
                ruling = self._policy.ruling(None, request.info)
                if ruling.level:
                    record = Record(request, ruling, {})
                    record.failed(error.to_status())
                    self._write(record, "ResponseStarted")
            raise

    def _write(self, record: Record, stage: str) -> bool:
        """False where a sink has lost the event."""
        if stage not in record.ruling.stages:
            return True
        line = orjson.dumps(record.event(stage))
        self._events += 1
        kept = True
        for sink, end in self._sinks:
            kept = sink.write(line + end) and kept
        return kept

    def collect(self) -> Iterable[CounterMetricFamily]:
        yield CounterMetricFamily("apiserver_audit_event", "Audit events that were made.", value=self._events)
        levels = CounterMetricFamily("apiserver_audit_level", "Requests by the level of their rule.", labels=["level"])
        for level, count in zip(LEVELS, self._levels, strict=True):
            levels.add_metric([level], count)
        yield levels
        lost = CounterMetricFamily("apiserver_audit_error", "Events that a sink lost.", labels=["plugin"])
        for sink, _ in self._sinks:
            if isinstance(sink, LogFile):
                lost.add_metric(["log"], sink.failed)
            elif isinstance(sink, Webhook):
                lost.add_metric(["webhook"], sink.dropped)
        yield lost

    def tasks(self) -> Mapping[str, Any]:
        """What runs beside the requests, by name."""
        return {
            f"audit {type(sink).__name__}": sink.run()
            for sink, _ in self._sinks
            if isinstance(sink, Webhook | BatchedLogFile)
        }


def build(flags: Options) -> Auditor | None:
    """As the flags say; None where nothing is to be audited. Raises BadFile."""
    if flags.audit_log_format != "json":
        raise BadFile(f'--audit-log-format: Unsupported value: "{flags.audit_log_format}": supported values: json')
    if flags.audit_log_mode not in _MODES:
        why = f"supported values: {', '.join(_MODES)}"
        raise BadFile(f'--audit-log-mode: Unsupported value: "{flags.audit_log_mode}": {why}')
    policy = policies.load(flags.audit_policy_file) if flags.audit_policy_file else None
    sinks: list[tuple[Sink, bytes]] = []
    if flags.audit_log_path:
        sinks.append((_log_file(flags), b"\n"))
    if flags.audit_webhook_config_file:
        batching = Batching(
            wait=durations.whole(flags.audit_webhook_batch_max_wait),
            size=flags.audit_webhook_batch_max_size,
            kept=flags.audit_webhook_batch_buffer_size,
            backoff=durations.whole(flags.audit_webhook_initial_backoff),
        )
        sinks.append((Webhook(config_of(flags.audit_webhook_config_file), batching), b""))
    strict = flags.audit_log_mode == "blocking-strict"
    return Auditor(policy, sinks, strict=strict) if policy is not None and sinks else None


def _log_file(flags: Options) -> LogFile:
    try:
        return (BatchedLogFile if flags.audit_log_mode == "batch" else LogFile)(
            flags.audit_log_path,
            megabytes=flags.audit_log_maxsize,
            backups=flags.audit_log_maxbackup,
            days=flags.audit_log_maxage,
        )
    except OSError as failure:
        raise BadFile(f"{flags.audit_log_path}: {failure.strerror}") from None
