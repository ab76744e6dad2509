"""The entries of one resource in key order, with an index of every label pair and every selectable field."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import replace

from apiserver.storage.entry import Entry, Query
from apiserver.storage.slices import Test

Pair = tuple[str, str]

SORTED_SHARE = 8  # from this part of all entries on, picking them out is faster than sorting their keys
NO_KEYS: set[str] = set()  # never changed


class Entries:
    """Reads cost what they return; a write costs a bisection, and index work only for labels and fields that changed."""

    def __init__(self, fields: Sequence[str], *, namespaced: bool) -> None:
        self._namespaced = namespaced
        self._fields = tuple(fields)
        self._field_at = {name: at for at, name in enumerate(fields)}
        self._by_key: dict[str, Entry] = {}
        self._keys: list[str] = []  # sorted; `_ordered` runs beside it
        self._ordered: list[Entry] = []
        self._labelled: dict[Pair, set[str]] = {}  # label pair -> keys
        self._valued: dict[Pair, set[str]] = {}  # (field, value) -> keys

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, key: str) -> Entry | None:
        return self._by_key.get(key)

    def field(self, entry: Entry, name: str) -> str:
        """The value that a field selector compares; KeyError for a field that was not registered."""
        if name == "metadata.name":
            return entry.name
        if name == "metadata.namespace":
            return entry.namespace
        return entry.fields[self._field_at[name]]

    def pairs(self, entry: Entry) -> Iterable[Pair]:
        """(field, value) of every registered field."""
        return zip(self._fields, entry.fields, strict=True)

    def select(self, query: Query) -> list[Entry]:
        """The entries that a query selects, in key order. For small resources; see `candidates`."""
        found, selects = self.candidates(query)
        return found if selects is None else [entry for entry in found if selects(entry)]

    def candidates(self, query: Query) -> tuple[list[Entry], Test | None]:
        """All that a query can select, in key order, as they are now, and what is left to test; None: nothing."""
        if query.name and (query.namespace or not self._namespaced):
            entry = self.get(f"{query.namespace}/{query.name}" if query.namespace else query.name)
            return ([entry] if entry else []), self.test(query)
        if (keys := self._narrowest(query)) is not None:
            return self._in_order(keys), self.test(query)
        return self._range(query.namespace), self.test(replace(query, namespace=""))

    def _in_order(self, keys: set[str]) -> list[Entry]:
        if len(keys) * SORTED_SHARE < len(self._ordered):
            return [self._by_key[key] for key in sorted(keys)]
        return [entry for entry in self._ordered if entry.key in keys]  # sorting so many takes longer

    def test(self, query: Query) -> Test | None:
        """One predicate for all conditions of a query; None if every entry passes."""
        tests: list[Test] = []
        if namespace := query.namespace:
            tests.append(lambda entry: entry.namespace == namespace)
        if name := query.name:
            tests.append(lambda entry: entry.name == name)
        if len(labels := query.labels) == 1:
            (pair,) = labels
            tests.append(lambda entry: pair in entry.labels.items())
        elif labels:
            tests.append(lambda entry: all(entry.labels.get(label) == value for label, value in labels))
        if among := query.among:
            tests.append(lambda entry: all(entry.labels.get(label) in values for label, values in among))
        if fields := query.fields:
            tests.append(lambda entry: all(self.field(entry, field) == value for field, value in fields))
        if query.match is not None:
            tests.append(query.match)
        if len(tests) <= 1:
            return tests[0] if tests else None
        return lambda entry: all(test(entry) for test in tests)

    def _narrowest(self, query: Query) -> set[str] | None:
        """The smallest of the index sets that a query can use; None if it can use none."""
        sets = [[self._labelled.get(pair, NO_KEYS)] for pair in query.labels]
        sets += [[self._valued.get(pair, NO_KEYS)] for pair in query.fields if pair[0] in self._field_at]
        sets += [[self._labelled.get((label, value), NO_KEYS) for value in values] for label, values in query.among]
        if not sets:
            return None
        narrowest = min(sets, key=lambda parts: sum(map(len, parts)))
        return narrowest[0] if len(narrowest) == 1 else set[str]().union(*narrowest)

    def page(self, namespace: str, limit: int) -> tuple[list[Entry], int]:
        """The first `limit` (above 0) entries of a namespace, or of all, and how many are left; at the cost of that page."""
        start, end = self._span(namespace)
        return self._ordered[start : min(end, start + limit)], max(0, end - start - limit)

    def _range(self, namespace: str) -> list[Entry]:
        start, end = self._span(namespace)
        return self._ordered[start:end]

    def _span(self, namespace: str) -> tuple[int, int]:
        """Where a namespace begins and ends in the order; all of it for ""."""
        if not namespace:
            return 0, len(self._ordered)
        start = bisect_left(self._keys, namespace + "/")
        return start, bisect_left(self._keys, namespace + "0", start)  # "0" follows "/"

    def another(self) -> Entries:
        """One of the same sort without entries, to be filled beside this one."""
        return Entries(self._fields, namespaced=self._namespaced)

    def append(self, entry: Entry) -> None:
        """Add what follows all others in key order."""
        self._by_key[entry.key] = entry
        self._keys.append(entry.key)
        self._ordered.append(entry)
        self._add_to_index(entry)

    def take(self, other: Entries) -> None:
        """Have in place of all entries those of another, which is not used any more."""
        self._by_key, self._keys, self._ordered = other._by_key, other._keys, other._ordered
        self._labelled, self._valued = other._labelled, other._valued

    def clear(self) -> None:
        for part in (self._by_key, self._keys, self._ordered, self._labelled, self._valued):
            part.clear()

    def put(self, entry: Entry) -> Entry | None:
        """Add or replace; the entry that was there."""
        key = entry.key
        previous = self._by_key.get(key)
        self._by_key[key] = entry
        at = bisect_left(self._keys, key)
        if previous is None:
            self._keys.insert(at, key)
            self._ordered.insert(at, entry)
            self._add_to_index(entry)
            return None
        self._ordered[at] = entry
        if previous.labels == entry.labels:
            entry.labels = previous.labels  # one dict for all revisions of an object
        if previous.labels is not entry.labels or previous.fields != entry.fields:
            self._remove_from_index(previous)
            self._add_to_index(entry)
        return previous

    def pop(self, key: str) -> Entry | None:
        entry = self._by_key.pop(key, None)
        if entry is not None:
            at = bisect_left(self._keys, key)
            del self._keys[at], self._ordered[at]
            self._remove_from_index(entry)
        return entry

    def _add_to_index(self, entry: Entry) -> None:
        for pair in entry.labels.items():
            self._labelled.setdefault(pair, set()).add(entry.key)
        for pair in self.pairs(entry):
            self._valued.setdefault(pair, set()).add(entry.key)

    def _remove_from_index(self, entry: Entry) -> None:
        for index, pairs in ((self._labelled, entry.labels.items()), (self._valued, self.pairs(entry))):
            for pair in pairs:
                keys = index[pair]
                keys.discard(entry.key)
                if not keys:
                    del index[pair]
