"""Stored bytes become served bytes and back."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.storage.encoding import encode, replace_revision, splice_revision, strip_revision


@pytest.mark.parametrize(
    ("value", "served"),
    [
        pytest.param(
            b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"},"spec":{}}',
            b'{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"7","name":"a"},"spec":{}}',
            id="as our encoder writes it",
        ),
        pytest.param(
            b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}',
            b'{"apiVersion":"v1","kind":"Pod","metadata":{"resourceVersion":"7","name":"a"}}',
            id="version first",
        ),
        pytest.param(
            b'{"kind":"Pod","apiVersion":"v1","metadata":{}}',
            b'{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"7"}}',
            id="empty metadata",
        ),
        pytest.param(
            b'{ "spec": {}, "metadata": {"name": "a"}, "kind": "Pod", "apiVersion": "v1" }',
            b'{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"7","name":"a"},"spec":{}}',
            id="another layout",
        ),
        pytest.param(
            b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","resourceVersion":"3"}}',
            b'{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"7","name":"a"}}',
            id="a revision that should not be there",
        ),
        pytest.param(
            b'{"kind":"E","apiVersion":"v1","metadata":{"name":"a"},"involvedObject":{"resourceVersion":"3"}}',
            b'{"kind":"E","apiVersion":"v1","metadata":{"resourceVersion":"7","name":"a"},'
            b'"involvedObject":{"resourceVersion":"3"}}',
            id="a revision deeper down",
        ),
    ],
)
def test_splice(value: bytes, served: bytes) -> None:
    assert splice_revision(value, 7) == served


@pytest.mark.parametrize("value", [b"", b"[]", b"k8s\x00protobuf", b'{"kind":'])
def test_what_is_no_object_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError):
        splice_revision(value, 1)


scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
objects = st.fixed_dictionaries(
    {"kind": st.text(), "apiVersion": st.text(), "metadata": st.dictionaries(st.text(), values)},
    optional={"spec": values, "resourceVersion": values},
)


@given(objects, st.integers(1, 2**62), st.integers(1, 2**62))
def test_only_the_revision_changes(obj: dict[str, Any], first: int, second: int) -> None:
    stored = encode(obj)
    served = splice_revision(stored, first)
    assert orjson.loads(served)["metadata"].pop("resourceVersion") == str(first)
    assert replace_revision(served, second) == splice_revision(stored, second)
    assert orjson.loads(strip_revision(served)) == orjson.loads(stored)
