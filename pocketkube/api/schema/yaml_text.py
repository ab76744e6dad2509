"""YAML bodies, read as upstream's parser reads them: YAML 1.1 scalars, times stay text, keys become strings.

Built from the parser's events with a stack of our own: composing nodes recurses in C and dies of a deeply nested body.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import yaml

from pocketkube.api.meta.errors import BadRequest
from pocketkube.api.meta.limits import MAX_DEPTH

MAX_ALIASED = 100_000  # values that aliases may add: more is an attack, not a manifest

_INT = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|0[0-7_]*|[1-9][0-9_]*)").fullmatch
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?").fullmatch
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)").fullmatch
_TRUE = "y Y yes Yes YES true True TRUE on On ON"
_FALSE = "n N no No NO false False FALSE off Off OFF"
_WORDS: dict[str, Any] = {
    **dict.fromkeys(["", "~", "null", "Null", "NULL"]),
    **dict.fromkeys(_TRUE.split(), True),
    **dict.fromkeys(_FALSE.split(), False),
}
_CORE = "tag:yaml.org,2002:"


class YAMLError(ValueError):
    """Malformed or hostile YAML, in upstream's words."""


def parse_yaml(body: bytes | str, *, mode: str = "Ignore") -> tuple[Any, list[str]]:
    """(first document's value, a message about duplicate keys unless mode is Ignore). JSON is YAML too. Raises BadRequest."""
    try:
        document = _Document(body)
        value = document.read()
    except YAMLError as wrong:
        raise BadRequest(f"error converting YAML to JSON: yaml: {wrong}") from None
    if mode == "Ignore" or not document.duplicates:
        return value, []
    return value, ["yaml: unmarshal errors:\n" + "\n".join(f"  {found}" for found in document.duplicates)]


def documents(body: bytes | str) -> list[Any]:
    """Every document of a multi-document text, empty ones left out. Raises BadRequest."""
    try:
        document = _Document(body)
        return [value for value in document.read_all() if value is not None]
    except YAMLError as wrong:
        raise BadRequest(f"error converting YAML to JSON: yaml: {wrong}") from None


class _Open(NamedTuple):
    """A container being filled. `put` takes a finished value and the line it began on, counted from 1."""

    value: Any
    anchor: str | None
    line: int
    put: Callable[[Any, int], None]
    close: Callable[[], None]


