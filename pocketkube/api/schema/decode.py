"""Bytes become an object: JSON or YAML with limits, duplicates seen when asked for, then the schema's walk."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import orjson

from pocketkube.api.meta.errors import BadRequest
from pocketkube.api.meta.limits import ENCODER_DEPTH, MAX_DEPTH
from pocketkube.api.schema import readers

if TYPE_CHECKING:
    from pocketkube.api.schema.model import Schema

Obj = dict[str, Any]


def decode(schema: Schema, obj: Any, *, mode: str) -> list[str]:
    """See Schema.decode."""
    report = readers.Partial() if mode == "Partial" else []
    try:
        schema.read(schema, obj, None, report if mode != "Ignore" else None)
    except readers.Mismatch as wrong:
        raise BadRequest(cannot_be_handled(obj, wrong.sentence())) from None
    except RecursionError:
        raise BadRequest(cannot_be_handled(obj, "exceeded max depth")) from None
    return report


def cannot_be_handled(obj: Any, why: str) -> str:
    """`Pod in version "v1" cannot be handled as a Pod: ...`."""
    if not isinstance(obj, dict) or not isinstance(obj.get("kind"), str) or not obj["kind"]:
        return f"the object provided is unrecognized: {why}"
    kind, version = obj["kind"], str(obj.get("apiVersion", "")).rsplit("/", 1)[-1]
    return f'{kind} in version "{version}" cannot be handled as a {kind}: {why}'


def strict_error(obj: Any, messages: list[str]) -> BadRequest:
    """The answer to unknown and duplicate fields under fieldValidation=Strict."""
    return BadRequest(cannot_be_handled(obj, "strict decoding error: " + ", ".join(messages)))


def parse_json(body: bytes, *, mode: str = "Ignore") -> tuple[Any, list[str]]:
    """(value, `duplicate field "spec.replicas"` messages, none in mode Ignore). Raises BadRequest on malformed JSON."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as wrong:
        if "depth limit" in wrong.msg or "allocate" in wrong.msg:  # the second is what short and deep ones get
            raise _too_deep() from None
        mended = body.decode(errors="replace").encode()
        if mended != body:  # bytes that are no UTF-8 become U+FFFD
            return parse_json(mended, mode=mode)
        raise BadRequest(f"couldn't get version/kind; json parse error: {_go_words(body, wrong)}") from None
    _check_depth(body, value)
    return (value, []) if mode == "Ignore" or _is_distinct(body, value) else (value, duplicates(body))


def _is_distinct(body: bytes, value: Any) -> bool:
    """False where a key may have been given twice: then the text shows more keys than its value written anew."""
    again = orjson.dumps(value)
    if b"\\" not in body and body.count(b'"') == again.count(b'"'):  # no escapes: as many strings, so none was lost
        return True
    spaced = sum(map(body.count, (b'" :', b'"\n:', b'"\t:', b'"\r:')))
    return _keys_written(body) + spaced <= _keys_written(again)


def _keys_written(text: bytes) -> int:
    """How often a quote and a colon meet, but for escaped quotes as in an annotation full of JSON."""
    return text.count(b'":') - text.count(b'\\":') + text.count(b'\\\\":')


def _check_depth(body: bytes, value: Any) -> None:
    """Raises BadRequest for nesting that only a hostile client sends. The encoder finds it: within so many lists, what is
    nested deeper than it may be is too deep for it, and it looks at all of a value faster than anything else."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return
    for _ in range(ENCODER_DEPTH - MAX_DEPTH):
        value = [value]
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        raise _too_deep() from None


def _too_deep() -> BadRequest:
    return BadRequest("couldn't get version/kind; json parse error: exceeded max depth")


class _Pairs(list[tuple[str, Any]]):
    """An object as parsed, duplicates included."""


def duplicates(body: bytes) -> list[str]:
    """`duplicate field "spec.replicas"` for every repeated key, in document order."""
    report: list[str] = []
    _find_duplicates(json.loads(body, object_pairs_hook=_Pairs, parse_int=str), "", report)
    return report


def _find_duplicates(value: Any, path: str, report: list[str]) -> None:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for key, item in value:
            place = f"{path}.{key}" if path else key
            message = f'duplicate field "{place}"' if key in seen else ""
            if message and len(report) < readers.MAX_STRICT_ERRORS and message not in report:
                report.append(message)
            seen.add(key)
            _find_duplicates(item, place, report)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _find_duplicates(item, f"{path}[{index}]", report)


def _go_words(body: bytes, wrong: orjson.JSONDecodeError) -> str:
    """The complaint of Go's decoder about the same byte."""
    at = wrong.pos
    text = wrong.doc if isinstance(wrong.doc, str) else body.decode(errors="replace")
    if at >= len(text.rstrip()):
        return "unexpected end of JSON input"
    shown = text[at] if text[at] != "'" else "\\'"
    return f"invalid character '{shown}' {_context(text, at)}"


def _context(text: str, at: int) -> str:
    before = text[:at].rstrip()[-1:]
    if not before:
        return "looking for beginning of value"
    if before == "{":
        return "looking for beginning of object key string"
    if before in ",[:":
        return "looking for beginning of value"
    return (
        "after top-level value"
        if before in "}]" and text[:at].count("{") == text[:at].count("}")
        else ("after object key:value pair")
    )
