"""Whatever bytes come in, decoders answer with a value or an error that is the client's, and soon."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.handlers import continuation
from apiserver.protobuf import wire
from apiserver.representation import parse_accept
from apiserver.request import parse_query
from pocketkube.api.meta import errors, quantity, selectors, times
from pocketkube.api.schema import decode, yaml_text

SECONDS = 0.5  # of CPU; what a decoder takes for any input of this size is far below

_pieces = st.sampled_from(
    [b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"\\u", b"d800", b"null", b"1e999", b"- ", b"? ", b"&a ", b"*a",
     b"!!python/object:x ", b"<<: ", b"|", b">",
     b"\n", b"  ", b"\t", b"---", b"%", b"\x00", b"\xff", b"k8s\x00", b"\x0a\x02v1", b"\x12\xff\xff\xff\xff\x0f", b"=", b"!",
     b"in (", b")", b"a", b"%zz", b"&", b";q=",
     b"application/", b"9" * 40, b"-", b".", b"E+", b"Ki", b"2026-11-21T", b"Z"]
)  # fmt: skip
_hostile = st.one_of(st.binary(max_size=200), st.lists(_pieces, max_size=40).map(b"".join))


def _text(decoder: Callable[[str], Any]) -> Callable[[bytes], Any]:
    return lambda data: decoder(data.decode("latin-1"))


DECODERS: dict[str, Callable[[bytes], Any]] = {
    "json": lambda data: decode.parse_json(data, mode="Strict"),
    "yaml": lambda data: yaml_text.parse_yaml(data, mode="Strict"),
    "protobuf": lambda data: wire.decode(b"k8s\x00" + data, "io.k8s.api.core.v1.Pod"),
    "label selector": _text(selectors.parse_label_selector),
    "field selector": _text(selectors.parse_field_selector),
    "quantity": _text(quantity.parse),
    "time": _text(times.parse),
    "continue": _text(continuation.decode),
    "accept": parse_accept,
    "query": parse_query,
}


@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=150, deadline=None)
@given(data=_hostile)
def test_refuses_in_its_own_words(name: str, data: bytes) -> None:
    begun = time.thread_time()
    try:
        DECODERS[name](data)
    except errors.StatusError as refusal:
        assert 400 <= refusal.code < 500, refusal
    except ValueError:
        assert name in ("quantity", "time")
    assert time.thread_time() - begun < SECONDS


@pytest.mark.parametrize(
    ("name", "data"),
    [
        pytest.param("json", b"[" * 1_000_000, id="json: deep"),
        pytest.param("json", b'{"a":' * 200_000, id="json: deep objects"),
        pytest.param("json", b'{"a":1,' + b'"a":1,' * 100_000 + b'"b":1}', id="json: many duplicates"),
        pytest.param("json", b"1" * 1_000_000, id="json: long number"),
        pytest.param("yaml", b"[" * 20_000, id="yaml: deep"),
        pytest.param(
            "yaml",
            b"a: &a [x]\n"
            + b"".join(b"%c: &%c [%b]\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 9)) for i in range(12)),
            id="yaml: aliases of aliases",
        ),
        pytest.param("protobuf", b"\x12\xff\xff\xff\xff\x0f" * 1000, id="protobuf: lengths past the end"),
        pytest.param("label selector", b"a in (" + b"b," * 50_000 + b")", id="selector: long"),
        pytest.param("quantity", b"9" * 100_000, id="quantity: long"),
        pytest.param("quantity", b"1e" + b"9" * 20, id="quantity: huge exponent"),
    ],
)
def test_bombs_cost_little(name: str, data: bytes) -> None:
    begun = time.thread_time()
    with contextlib.suppress(errors.StatusError, ValueError):
        DECODERS[name](data)
    assert time.thread_time() - begun < 2 * SECONDS
