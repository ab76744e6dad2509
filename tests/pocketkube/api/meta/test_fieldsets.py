"""Field sets against plain sets of paths."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.api.meta import fieldsets
from pocketkube.api.meta.fieldsets import FieldSet

Obj = dict[str, Any]

Path = tuple[str, ...]
paths = st.frozensets(
    st.lists(st.sampled_from(["f:a", "f:b", 'k:{"n":"x"}']), min_size=1, max_size=3).map(tuple), max_size=6
)


def build(found: frozenset[Path]) -> FieldSet:
    out: FieldSet = {}
    for path in sorted(found):
        out = fieldsets.union(out, single(path))
    return out


def single(path: Path) -> FieldSet:
    node: FieldSet = {}
    for element in reversed(path):
        node = {element: node}
    return node


def members(found: FieldSet, prefix: Path = ()) -> frozenset[Path]:
    out: set[Path] = set()
    for element, node in found.items():
        if element != ".":
            path = (*prefix, element)
            if fieldsets.is_member(node):
                out.add(path)
            out |= members(node, path)
    return frozenset(out)


@given(paths, paths)
def test_operations_are_those_of_sets(one: frozenset[Path], other: frozenset[Path]) -> None:
    left, right = build(one), build(other)
    assert members(left) == one
    assert members(fieldsets.union(left, right)) == one | other
    assert members(fieldsets.difference(left, right)) == one - other
    assert members(fieldsets.intersection(left, right)) == one & other
    assert len(list(fieldsets.paths(left))) == len(one)


@given(paths, paths)
def test_nothing_to_do_returns_the_first(one: frozenset[Path], other: frozenset[Path]) -> None:
    left = build(one)
    if not one & other:
        assert fieldsets.difference(left, build(other)) is left
    if other <= one:
        assert fieldsets.union(left, build(other)) is left


@given(paths)
def test_results_are_well_formed(one: frozenset[Path]) -> None:
    assert fieldsets.is_valid(build(one))


@pytest.mark.parametrize(
    "bad", [None, [], {"x": {}}, {"f:a": 1}, {"k:x": {}}, {"k:1": {}}, {"i:x": {}}, {"f:a": {"f:b": None}}], ids=repr
)
def test_malformed(bad: Any) -> None:
    assert not fieldsets.is_valid(bad)


def test_paths_are_written_as_upstream_does() -> None:
    found: FieldSet = {
        "f:spec": {
            'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:name": {}},
            'v:"x"': {},
            "i:3": {},
        }
    }
    assert list(fieldsets.paths(found)) == [
        ".spec[3]",
        '.spec[containerPort=80,protocol="TCP"]',
        '.spec[containerPort=80,protocol="TCP"].name',
        '.spec[="x"]',
    ]


def test_without_takes_all_below() -> None:
    found: FieldSet = {"f:a": {"f:b": {"f:c": {}}}, "f:d": {}}
    assert fieldsets.without(found, "f:a", "f:b") == {"f:d": {}}
    assert fieldsets.without(found, "f:x") is found


def test_order_is_upstreams() -> None:
    """Itself, fields by name, items by their keys' values (numbers as such), by value, by place."""
    found: FieldSet = {
        "i:10": {},
        "i:9": {},
        'v:"b"': {},
        "v:10": {},
        "v:9": {},
        'k:{"port":443}': {"f:b": {}, "f:a": {}, ".": {}},
        'k:{"port":80}': {},
        "f:x": {},
        ".": {},
    }
    wanted = [".", "f:x", 'k:{"port":80}', 'k:{"port":443}', "v:9", "v:10", 'v:"b"', "i:9", "i:10"]
    ordered = fieldsets.ordered(found)
    assert list(ordered) == wanted
    assert list(ordered['k:{"port":443}']) == [".", "f:a", "f:b"]
    assert ordered == found
    assert list(fieldsets.ordered(ordered)) == wanted


def test_sets_that_are_alike_share_one() -> None:
    one: Obj = {"f:b": {"f:c": {}}, "f:a": {}}
    other: Obj = {"f:b": {"f:c": {}}, "f:a": {}}
    assert fieldsets.ordered(one) is fieldsets.ordered(other)
    assert list(one) == ["f:b", "f:a"], "what is given stays as it is"
    large: Obj = {f"f:{number}": {} for number in range(1000)}
    assert fieldsets.ordered(large) == large
    assert list(fieldsets.ordered(large)) == sorted(large)
