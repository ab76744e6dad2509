"""Whatever bytes come in, decoders answer with a value or an error that is the client's, and soon."""

from __future__ import annotations

import base64
import contextlib
import copy
import os
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.authn import csr, jwts
from apiserver.freshness import revision_of
from apiserver.handlers import continuation
from apiserver.protobuf import wire
from apiserver.registry import columns
from apiserver.representation import parse_accept
from apiserver.request import parse_query
from pocketkube.api import cel
from pocketkube.api.kinds import cron
from pocketkube.api.meta import errors, fieldsets, quantity, selectors, times
from pocketkube.api.meta.patches import json_patch, merge_patch, strategic_merge
from pocketkube.api.schema import Schema, decode, yaml_text
from pocketkube.base import durations

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))  # of each decoder
SECONDS = 0.5  # of CPU; what a decoder takes for any input of this size is far below

_pieces = st.sampled_from(
    [b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"\\u", b"d800", b"null", b"1e999", b"- ", b"? ", b"&a ", b"*a",
     b"!!python/object:x ", b"<<: ", b"|", b">",
     b"\n", b"  ", b"\t", b"---", b"%", b"\x00", b"\xff", b"k8s\x00", b"\x0a\x02v1", b"\x12\xff\xff\xff\xff\x0f", b"=", b"!",
     b"in (", b")", b"a", b"%zz", b"&", b";q=",
     b"application/", b"9" * 40, b"-", b".", b"E+", b"Ki", b"2026-11-21T", b"Z",
     b"self", b"object.spec", b"has(", b".all(x,", b"[0]", b"'", b"r'", b" ? ", b" == ", b"&&", b"[?(@.a", b"..", b"@every ",
     b"*/", b"1h", b"f:", b"k:",
     b"eyJhbGciOiJub25lIn0.", b"\xe2\x82\xac"]
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
    "resource version": _text(revision_of),
    "JSON path": _text(columns.compile_path),
    "schedule": _text(cron.fault),
    "duration": _text(durations.parse),
    "web token": _text(jwts.unverified_claims),
    "CEL": _text(cel.compile_expression),
    "field set": lambda data: fieldsets.is_valid(decode.parse_json(data)[0]),
}
OWN_ERRORS = {"CEL": cel.CompileError} | dict.fromkeys(("quantity", "time", "JSON path", "duration"), ValueError)


@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=_hostile)
def test_refuses_in_its_own_words(name: str, data: bytes) -> None:
    assert min(seconds(name, data), seconds(name, data)) < SECONDS, "one of them may have met a collection of garbage"


def seconds(name: str, data: bytes) -> float:
    begun = time.thread_time()
    try:
        DECODERS[name](data)
    except errors.StatusError as refusal:
        assert 400 <= refusal.code < 500, refusal
    except (ValueError, cel.CompileError) as refusal:
        assert isinstance(refusal, OWN_ERRORS.get(name, ())), refusal
    return time.thread_time() - begun


@settings(max_examples=EXAMPLES, deadline=None)
@given(edits=st.lists(st.tuples(st.integers(0, 250), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_broken_certificate_request_has_no_subject_or_one(edits: list[tuple[int, int]]) -> None:
    data = bytearray(REQUEST)
    for at, byte in edits:
        data[at % len(data)] = byte
    pem = b"-----BEGIN CERTIFICATE REQUEST-----\n%b-----END CERTIFICATE REQUEST-----\n" % base64.encodebytes(
        bytes(data)
    )
    for oid in (csr.COMMON_NAME, csr.ORGANIZATION):
        assert all(isinstance(value, str) for value in csr.subject(base64.b64encode(pem).decode(), oid))


def _request() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "b")])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.DER)


REQUEST = _request()

_names = st.sampled_from(["metadata", "spec", "containers", "name", "image", "ports", "containerPort", "a", "$patch", "$retainKeys",
                          "$setElementOrder/containers", "$deleteFromPrimitiveList/finalizers", "finalizers", "labels", ""])  # fmt: skip
_leaves = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 99), st.sampled_from(["a", "delete", "replace", "merge", "", "c"])
)
_values = st.recursive(
    _leaves, lambda v: st.lists(v, max_size=3) | st.dictionaries(_names, v, max_size=4), max_leaves=14
)
_pointers = st.lists(st.one_of(_names, st.sampled_from(["0", "-", "1", "~1", "~", "99"])), max_size=4).map(
    lambda p: "/" + "/".join(p)
)
_steps = st.fixed_dictionaries(
    {}, optional={"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", 1]), "path": _pointers | _leaves,
                  "from": _pointers | _leaves, "value": _values},
)  # fmt: skip
_POD = {
    "metadata": {"name": "a", "labels": {"a": "b"}, "finalizers": ["a"]},
    "spec": {"containers": [{"name": "c", "ports": [{"containerPort": 1}]}]},
}
_SCHEMA = Schema.of("io.k8s.api.core.v1.Pod")
PATCHES: dict[str, Callable[[Any], Any]] = {
    "json": lambda patch: json_patch(_POD, patch),
    "merge": lambda patch: merge_patch(_POD, patch),
    "strategic": lambda patch: strategic_merge(_POD, patch, _SCHEMA),
    "schema": lambda value: _SCHEMA.decode(copy.deepcopy(value), mode="Strict"),
}


@pytest.mark.parametrize("name", PATCHES)
@settings(max_examples=EXAMPLES, deadline=None)
@given(patch=st.one_of(_values, st.lists(_steps, max_size=5)))
def test_patches_refuse_in_their_own_words(name: str, patch: Any) -> None:
    before = copy.deepcopy(_POD)
    try:
        orjson.dumps(PATCHES[name](patch))
    except errors.StatusError as refusal:
        assert 400 <= refusal.code < 500, refusal
    assert before == _POD


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