class _Document:
    """One text's events become values."""

    def __init__(self, body: bytes | str):
        self.duplicates: list[str] = []
        self._body = body
        self._anchors: dict[str, Any] = {}
        self._aliased = 0
        self._stack: list[_Open] = []
        self._result: Any = None

    def read(self) -> Any:
        for value in self._documents():
            return value
        return None

    def read_all(self) -> list[Any]:
        return list(self._documents())

    def _documents(self) -> Any:
        try:
            parser = yaml.CSafeLoader(self._body)
            while (event := parser.get_event()) is not None:
                if type(event) is yaml.DocumentEndEvent:
                    yield self._result
                    self._result = None
                    self._anchors.clear()
                else:
                    self._take(event)
        except yaml.YAMLError as wrong:
            raise YAMLError(_words(wrong)) from None
        except (UnicodeDecodeError, UnicodeEncodeError):
            raise YAMLError("control characters are not allowed") from None

    def _take(self, event: Any) -> None:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            value = _scalar(event)
            if event.anchor is not None:
                self._anchors[event.anchor] = value
            self._done(value, event.start_mark.line + 1)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            self._begin(event, kind is yaml.MappingStartEvent)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self._end()
        elif kind is yaml.AliasEvent:
            self._alias(event)

    def _begin(self, event: Any, mapping: bool) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise YAMLError(f"line {event.start_mark.line + 1}: exceeded max depth of {MAX_DEPTH}")
        line = event.start_mark.line + 1
        if mapping:
            entries = _Mapping(self.duplicates)
            self._stack.append(_Open(entries.value, event.anchor, line, entries.put, entries.close))
        else:
            items: list[Any] = []
            self._stack.append(_Open(items, event.anchor, line, lambda v, _: items.append(v), lambda: None))

    def _end(self) -> None:
        opened = self._stack.pop()
        opened.close()
        if opened.anchor is not None:
            self._anchors[opened.anchor] = opened.value
        self._done(opened.value, opened.line)

    def _alias(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if event.anchor not in self._anchors:
            raise YAMLError(f"line {line}: unknown anchor '{event.anchor}' referenced")
        self._done(self._copy(self._anchors[event.anchor], len(self._stack)), line)

    def _copy(self, value: Any, depth: int) -> Any:
        """An alias is a copy: objects are changed in place later, and shared parts would blow up when written."""
        self._aliased += 1
        if self._aliased > MAX_ALIASED:
            raise YAMLError("document contains excessive aliasing")
        if depth > MAX_DEPTH:
            raise YAMLError(f"exceeded max depth of {MAX_DEPTH}")
        if type(value) is dict:
            return {k: self._copy(v, depth + 1) for k, v in value.items()}
        if type(value) is list:
            return [self._copy(v, depth + 1) for v in value]
        return value

    def _done(self, value: Any, line: int) -> None:
        if self._stack:
            self._stack[-1].put(value, line)
        else:
            self._result = value


class _Mapping:
    """A mapping being filled: keys and values come in turn. Merged keys (`<<`) give way to the mapping's own."""

    def __init__(self, duplicates: list[str]):
        self.value: dict[str, Any] = {}
        self._duplicates = duplicates
        self._key: str | None = None
        self._merged: list[Any] = []

    def put(self, value: Any, line: int) -> None:
        if self._key is None:
            self._key = _key(value, line)
            return
        key, self._key = self._key, None
        if key == "<<":
            self._merged += value if type(value) is list else [value]
            return
        if key in self.value:
            self._duplicates.append(f'line {line}: key "{key}" already set in map')
        self.value[key] = value

    def close(self) -> None:
        for merged in self._merged:
            if type(merged) is not dict:
                raise YAMLError("map merge requires map or sequence of maps as the value")
            for key, value in merged.items():
                self.value.setdefault(key, value)


def _key(value: Any, line: int) -> str:
    if type(value) is str:
        return value
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is int or type(value) is float:
        return str(value)
    raise YAMLError(f"line {line}: invalid map key: {value!r}")


def _scalar(event: Any) -> Any:
    text, tag = event.value, event.tag
    if tag is None:
        return _plain(text, event) if event.implicit[0] else text
    if tag == _CORE + "binary":
        try:
            return base64.b64decode("".join(text.split()), validate=True).decode("utf-8", "replace")
        except binascii.Error:
            raise YAMLError("!!binary value contains invalid base64 data") from None
    if tag in (_CORE + "int", _CORE + "float", _CORE + "bool", _CORE + "null"):
        return _plain(text, event)
    return text


def _plain(text: str, event: Any) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "0123456789+-.":
        if _INT(text):
            return _integer(text)
        if _FLOAT(text):
            return _float(float(text), event)
        if _INFINITE(text):
            raise YAMLError(f"line {event.start_mark.line + 1}: json: unsupported value: {text}")
    return text


def _integer(text: str) -> int | float | str:
    digits = text.replace("_", "")
    sign = -1 if digits[0] == "-" else 1
    body = digits.lstrip("+-").lower()
    if len(body) > 400:
        return text
    base = {"0x": 16, "0b": 2, "0o": 8}.get(body[:2]) or (8 if body[0] == "0" and len(body) > 1 else 10)
    number = sign * int(body if base != 8 else body.removeprefix("0o"), base)
    return number if -(2**63) <= number < 2**64 else float(number)


def _float(number: float, event: Any) -> int | float:
    """As JSON prints it: a whole number has no point."""
    if math.isinf(number):
        raise YAMLError(f"line {event.start_mark.line + 1}: json: unsupported value: {event.value}")
    return int(number) if number.is_integer() and abs(number) < 1e18 else number


def _words(wrong: yaml.YAMLError) -> str:
    problem = getattr(wrong, "problem", None) or " ".join(str(wrong).split())
    mark = getattr(wrong, "problem_mark", None)
    return f"line {mark.line + 1}: {problem}" if mark is not None else str(problem)
