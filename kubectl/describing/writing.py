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
        """What stands behind a line break in the last cell goes on lines of its own."""
        *before, last = [str(c) for c in cells]
        first, *more = last.split("\n")
        self._lines.append((level, [*before, first]))
        self._lines += [(0, [text]) for text in more]

    def finish(self) -> str:
        """Columns are as wide as their widest cell within a block: a block ends where a line has no cell in that column."""
        lines = [["  " * level + cells[0], *cells[1:]] if cells else [""] for level, cells in self._lines]
        out = [""] * len(lines)
        self._align(lines, out, 0, len(lines), column=0)
        return "\n".join(out) + "\n"

    def unaligned(self) -> str:
        """With tabs between the cells."""
        return "".join("  " * level + "\t".join(cells) + "\n" for level, cells in self._lines)

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

    def name(self, obj: Obj) -> None:
        """Name, and the namespace of what has one."""
        self.line("Name:", obj["metadata"]["name"])
        if obj["metadata"].get("namespace"):
            self.line("Namespace:", obj["metadata"]["namespace"])

    def labels(self, obj: Obj) -> None:
        """Labels and annotations."""
        self.pairs("Labels:", obj["metadata"].get("labels"))
        self.annotations(obj)

    def annotations(self, obj: Obj) -> None:
        shown = {k: v for k, v in (obj["metadata"].get("annotations") or {}).items() if k != LAST_APPLIED}
        self.pairs("Annotations:", shown, separator=": ")

    def meta(self, obj: Obj) -> None:
        self.name(obj)
        self.labels(obj)

    def created(self, obj: Obj) -> None:
        self.line("CreationTimestamp:", when(obj["metadata"].get("creationTimestamp")))

    def pairs(self, title: str, values: Mapping[str, Any] | None, *, separator: str = "=", level: int = 0) -> None:
        """A map: its first entry beside the title, the others below it; an entry too long for a line is cut to its first one."""
        rows = []
        for key, value in sorted((values or {}).items()):
            text = str(value)
            if separator == ": " and (len(key) + len(text) + 2 > 140 or "\n" in text):
                rows += [f"{key}:", *(f"  {_short(line)}" for line in text.removesuffix("\n").split("\n"))]
            else:
                rows.append(f"{key}{separator}{text}")
        self.line(title, rows[0] if rows else "<none>", level=level)
        for row in rows[1:]:
            self.line("", row)

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
            path = (e.get("involvedObject") or {}).get("fieldPath")
            message = (e.get("message") or "").strip()
            message = f"{path}: {message}" if path else message
            rows.append((e.get("type", ""), e.get("reason", ""), _seen(e), source, message))
        self.line("Type", "Reason", "Age", "From", "Message", level=1)
        self.line("----", "------", "----", "----", "-------", level=1)
        for row in rows:
            self.line(*row, level=1)

    def fields(self, value: Mapping[str, Any], *, level: int = 0) -> None:
        """Any object, field by field, names spelled as words."""
        for name, inner in sorted(value.items()):
            title = words(name) + ":"
            if isinstance(inner, Mapping):
                self.line(title, level=level)
                self.fields(inner, level=level + 1)
            elif isinstance(inner, list):
                self.line(title, level=level)
                for item in inner:
                    if isinstance(item, Mapping):
                        self.fields(item, level=level + 1)
                    else:
                        self.line(plain(item), level=level + 1)
            else:
                self.line(title, plain(inner), level=level)


_ACRONYMS = {"API", "URL", "UID", "OSB", "GUID"}
_WORD = re.compile("[A-Z]{2,}s(?![a-z])|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|-+")


def words(name: str) -> str:
    """`apiVersion` is `API Version`; a name with other signs than letters stays as it is."""
    if not name.replace("-", "").isalpha():
        return name
    return " ".join(w.upper() if w.upper() in _ACRONYMS else w[:1].upper() + w[1:] for w in _WORD.findall(name))


def plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "<nil>" if value is None else str(value)


def _short(text: str) -> str:
    return text if len(text) <= 140 else text[:137] + "..."


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
