"""Strategic merge patch: merge patch that knows, by the schema, which lists merge by a key.

    live  {"containers": [{"name": "a", "image": "1"}, {"name": "b"}]}
    patch {"containers": [{"name": "a", "image": "2"}]}
    gives {"containers": [{"name": "a", "image": "2"}, {"name": "b"}]}

Directives: `$patch: replace|delete|merge`, `$retainKeys`, `$deleteFromPrimitiveList/x`, `$setElementOrder/x`. In a merged
list the patch's items come before those only the server has, unless an old order says otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pocketkube.api.meta.errors import BadRequest

if TYPE_CHECKING:
    from pocketkube.api.schema.model import Schema

Obj = dict[str, Any]
Items = list[Any]

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_DELETE_FROM = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"


def strategic_merge(obj: Obj, patch: Any, schema: Schema) -> Obj:
    """`obj` with `patch` merged in by `schema`. Raises BadRequest for a patch that makes no sense."""
    if type(patch) is not dict:
        raise BadRequest("error decoding patch: a strategic merge patch must be a JSON object")
    return _merge_map(obj, patch, schema)


def _merge_map(old: Obj, patch: Obj, schema: Schema | None) -> Obj:
    if _DIRECTIVE in patch:
        return _directed(old, patch, schema)
    new = dict(old)
    if _RETAIN in patch:
        _retain(new, patch)
    for key, value in patch.items():
        if key.startswith("$"):
            _list_directive(new, patch, key, schema)
        elif _ORDER + key in patch:
            continue
        elif value is None:
            new.pop(key, None)
        else:
            new[key] = _merge_value(new.get(key), value, schema.field(key) if schema else None)
    return new


def _merge_value(old: Any, value: Any, schema: Schema | None) -> Any:
    if type(value) is dict:
        if schema is not None and schema.merge_strategy == "replace" and type(old) is dict:
            return value
        return _merge_map(old, value, schema) if type(old) is dict else _bare(value)
    if type(value) is list:
        if type(old) is not list:
            return _bare(value)
        return _merge_list(old, value, schema) if schema is not None and schema.merge_strategy == "merge" else value
    return value


def _directed(old: Obj, patch: Obj, schema: Schema | None) -> Obj:
    directive = patch[_DIRECTIVE]
    rest = {k: v for k, v in patch.items() if k != _DIRECTIVE}
    if directive == "replace":
        return rest
    if directive == "delete":
        return {}
    if directive == "merge":
        return _merge_map(old, rest, schema)
    raise BadRequest(f"unknown patch type: {directive} in map: {_go_map(patch)}")


def _bare(value: Any) -> Any:
    """What a patch adds where nothing was: without directives and nulls."""
    if type(value) is dict:
        if value.get(_DIRECTIVE) == "delete":
            return {}
        return {k: _bare(v) for k, v in value.items() if v is not None and not k.startswith("$")}
    if type(value) is list:
        return [_bare(v) for v in value if not (type(v) is dict and _DIRECTIVE in v)]
    return value


def _retain(new: Obj, patch: Obj) -> None:
    """Drop every key that `$retainKeys` does not name."""
    kept = patch[_RETAIN]
    if type(kept) is not list:
        raise BadRequest("invalid patch format of retainKeys: not a list")
    for key in patch:
        if not key.startswith("$") and key not in kept and patch[key] is not None:
            raise BadRequest(f"invalid patch format of retainKeys: {key} is in the patch but not in the list")
    for key in [k for k in new if k not in kept]:
        del new[key]


def _list_directive(new: Obj, patch: Obj, key: str, schema: Schema | None) -> None:
    if key.startswith(_ORDER):
        _in_order(new, patch, key.removeprefix(_ORDER), schema)
    elif key.startswith(_DELETE_FROM):
        name = key.removeprefix(_DELETE_FROM)
        if type(patch[key]) is not list:
            raise BadRequest("invalid patch format of primitive list: not a list")
        if type(new.get(name)) is list:
            new[name] = [item for item in new[name] if item not in patch[key]]
    elif key != _RETAIN:
        raise BadRequest(f"unknown directive: {key}")


def _in_order(new: Obj, patch: Obj, name: str, schema: Schema | None) -> None:
    """Merge the list `name`, then bring it into the order that the patch states; the server's other items keep theirs."""
    wanted = patch[_ORDER + name]
    field = schema.field(name) if schema else None
    old, change = new.get(name), patch.get(name)
    if type(wanted) is not list:
        raise BadRequest("invalid patch format of setElementOrder: not a list")
    if name in patch and change is None:
        new.pop(name, None)
        return
    if type(old) is not list and type(change) is not list:
        return
    if type(old) is list and _DELETE_FROM + name in patch:
        old = [item for item in old if item not in patch[_DELETE_FROM + name]]
    before: Items = old if type(old) is list else []
    merged: Items = _merge_value(old, change, field) if type(change) is list else list(before)
    key = field.merge_key if field else ""
    new[name] = _ordered(merged, wanted, before, key)


