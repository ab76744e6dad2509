"""Label and field selectors of a request become a cache Query: what an index can answer, and a test for the rest."""

from __future__ import annotations

from apiserver.registry.resource import Resource
from apiserver.storage.cache import Entry, Query, ResourceCache
from pocketkube.api.meta import errors
from pocketkube.api.meta.selectors import FieldTerm, Selector, parse_field_selector, parse_label_selector

_METADATA = ("metadata.name", "metadata.namespace")


def query_of(resource: Resource, namespace: str, *, labels: str, fields: str, name: str = "") -> Query:
    """Raises BadRequest in upstream's words for a selector that cannot be read or a field that cannot be selected."""
    if not labels and not fields:
        return Query(namespace=namespace, name=name)
    selector = parse_label_selector(labels) if labels else None
    terms = parse_field_selector(fields) if fields else ()
    exact, tests = [], []
    for label, op, value in terms:
        _check(resource, label)
        key = resource.kind.field_labels.get(label, label)
        term = FieldTerm(key, op, value)
        if op == "!=" or not value:
            tests.append(term)
        elif key == "metadata.name" and name in ("", value):
            name = value
        elif key == "metadata.namespace" and namespace in ("", value):
            namespace = value
        elif key in _METADATA:
            tests.append(term)
        else:
            exact.append((key, value))
    pairs = tuple(selector.exact().items()) if selector else ()
    among = tuple((r.key, r.values) for r in selector.requirements if r.op == "in") if selector and not pairs else ()
    rest = selector if selector and len(pairs) + len(among) < len(selector.requirements) else None
    return Query(namespace, name, pairs, tuple(exact), among, _match(resource.cache, rest, tests))


def _check(resource: Resource, key: str) -> None:
    if key in _METADATA or key in resource.kind.selectable:
        return
    if resource.kind.selectable or resource.kind.custom:
        raise errors.BadRequest(f"field label not supported: {key}")
    raise errors.BadRequest(f'"{key}" is not a known field selector: only "metadata.name", "metadata.namespace"')


class _Match:
    """The conditions that no index answers."""

    def __init__(self, cache: ResourceCache, selector: Selector | None, terms: list[FieldTerm]):
        self._cache = cache
        self._selector = selector
        self._terms = terms

    def __call__(self, entry: Entry) -> bool:
        if self._selector is not None and not self._selector.matches(entry.labels):
            return False
        for key, op, value in self._terms:  # noqa: SIM110 - as in Selector.matches
            if (self._cache.field(entry, key) == value) == (op == "!="):
                return False
        return True


def _match(cache: ResourceCache, selector: Selector | None, terms: list[FieldTerm]) -> _Match | None:
    return _Match(cache, selector, terms) if selector is not None or terms else None
