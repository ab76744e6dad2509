"""JSON patch, RFC 6902: a list of operations on JSON pointers.

What is patched is never changed. A container on the way to a change is copied when it is first come to; that copy is the patch's own,
and later operations change it in place: a thousand additions to a map of a thousand cost a thousand steps, not a million. What a `copy`
puts elsewhere is copied whole, so that an own container has one place; a value out of the patch itself is not its own.
"""

from __future__ import annotations

from typing import Any

import orjson

from pocketkube.api.meta.errors import BadRequest, Invalid, RequestEntityTooLarge, unrouted
from pocketkube.api.meta.limits import MAX_COPIED, MAX_DEPTH

Obj = dict[str, Any]

MAX_OPERATIONS = 10_000  # upstream's limit
_MOST_DIGITS = 18  # of an index
_TOO_DEEP = f"the result is nested deeper than {MAX_DEPTH}"


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
    patching = Patching(obj)
    for op in ops:
        try:
            patching.apply(op)
        except _Wrong as wrong:
            raise _refused(str(wrong)) from wrong
    if not isinstance(patching.document, dict):
        raise _refused("the result is not an object")
    if patching.moved and _depth(patching.document, MAX_DEPTH) > MAX_DEPTH:
        raise _refused(_TOO_DEEP)
    return patching.document


def _refused(why: str) -> Invalid:
    """Clients are told no more than this, as by upstream; `why` is the error's cause."""
    refused = unrouted(Invalid("the server rejected our request due to an error in our request"))
    refused.__cause__ = _Wrong(why)
    return refused


class Patching:
    """One document under operations."""

    def __init__(self, document: Any):
        self.document = document
        self._own: dict[int, Any] = {}  # containers that this patch has made, by id; kept, so that no id comes twice
        self._copied = 0  # bytes
        self.moved = False  # how deep the document is nested now can be told from the whole of it alone
        self.steps = 0  # members of containers that were copied to be changed

    def apply(self, op: Obj) -> None:
        name, path = op.get("op"), op.get("path")
        if not isinstance(path, str):
            raise _Wrong("operation without a path")
        if name in ("add", "replace", "test"):
            if "value" not in op and name != "test":
                raise _Wrong(f"{name} operation without a value")
            self._with_value(name, path, op.get("value"))
        elif name == "remove":
            self._change(_pointer(path), _remove, path, None)
        elif name in ("move", "copy"):
            source = op.get("from")
            if not isinstance(source, str):
                raise _Wrong(f"{name} operation without a from")
            self._transfer(name, source, path)
        else:
            raise _Wrong(f"Unexpected kind: {name}")

    def _with_value(self, name: str, path: str, value: Any) -> None:
        if name == "test":
            if not _same(_find(self.document, path, missing=None), value):
                raise _Wrong(f"testing value {path} failed: test failed")
            return
        parts = _pointer(path)
        _check_depth(parts, value)
        self._change(parts, _add if name == "add" else _replace, path, value)

    def _transfer(self, name: str, source: str, path: str) -> None:
        value = _find(self.document, source, missing=_Wrong(f"error in {name} for path: '{path}': missing value"))
        parts = _pointer(path)
        if name == "copy":
            value = self._copy(value)
            _check_depth(parts, value)
        elif path.startswith(source + "/"):
            raise _Wrong(f"error in move for path: '{path}': cannot move into itself")
        else:
            self._change(_pointer(source), _remove, source, None)
            self.moved = True
        self._change(parts, _add, path, value)

    def _copy(self, value: Any) -> Any:
        """Raises RequestEntityTooLarge where all copies together are too large."""
        try:
            data = orjson.dumps(value)
        except orjson.JSONEncodeError:
            raise _Wrong(_TOO_DEEP) from None
        self._copied += len(data)
        if self._copied > MAX_COPIED:
            raise RequestEntityTooLarge(
                f"Unable to complete the copy, the accumulated size increase of copy is {self._copied},"
                f" exceeding the limit {MAX_COPIED}"
            )
        return orjson.loads(data)

    def _change(self, parts: list[str], act: Any, path: str, value: Any) -> None:
        """`act` done in the container that `parts` leads to; the containers on the way are the patch's own from then on."""
        if not parts:
            if act is _remove:
                raise _Wrong("unable to remove the whole document")
            self.document = value
            return
        here = self.document = self._mine(self.document, act, path)
        for part in parts[:-1]:
            key: Any = part
            if isinstance(here, list):
                key = _index(part, len(here))
            if key is None or (isinstance(here, dict) and key not in here):
                raise _missing_path(act, path)
            here[key] = self._mine(here[key], act, path)
            here = here[key]
        act(here, parts[-1], path, value)

    def _mine(self, container: Any, act: Any, path: str) -> Any:
        if id(container) in self._own:
            return container
        if not isinstance(container, dict | list):
            raise _missing_path(act, path)
        made = container.copy()
        self._own[id(made)] = made
        self.steps += len(made)
        return made


def _check_depth(parts: list[str], value: Any) -> None:
    if len(parts) + _depth(value, MAX_DEPTH) > MAX_DEPTH:
        raise _Wrong(_TOO_DEEP)


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
    digits = part.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > _MOST_DIGITS:
        return None
    index = int(part)
    if index < 0:
        index += length
    return index if 0 <= index < length else None


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
    """A member that is not there is added, as by upstream."""
    key: Any = part if isinstance(here, dict) else _index(part, len(here))
    if key is None:
        raise _missing_key("replace", path)
    here[key] = value


def _remove(here: Any, part: str, path: str, value: Any) -> None:
    key: Any = part if isinstance(here, dict) else _index(part, len(here))
    if key is None or (isinstance(here, dict) and key not in here):
        raise _missing_key("remove", path)
    del here[key]
