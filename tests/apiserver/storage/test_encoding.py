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


def _message(*fields: tuple[int, bytes]) -> bytes:
    return b"".join(bytes([number << 3 | 2, len(data)]) + data for number, data in fields)


def test_what_another_server_stored_as_protobuf() -> None:
    """k8s, then an envelope: field 1 says the type (1 apiVersion, 2 kind), field 2 is the object."""
    metadata = _message((1, b"c"), (3, b"default"))
    entry = _message((1, b"k"), (2, b"v"))
    value = b"k8s\0" + _message((1, _message((1, b"v1"), (2, b"ConfigMap"))), (2, _message((1, metadata), (2, entry))))
    found = orjson.loads(splice_revision(value, 7))
    assert found["kind"] == "ConfigMap"
    assert found["metadata"]["resourceVersion"] == "7"
    assert (found["metadata"]["name"], found["data"]) == ("c", {"k": "v"})


@pytest.mark.parametrize(
    "value", [b"k8s\0", b"k8s\0\xff", b"k8s\0" + _message((1, _message((1, b"v1"), (2, b"Nothing"))))]
)
def test_broken_protobuf(value: bytes) -> None:
    with pytest.raises(ValueError):
        splice_revision(value, 7)