def _merge_list(old: Items, patch: Items, schema: Schema) -> Items:
    if all(type(item) is dict for item in (*old, *patch)):
        return _merge_objects(old, patch, schema)
    merged = list(old)
    merged += [item for i, item in enumerate(patch) if item not in old and item not in patch[:i]]
    return _ordered(merged, patch, old, "")


def _merge_objects(old: Items, patch: Items, schema: Schema) -> Items:
    key = schema.merge_key
    if not key:
        raise BadRequest("cannot merge lists without merge key")
    plain, merged = _special(old, patch, key)
    places = {_identity(item.get(key)): place for place, item in reversed(list(enumerate(merged)))}
    for item in plain:
        identity = _identity(_key_of(item, key))
        place = places.get(identity)
        if place is None:
            places[identity] = len(merged)
            merged.append(_bare(item))
        else:
            merged[place] = _merge_map(merged[place], item, schema.items)
    return _ordered(merged, plain, old, key)


def _special(old: Items, patch: Items, key: str) -> tuple[Items, Items]:
    """(the patch's items without a directive, the old items that deletions and replacement leave)."""
    plain: Items = []
    left = list(old)
    replaced = False
    for item in patch:
        directive = item.get(_DIRECTIVE)
        if directive is None:
            plain.append(item)
        elif directive == "delete":
            gone = _identity(_key_of(item, key))
            left = [other for other in left if _identity(other.get(key)) != gone]
        elif directive == "replace":
            replaced = True
        elif directive == "merge":
            raise BadRequest("merging lists cannot yet be specified in the patch")
        else:
            raise BadRequest(f"unknown patch type: {directive} in map: {_go_map(item)}")
    return plain, [] if replaced else left


def _key_of(item: Obj, key: str) -> Any:
    if key not in item:
        raise BadRequest(f"map: {_go_map(item)} does not contain declared merge key: {key}")
    return item[key]


def _identity(value: Any) -> Any:
    """Something hashable that tells true from 1."""
    return (type(value), value) if isinstance(value, bool | str | int | float | None) else repr(value)


def _ordered(merged: Items, wanted: Items, old: Items, key: str) -> Items:
    """`merged` in the order of `wanted`; items it does not name in the order of `old`, each as late as that allows."""

    def identity(item: Any) -> Any:
        return _identity(item.get(key) if key and type(item) is dict else item)

    rank = {identity(item): i for i, item in reversed(list(enumerate(wanted)))}
    was = {identity(item): i for i, item in reversed(list(enumerate(old)))}
    named = sorted((item for item in merged if identity(item) in rank), key=lambda item: rank[identity(item)])
    others = [item for item in merged if identity(item) not in rank]
    others.sort(key=lambda item: was.get(identity(item), len(old)))
    return _interleaved(others, named, [was.get(identity(i)) for i in others], [was.get(identity(i)) for i in named])


def _interleaved(others: Items, named: Items, other_was: list[int | None], named_was: list[int | None]) -> Items:
    """Two ordered lists become one: an item of `others` goes first only where both were there and it stood before."""
    found: Items = []
    i = j = 0
    while i < len(others) and j < len(named):
        mine, theirs = other_was[i], named_was[j]
        if mine is not None and theirs is not None and mine < theirs:
            found.append(others[i])
            i += 1
        else:
            found.append(named[j])
            j += 1
    return found + others[i:] + named[j:]


def _go_map(item: Obj) -> str:
    """A map as Go prints it: map[$patch:delete name:a]."""
    return "map[" + " ".join(f"{k}:{item[k]}" for k in sorted(item)) + "]"
