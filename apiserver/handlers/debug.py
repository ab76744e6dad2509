"""Pages for people who look after a server: who waits for a turn, how it was started, how much it logs. Plain text."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from apiserver.api import Api
from apiserver.flowcontrol import Turns
from apiserver.flowcontrol.level import Level
from apiserver.handlers import version
from apiserver.interfaces import NoSuchPath
from apiserver.request import Request, Response, text_response
from pocketkube.base import logs

_LEVELS = (
    "PriorityLevelName", "ActiveQueues", "IsIdle", "IsQuiescing", "WaitingRequests", "ExecutingRequests", "DispatchedRequests",
    "RejectedRequests", "TimedoutRequests", "CancelledRequests",
)  # fmt: skip
_QUEUES = ("PriorityLevelName", "Index", "PendingRequests", "SeatsWaitedFor", "NextDispatchR")
_REQUESTS = (
    "PriorityLevelName", "FlowSchemaName", "QueueIndex", "RequestIndexInQueue", "FlowDistingsher", "ArriveTime", "InitialSeats",
)  # fmt: skip
_DETAILS = ("UserName", "Verb", "APIPath", "Namespace", "Name", "APIVersion", "Resource", "SubResource")
_NONE = "<none>"  # of a level that has no queues, or no limits
_STARTED = time.time()
_WARNING = "Warning: this page is for people; programs should not read it.\n"


def _turns(api: Api) -> Turns:
    """Raises NoSuchPath where requests are limited in another way."""
    if not isinstance(api.turns, Turns):
        raise NoSuchPath
    return api.turns


async def priority_levels(api: Api, request: Request) -> Response:
    turns = _turns(api)
    return _page(_LEVELS, (_level_row(turns, level) for level in turns.rack))


def _level_row(turns: Turns, level: Level) -> Sequence[object]:
    if level.exempt:
        return (level.name, *[_NONE] * (len(_LEVELS) - 1))
    mine = [schema for schema in turns.schemas if schema.level == level.name]
    dropped = [sum(schema.rejected.get(reason, 0) for schema in mine) for reason in ("time-out", "cancelled")]
    rejected = sum(sum(schema.rejected.values()) for schema in mine) - sum(dropped)
    active = sum(1 for queue in level.queues if queue.items)
    idle = not level.waiting and not level.executing
    dispatched = sum(schema.dispatched for schema in mine)
    return (level.name, active, idle, False, level.waiting, level.executing, dispatched, rejected, *dropped)


async def queues(api: Api, request: Request) -> Response:
    rows: list[Sequence[object]] = []
    for level in _turns(api).rack:
        if not level.queues:
            rows.append((level.name, *[_NONE] * (len(_QUEUES) - 1)))
        rows += [
            (level.name, index, len(queue.items), queue.seats, f"{queue.start:.8f}ss")
            for index, queue in enumerate(level.queues)
        ]
    return _page(_QUEUES, rows)


async def waiting_requests(api: Api, request: Request) -> Response:
    """With `includeRequestDetails` also who asks for what."""
    detailed = bool(request.query.get("includeRequestDetails"))
    rows = [
        row
        for level in _turns(api).rack
        for at, queue in enumerate(level.queues)
        for place, item in enumerate(queue.items)
        if (row := _request_row(level, at, place, item.who, item.width, item.arrived, detailed=detailed))
    ]
    return _page((*_REQUESTS, *_DETAILS) if detailed else _REQUESTS, rows)


def _request_row(
    level: Level, at: int, place: int, who: object, width: int, arrived: float, *, detailed: bool
) -> Sequence[object]:
    if not isinstance(who, tuple):
        return ()
    schema, distinguisher, asking = who
    when = datetime.fromtimestamp(arrived, UTC).isoformat().replace("+00:00", "Z")
    row = (level.name, schema, at, place, distinguisher, when, width)
    if not detailed or not isinstance(asking, Request):
        return row
    info = asking.info
    group_version = f"{info.group}/{info.version}" if info.group else info.version
    more = (info.verb, info.path, info.namespace, info.name, group_version, info.resource, info.subresource)
    return (*row, asking.user.name, *more)


def _page(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """Columns with a comma behind each but the last, padded to one width."""
    cells = [[_cell(value) for value in row] for row in (headers, *rows)]
    widths = [max(8, *(len(row[at]) + 2 for row in cells)) for at in range(len(headers) - 1)]
    lines = [
        "".join(f"{cell},".ljust(width) for cell, width in zip(row, widths, strict=False)) + row[-1] for row in cells
    ]
    return Response("\n".join((*lines, "")).encode(), content_type=b"text/plain; charset=utf-8")


def _cell(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


async def verbosity(api: Api, request: Request) -> Response:
    """PUT a number: log as much as `--v` with it would. Raises NoSuchPath where that is switched off."""
    if not api.options.profiling:
        raise NoSuchPath
    if request.method != "PUT":
        return _line("unsupported http method", 406)
    text = (await request.body()).decode("utf-8", "replace").strip()
    if not text.lstrip("-").isdigit():
        return _line(
            f'failed set klog.logging.verbosity {text}: strconv.ParseInt: parsing "{text}": invalid syntax', 400
        )
    logging.getLogger().setLevel(logs.level_of(int(text)).upper())
    return _line(f"successfully set klog.logging.verbosity to {text}", 200)


def _line(text: str, status: int) -> Response:
    nosniff = [(b"x-content-type-options", b"nosniff")]
    return Response(f"{text}\n".encode(), status=status, content_type=b"text/plain", headers=nosniff)


async def status(api: Api, request: Request) -> Response:
    """/statusz"""
    seconds = int(time.time() - _STARTED)
    started = time.strftime("%a %b %e %H:%M:%S UTC %Y", time.gmtime(_STARTED))
    about = version.version()
    lines = (
        "\nkube-apiserver statusz",
        _WARNING,
        f"Started: {started}",
        f"Up: {seconds // 3600} hr {seconds // 60 % 60:02d} min {seconds % 60:02d} sec",
        f"Go version: {about['goVersion']}",
        f"Binary version: {version.MAJOR}.{version.MINOR}.{version.PATCH}",
        f"Emulation version: {version.MAJOR}.{version.MINOR}",
        "Paths: /flagz /healthz /livez /metrics /readyz /statusz /version\n",
    )
    return _plain(request, "\n".join(lines))


async def flags(api: Api, request: Request) -> Response:
    """/flagz"""
    named = {name.replace("_", "-"): value for name, value in vars(api.options).items()}
    lines = [f"{name}={_flag(value)}" for name, value in sorted(named.items())]
    return _plain(request, "\n".join(("\nkube-apiserver flagz", _WARNING, *lines, "")))


def _flag(value: object) -> str:
    return f"[{','.join(map(str, value))}]" if isinstance(value, tuple) else _cell(value)


def _plain(request: Request, text: str) -> Response:
    accepted = request.header(b"accept").decode("latin-1").lower().split(",")
    if not any(clause.partition(";")[0].strip() in ("text/plain", "text/*", "*/*") for clause in accepted):
        return text_response("media type not acceptable, must be: text/plain\n", status=406)
    return Response(text.encode(), content_type=b"text/plain; charset=utf-8")
