"""What an informer knows: objects by key, and by the values of named indexes. Objects are shared and never changed."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Obj = dict[str, Any]
Indexer = Callable[[Obj], Iterable[str]]


def key_of(obj: Obj) -> str:
    """`namespace/name`, or `name` for an object without namespace."""
    meta = obj["metadata"]
    namespace = meta.get("namespace")
    return f"{namespace}/{meta['name']}" if namespace else meta["name"]


def by_namespace(obj: Obj) -> Iterable[str]:
    """An indexer: the object's namespace."""
    return (obj["metadata"].get("namespace", ""),)


def by_node(obj: Obj) -> Iterable[str]:
    """An indexer of pods: the node they are bound to."""
    name = obj.get("spec", {}).get("nodeName")
    return (name,) if name else ()


class Store:
    """Read by anyone, written by its informer only."""

    def __init__(self, indexers: Mapping[str, Indexer] | None = None):
        self._objects: dict[str, Obj] = {}
        self._indexers: dict[str, Indexer] = {}
        self._indexes: dict[str, dict[str, dict[str, Obj]]] = {}  # index -> value -> key -> object
        for name, indexer in (indexers or {}).items():
            self.add_indexer(name, indexer)

    def __len__(self) -> int:
        return len(self._objects)

    def __contains__(self, key: str) -> bool:
        return key in self._objects

    def get(self, key: str) -> Obj | None:
        return self._objects.get(key)

    def list(self) -> builtins.list[Obj]:
        return list(self._objects.values())

    def keys(self) -> builtins.list[str]:
        return [*self._objects]

    def by_index(self, index: str, value: str) -> builtins.list[Obj]:
        """Objects whose indexer named `value`. Raises KeyError for an index that was not asked for."""
        return [*self._indexes[index].get(value, {}).values()]

    def index_values(self, index: str) -> builtins.list[str]:
        return [*self._indexes[index]]

    def add_indexer(self, name: str, indexer: Indexer) -> None:
        """Adds an index, over what is already there too. The same name again must mean the same index."""
        if name in self._indexers:
            return
        self._indexers[name] = indexer
        index = self._indexes[name] = {}
        for key, obj in self._objects.items():
            _insert(index, indexer, key, obj)

    def set(self, key: str, obj: Obj) -> Obj | None:
        """Puts `obj` there and gives what was there before."""
        old = self._objects.get(key)
        self._objects[key] = obj
        for name, indexer in self._indexers.items():
            index = self._indexes[name]
            if old is not None:
                _remove(index, indexer, key, old)
            _insert(index, indexer, key, obj)
        return old

    def remove(self, key: str) -> Obj | None:
        old = self._objects.pop(key, None)
        if old is not None:
            for name, indexer in self._indexers.items():
                _remove(self._indexes[name], indexer, key, old)
        return old


def _insert(index: dict[str, dict[str, Obj]], indexer: Indexer, key: str, obj: Obj) -> None:
    for value in indexer(obj):
        index.setdefault(value, {})[key] = obj


def _remove(index: dict[str, dict[str, Obj]], indexer: Indexer, key: str, obj: Obj) -> None:
    for value in indexer(obj):
        held = index.get(value)
        if held is not None:
            held.pop(key, None)
            if not held:
                del index[value]
