"""JSON patch, RFC 6902: a list of operations on JSON pointers."""

from __future__ import annotations

from typing import Any

import orjson

from pocketkube.api.meta.errors import BadRequest, Invalid, RequestEntityTooLarge
from pocketkube.api.meta.limits import MAX_COPIED, MAX_DEPTH

Obj = dict[str, Any]

MAX_OPERATIONS = 10_000  # upstream's limit


class _Wrong(Exception):
    """An operation that cannot be done on this document."""


def json_patch(obj: Obj, ops: Any) -> Obj:
    """`obj` after every operation. Raises BadRequest for a malformed patch, Invalid for one that does not apply."""
    if not isinstance(ops, list) or not all(isinstance(op, dict) for op in ops):
        raise BadRequest("error decoding patch: a JSON patch must be a list of operations")
    if len(ops) > MAX_OPERATIONS:
        raise RequestEntityTooLarge(
            f"Request entity too large: The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(ops)}"
        )
    document: Any = obj
    copied = 0
    for op in ops:
        try:
            copied += _copied_bytes(document, op)
            if copied > MAX_COPIED:
                raise RequestEntityTooLarge(
                    f"Unable to complete the copy, the accumulated size increase of copy is {copied},"
                    f" exceeding the limit {MAX_COPIED}"
                )
            document = _apply(document, op)
        except _Wrong as wrong:
            raise _refused(str(wrong)) from None
    if not isinstance(document, dict):
        raise _refused("the result is not an object")
    return document


def _copied_bytes(document: Any, op: Obj) -> int:
    """How much an operation adds by copying: copies share memory here, but each is written out in full."""
    if op.get("op") != "copy" or not isinstance(op.get("from"), str):
        return 0
    return len(orjson.dumps(_find(document, op["from"], missing=None)))


def _refused(why: str) -> Invalid:
    return Invalid(
        "the server rejected our request due to an error in our request",
        details={"causes": [{"reason": "UnexpectedServerResponse", "message": why}]},
    )


def _apply(document: Any, op: Obj) -> Any:
    name, path = op.get("op"), op.get("path")
    if not isinstance(path, str):
        raise _Wrong("operation without a path")
    if name in ("add", "replace", "test"):
        if "value" not in op and name != "test":
            raise _Wrong(f"{name} operation without a value")
        return _with_value(document, name, path, op.get("value"))
    if name == "remove":
        return _change(document, _pointer(path), _remove, path, None)
    if name in ("move", "copy"):
        source = op.get("from")
        if not isinstance(source, str):
            raise _Wrong(f"{name} operation without a from")
        return _transfer(document, name, source, path)
    raise _Wrong(f"Unexpected kind: {name}")


def _with_value(document: Any, name: str, path: str, value: Any) -> Any:
    if name == "test":
        if not _same(_find(document, path, missing=None), value):
            raise _Wrong(f"testing value {path} failed: test failed")
        return document
    return _change(document, _pointer(path), _add if name == "add" else _replace, path, value)


def _transfer(document: Any, name: str, source: str, path: str) -> Any:
    value = _find(document, source, missing=_Wrong(f"error in {name} for path: '{path}': missing value"))
    if name == "move":
        if path.startswith(source + "/"):
            raise _Wrong(f"error in move for path: '{path}': cannot move into itself")
        document = _change(document, _pointer(source), _remove, source, None)
    return _change(document, _pointer(path), _add, path, value)


def _same(one: Any, other: Any) -> bool:
    """JSON equality: true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _pointer(path: str) -> list[str]:
    if path == "":
        return []
    if not path.startswith("/"):
        raise _Wrong(f"doc is missing path: {path}: missing value")
    return [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]


def _find(document: Any, path: str, *, missing: _Wrong | None) -> Any:
    for part in _pointer(path):
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list) and (index := _index(part, len(document))) is not None:
            document = document[index]
        elif missing is not None:
            raise missing
        else:
            return None
    return document


def _index(part: str, length: int) -> int | None:
    if not part.removeprefix("-").isascii() or not part.removeprefix("-").isdigit():
        return None
    index = int(part)
    if index < 0:
        index += length
    return index if 0 <= index < length else None


def _change(document: Any, parts: list[str], act: Any, path: str, value: Any) -> Any:
    """A copy of the containers on the way to `parts`, with `act` done in the last."""
    if act is not _remove and len(parts) + _depth(value, MAX_DEPTH) > MAX_DEPTH:
        raise _Wrong(f"the result is nested deeper than {MAX_DEPTH}")
    if not parts:
        if act is _remove:
            raise _Wrong("unable to remove the whole document")
        return value
    root = here = _copied(document, act, path)
    for part in parts[:-1]:
        key: Any = part
        if isinstance(here, list):
            key = _index(part, len(here))
        if key is None or (isinstance(here, dict) and key not in here):
            raise _missing_path(act, path)
        here[key] = _copied(here[key], act, path)
        here = here[key]
    act(here, parts[-1], path, value)
    return root


def _depth(value: Any, most: int) -> int:
    """How deep a value is nested, as far as `most`."""
    depth, level = 0, [value]
    while depth <= most:
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            break
        depth += 1
    return depth


def _copied(container: Any, act: Any, path: str) -> Any:
    if isinstance(container, dict):
        return dict(container)
    if isinstance(container, list):
        return list(container)
    raise _missing_path(act, path)


_NAMES = {"_add": "add", "_replace": "replace", "_remove": "remove"}


def _missing_path(act: Any, path: str) -> _Wrong:
    return _Wrong(f'{_NAMES[act.__name__]} operation does not apply: doc is missing path: "{path}": missing value')


def _missing_key(name: str, path: str) -> _Wrong:
    return _Wrong(f"{name} operation does not apply: doc is missing key: {path}: missing value")


def _add(here: Any, part: str, path: str, value: Any) -> None:
    if isinstance(here, dict):
        here[part] = value
        return
    if part == "-":
        here.append(value)
        return
    index = len(here) if part == str(len(here)) else _index(part, len(here))
    if index is None:
        raise _Wrong(f'add operation does not apply: doc is missing path: "{path}": invalid index referenced')
    here.insert(index, value)


def _replace(here: Any, part: str, path: str, value: Any) -> None:
    key: Any = part if isinstance(here, dict) else _index(part, len(here))
    if key is None or (isinstance(here, dict) and key not in here):
        raise _missing_key("replace", path)
    here[key] = value


def _remove(here: Any, part: str, path: str, value: Any) -> None:
    key: Any = part if isinstance(here, dict) else _index(part, len(here))
    if key is None or (isinstance(here, dict) and key not in here):
        raise _missing_key("remove", path)
    del here[key]
