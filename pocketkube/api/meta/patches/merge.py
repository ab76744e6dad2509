"""JSON merge patch, RFC 7386: maps merge, null removes, everything else replaces."""

from __future__ import annotations

from typing import Any

from pocketkube.api.meta.errors import BadRequest

Obj = dict[str, Any]


def merge_patch(obj: Obj, patch: Any) -> Obj:
    """`obj` with `patch` merged in. Raises BadRequest where the patch is not an object."""
    if type(patch) is not dict:
        raise BadRequest("error decoding patch: a merge patch must be a JSON object")
    return _merged(obj, patch)


def _merged(old: Obj, patch: Obj) -> Obj:
    new = dict(old)
    for key, value in patch.items():
        if value is None:
            new.pop(key, None)
        elif type(value) is dict:
            before = new.get(key)
            new[key] = _merged(before if type(before) is dict else {}, value)
        else:
            new[key] = value
    return new
