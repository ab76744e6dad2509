"""A page of `Name:  value` lines, aligned like a tab writer does: each run of lines with equally many cells lines up."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from kubectl import printers
from kubectl.merge import LAST_APPLIED
from pocketkube.api.meta import times

Obj = dict[str, Any]


class Page:
    """Lines are written in order; `finish` aligns them. Levels indent by two spaces."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, list[str]]] = []

    def line(self, *cells: object, level: int = 0) -> None:
        self._lines.append((level, [str(c) for c in cells]))

    def finish(self) -> str:
        """Columns are as wide as their widest cell within a block: a block ends where a line has no cell in that column."""
        lines = [["  " * level + cells[0], *cells[1:]] if cells else [""] for level, cells in self._lines]
        out = [""] * len(lines)
        self._align(lines, out, 0, len(lines), column=0)
        return "\n".join(text.rstrip() for text in out) + "\n"

    def _align(self, lines: list[list[str]], out: list[str], first: int, last: int, *, column: int) -> None:
        at = first
        while at < last:
            if column >= len(lines[at]):
                at += 1
                continue
            if column == len(lines[at]) - 1:
                out[at] += lines[at][column]
                at += 1
                continue
            end = at
            while end < last and column < len(lines[end]) - 1:
                end += 1
            width = max(len(lines[i][column]) for i in range(at, end)) + 2
            for i in range(at, end):
                out[i] += lines[i][column].ljust(width)
            self._align(lines, out, at, end, column=column + 1)
            at = end

    def meta(self, obj: Obj) -> None:
        meta = obj["metadata"]
        self.line("Name:", meta["name"])
        if meta.get("namespace"):
            self.line("Namespace:", meta["namespace"])
        self.pairs("Labels:", meta.get("labels"))
        shown = {k: v for k, v in (meta.get("annotations") or {}).items() if k != LAST_APPLIED}
        self.pairs("Annotations:", shown, separator=": ")

    def pairs(self, title: str, values: Mapping[str, Any] | None, *, separator: str = "=", level: int = 0) -> None:
        """A map: its first entry beside the title, the others below it."""
        rows = [f"{k}{separator}{v}" for k, v in sorted((values or {}).items())] or ["<none>"]
        self.line(title, rows[0], level=level)
        for row in rows[1:]:
            self.line("  " * level, row)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[object]], *, level: int = 1) -> None:
        self.line(*head, level=level)
        self.line(*("-" * len(h) for h in head), level=level)
        for row in rows:
            self.line(*row, level=level)

    def conditions(self, obj: Obj) -> None:
        """Type, Status, Reason."""
        found = (obj.get("status") or {}).get("conditions") or []
        if found:
            self.line("Conditions:")
            self.table(("Type", "Status", "Reason"), [(c["type"], c["status"], c.get("reason", "")) for c in found])

    def events(self, events: list[Obj]) -> None:
        if not events:
            self.line("Events:", "<none>")
            return
        self.line("Events:")
        rows = []
        for e in sorted(events, key=_last):
            source = (e.get("source") or {}).get("component") or e.get("reportingComponent") or ""
            rows.append((e.get("type", ""), e.get("reason", ""), _seen(e), source, (e.get("message") or "").strip()))
        self.line("Type", "Reason", "Age", "From", "Message", level=1)
        self.line("----", "------", "----", "----", "-------", level=1)
        for row in rows:
            self.line(*row, level=1)

    def fields(self, value: Mapping[str, Any], *, level: int = 0) -> None:
        """Any object, field by field, names spelled as words."""
        for name, inner in sorted(value.items()):
            title = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name[:1].upper() + name[1:]) + ":"
            if isinstance(inner, Mapping):
                self.line(title, level=level)
                self.fields(inner, level=level + 1)
            elif isinstance(inner, list):
                self.line(title, level=level)
                for item in inner:
                    if isinstance(item, Mapping):
                        self.fields(item, level=level + 1)
                    else:
                        self.line(item, level=level + 1)
            else:
                self.line(title, inner, level=level)


def _last(event: Obj) -> str:
    series = event.get("series") or {}
    seen = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return str(seen or event["metadata"].get("creationTimestamp") or "")


def _seen(event: Obj) -> str:
    count = (event.get("series") or {}).get("count") or event.get("count") or 1
    age = printers.age(_last(event))
    if count > 1:
        return f"{age} (x{count} over {printers.age(event.get('firstTimestamp') or event.get('eventTime'))})"
    return age


def when(timestamp: str | None) -> str:
    """`Sat, 21 Nov 2026 03:00:00 +0000`."""
    if not timestamp:
        return "<unset>"
    return times.parse(timestamp).astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")


def ago(timestamp: str | None) -> str:
    return times.age(datetime.now(UTC) - times.parse(timestamp)) if timestamp else "<unknown>"
