"""Schemas of custom resources: pruning, defaults, validation in upstream's words."""

# ruff: noqa: E501  a row of a table is one line

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.api.meta.errors import BadRequest
from pocketkube.api.schema import Schema, structural

Obj = dict[str, Any]


def schema_of(**properties: Obj) -> Schema:
    return Schema.from_openapi({"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}})


def obj(**spec: Any) -> Obj:
    return {"apiVersion": "x.io/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec}


STRING: Obj = {"type": "string"}
EMBEDDED: Obj = {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}


@pytest.mark.parametrize(
    ("prop", "value", "kept", "unknown"),
    [
        pytest.param({"type": "object", "properties": {"a": STRING}}, {"a": "1", "b": 2}, {"a": "1"}, ["b"], id="prune"),
        pytest.param(
            {"type": "object", "properties": {"a": {"type": "object"}}, "x-kubernetes-preserve-unknown-fields": True},
            {"a": {"x": 1}, "b": {"y": 2}}, {"a": {}, "b": {"y": 2}}, ["a.x"], id="preserve-but-prune-what-is-specified",
        ),
        pytest.param({"type": "object", "additionalProperties": STRING}, {"x": "1"}, {"x": "1"}, [], id="map"),
        pytest.param(
            {"type": "object", "additionalProperties": {"type": "object", "properties": {"a": STRING}}},
            {"k": {"a": "", "b": ""}}, {"k": {"a": ""}}, ["k.b"], id="map-of-structs",
        ),
        pytest.param({"type": "object", "additionalProperties": True}, {"x": {"y": 1}}, {"x": {"y": 1}}, [], id="open-map"),
        pytest.param(
            {"type": "array", "items": {"type": "object", "properties": {"a": STRING}}}, [{"a": "1", "b": 1}], [{"a": "1"}], ["[0].b"],
            id="items",
        ),
        pytest.param({"type": "object", "properties": {"a": STRING}}, {"a": None}, {}, [], id="null-goes"),
        pytest.param({"type": "object", "properties": {"a": {**STRING, "nullable": True}}}, {"a": None}, {"a": None}, [], id="null-stays"),
        pytest.param(
            {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True},
            {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p", "nonsense": 1}, "spec": {"x": 1}},
            {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}, "spec": {"x": 1}}, ["metadata.nonsense"], id="embedded",
        ),
    ],
)  # fmt: skip
def test_pruning(prop: Obj, value: Any, kept: Any, unknown: list[str]) -> None:
    found = obj(f=value)
    messages = schema_of(f=prop).decode(found)
    assert found["spec"]["f"] == kept
    paths = [m.removeprefix('unknown field "spec.f').removesuffix('"').removeprefix(".") for m in messages]
    assert paths == unknown


def test_a_root_without_schema_keeps_only_identity() -> None:
    found = obj(a=1)
    assert Schema.from_openapi({}).decode(found) == ['unknown field "spec"']
    kept = obj(a=1)
    assert Schema.from_openapi({"type": "object", "x-kubernetes-preserve-unknown-fields": True}).decode(kept) == []
    assert kept == obj(a=1)


def test_metadata_is_strict() -> None:
    found = obj()
    found["metadata"]["nonsense"] = 1
    assert schema_of().decode(found) == ['unknown field "metadata.nonsense"']


@pytest.mark.parametrize(
    ("prop", "given", "filled"),
    [
        pytest.param({"type": "integer", "default": 3}, {}, {"f": 3}, id="missing"),
        pytest.param({"type": "integer", "default": 3}, {"f": 0}, {"f": 0}, id="present"),
        pytest.param({"type": "integer", "default": 3}, {"f": None}, {"f": 3}, id="null"),
        pytest.param({"type": "integer", "default": 3, "nullable": True}, {"f": None}, {"f": None}, id="nullable"),
        pytest.param({"type": "object", "properties": {"a": {"default": 1}}}, {}, {}, id="not-below-what-is-missing"),
        pytest.param(
            {"type": "object", "default": {}, "properties": {"a": {"type": "integer", "default": 1}}}, {}, {"f": {"a": 1}},
            id="below-a-default",
        ),
        pytest.param(
            {"type": "array", "items": {"type": "object", "properties": {"a": {"default": 1}}}}, {"f": [{}, {"a": 2}]},
            {"f": [{"a": 1}, {"a": 2}]}, id="items",
        ),
        pytest.param(
            {"type": "object", "additionalProperties": {"type": "object", "properties": {"a": {"default": 1}}}}, {"f": {"k": {}}},
            {"f": {"k": {"a": 1}}}, id="map",
        ),
    ],
)  # fmt: skip
def test_defaults(prop: Obj, given: Obj, filled: Obj) -> None:
    found = obj(**copy.deepcopy(given))
    schema_of(f=prop).default(found)
    assert found["spec"] == filled


def test_defaults_are_not_shared() -> None:
    schema = schema_of(f={**EMBEDDED, "default": {"l": []}})
    one, other = obj(), obj()
    schema.default(one)
    schema.default(other)
    one["spec"]["f"]["l"].append(1)
    assert other["spec"]["f"] == {"l": []}


@pytest.mark.parametrize(
    ("prop", "value", "errors"),
    [
        ({"type": "integer"}, "x", ['spec.f: Invalid value: "string": spec.f in body must be of type integer: "string"']),
        ({"type": "integer"}, 1.0, []),
        ({"type": "number"}, 1, []),
        ({"type": "string"}, None, ['spec.f: Invalid value: "null": spec.f in body must be of type string: "null"']),
        ({"type": "boolean"}, 1, ['spec.f: Invalid value: "integer": spec.f in body must be of type boolean: "integer"']),
        ({"x-kubernetes-int-or-string": True}, "x", []),
        ({"x-kubernetes-int-or-string": True}, 1, []),
        ({"x-kubernetes-int-or-string": True}, [], ['spec.f: Invalid value: "array": spec.f in body must be of type integer,string: "array"']),
        ({"type": "string", "enum": ["a", "b"]}, "c", ['spec.f: Unsupported value: "c": supported values: "a", "b"']),
        ({"type": "integer", "minimum": 1}, 0, ["spec.f: Invalid value: 0: spec.f in body should be greater than or equal to 1"]),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, 1, ["spec.f: Invalid value: 1: spec.f in body should be greater than 1"]),
        ({"type": "integer", "maximum": 5}, 6, ["spec.f: Invalid value: 6: spec.f in body should be less than or equal to 5"]),
        ({"type": "integer", "maximum": 5, "exclusiveMaximum": True}, 5, ["spec.f: Invalid value: 5: spec.f in body should be less than 5"]),
        ({"type": "integer", "multipleOf": 5}, 7, ["spec.f: Invalid value: 7: spec.f in body should be a multiple of 5"]),
        ({"type": "number", "multipleOf": 0.1}, 0.3, []),
        ({"type": "string", "minLength": 2}, "x", ['spec.f: Invalid value: "x": spec.f in body should be at least 2 chars long']),
        ({"type": "string", "maxLength": 2}, "xyz", ["spec.f: Too long: may not be more than 2 bytes"]),
        ({"type": "string", "pattern": "^[a-z]+$"}, "A", ["spec.f: Invalid value: \"A\": spec.f in body should match '^[a-z]+$'"]),
        ({"type": "string", "pattern": "^(a+)+$"}, "a" * 50 + "b", [f"spec.f: Invalid value: \"{'a' * 50}b\": spec.f in body should match '^(a+)+$'"]),
        ({"type": "string", "format": "ipv4"}, "x", ['spec.f: Invalid value: "x": spec.f in body must be of type ipv4: "x"']),
        ({"type": "string", "format": "date-time"}, "2026-01-01T00:00:00Z", []),
        ({"type": "array", "minItems": 1}, [], ["spec.f: Invalid value: 0: spec.f in body should have at least 1 items"]),
        ({"type": "array", "maxItems": 1}, [1, 2], ["spec.f: Too many: 2: must have at most 1 items"]),
        ({"type": "array", "items": STRING}, ["a", 1], ['spec.f[1]: Invalid value: "integer": spec.f[1] in body must be of type string: "integer"']),
        ({"type": "array", "x-kubernetes-list-type": "set", "items": STRING}, ["a", "a"], ['spec.f[1]: Duplicate value: "a"']),
        (
            {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"], "items": {"type": "object", "properties": {"n": STRING}}},
            [{"n": "a"}, {"n": "b"}, {"n": "a"}], ['spec.f[2]: Duplicate value: {"n":"a"}'],
        ),
        ({"type": "object", "required": ["a"]}, {}, ["spec.f.a: Required value"]),
        ({"type": "object", "minProperties": 1}, {}, ["spec.f: Invalid value: 1: spec.f in body should have at least 1 properties"]),
        ({"type": "object", "maxProperties": 1}, {"a": 1, "b": 1}, ["spec.f: Too many: 2: must have at most 1 items"]),
        ({"type": "object", "additionalProperties": STRING}, {"a": 1}, ['spec.f.a: Invalid value: "integer": spec.f.a in body must be of type string: "integer"']),
        ({"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, {}, ['<nil>: Invalid value: "": "spec.f" must validate at least one schema (anyOf)', "spec.f.a: Required value"]),
        ({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, {"a": 1, "b": 1}, ['<nil>: Invalid value: "": "spec.f" must validate one and only one schema (oneOf). Found 2 valid alternatives']),
        ({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, {"a": 1}, []),
        ({"not": {"required": ["a"]}}, {"a": 1}, ['<nil>: Invalid value: "": "spec.f" must not validate the schema (not)']),
        ({"allOf": [{"minimum": 2}]}, 1, ['<nil>: Invalid value: "": "spec.f" must validate all the schemas (allOf). None validated', "spec.f: Invalid value: 1: spec.f in body should be greater than or equal to 2"]),
        ({"type": "object", "x-kubernetes-embedded-resource": True}, {"kind": "X"}, ["spec.f.apiVersion: Required value: must not be empty"]),
    ],
)  # fmt: skip
def test_validation(prop: Obj, value: Any, errors: list[str]) -> None:
    assert [str(e) for e in schema_of(f=prop).validate(obj(f=value))] == errors


@pytest.mark.parametrize(
    ("value", "errors"),
    [
        pytest.param({"kind": "X", "apiVersion": "a/b/c"}, ['apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c'], id="version"),
        pytest.param({"kind": "%", "apiVersion": "v1"}, ['kind: Invalid value: "%": may have mixed case, but should otherwise match: '], id="kind"),
        pytest.param({"kind": "", "apiVersion": "v1"}, ['kind: Invalid value: "": must not be empty'], id="no-kind"),
        pytest.param({"kind": "X", "apiVersion": "v1", "metadata": {"name": ".."}}, ["metadata.name: Invalid value: \"..\": may not be '..'"], id="name"),
        pytest.param({"kind": "X", "apiVersion": "v1", "metadata": {"namespace": "A"}}, ['metadata.namespace: Invalid value: "A": '], id="namespace"),
        pytest.param({"kind": "X", "apiVersion": "v1", "metadata": {"labels": {"a": "x y"}}}, ['metadata.labels: Invalid value: "x y": '], id="labels"),
        pytest.param({"kind": "X", "apiVersion": "v1", "metadata": {"labels": {"a": "b"}}}, [], id="right"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("within", "path"),
    [
        pytest.param(lambda raw: (raw, lambda value: value), "spec.f", id="field"),
        pytest.param(lambda raw: ({"type": "array", "items": raw}, lambda value: [value]), "spec.f[0]", id="item"),
        pytest.param(lambda raw: ({"type": "object", "additionalProperties": raw}, lambda value: {"k": value}), "spec.f[k]", id="map"),
    ],
)  # fmt: skip
def test_embedded_objects(value: Obj, errors: list[str], within: Any, path: str) -> None:
    """They are judged on every write, unchanged or not."""
    raw, put = within(EMBEDDED)
    schema, found = schema_of(f=raw), obj(f=put(value))
    for wrong in (schema.validate(found), schema.validate(found, old=copy.deepcopy(found))):
        assert len(wrong) == len(errors)
        for error, words in zip(wrong, errors, strict=True):
            assert str(error).startswith(f"{path}.{words}")
    assert schema.validate(found, embedded=False) == []


@pytest.mark.parametrize(
    ("embedded", "words"),
    [
        pytest.param(
            {"metadata": {"namespace": 42}},
            'spec.f.metadata: Invalid value: {"namespace":42}: json: cannot unmarshal number into Go struct field ObjectMeta.namespace of type string',
            id="metadata",
        ),
        pytest.param({"kind": 4}, "spec.f.kind: Invalid value: 4: must be a string", id="kind"),
    ],
)
def test_embedded_objects_of_wrong_types(embedded: Obj, words: str) -> None:
    with pytest.raises(BadRequest) as raised:
        schema_of(f=EMBEDDED).decode(obj(f=embedded))
    assert raised.value.message == f'Widget in version "v1" cannot be handled as a Widget: {words}'


def test_what_is_malformed_in_metadata_can_be_dropped() -> None:
    schema = schema_of(f=EMBEDDED, l={"type": "array", "items": EMBEDDED})
    found = obj(f={"kind": 5, "metadata": {"labels": {"a": 1}, "name": "n"}}, l=[{"metadata": 7}])
    found["metadata"]["annotations"] = {"a": 1, "b": "2"}
    structural.mend(schema, found)
    assert schema.decode(found) == []
    assert found == obj(f={"metadata": {"name": "n"}}, l=[{}])


def test_lists_may_stay_as_wrong_as_they_were() -> None:
    """Where the old object repeats itself somewhere already, nothing is said of that."""
    schema = schema_of(
        a={"type": "array", "x-kubernetes-list-type": "set", "items": STRING},
        b={
            "type": "object",
            "additionalProperties": {"type": "array", "x-kubernetes-list-type": "set", "items": STRING},
        },
    )
    right, wrong = obj(a=["x"], b={}), obj(a=["x"], b={"k": ["y", "y"]})
    assert [str(e) for e in schema.validate(wrong, old=right)] == ['spec.b[k][1]: Duplicate value: "y"']
    assert schema.validate(obj(a=["x", "x"], b={}), old=wrong) == []


def test_defaults_of_embedded_metadata() -> None:
    """They are filled in as far as metadata knows such fields."""
    metadata = {
        "type": "object",
        "default": {"unknown": 1},
        "properties": {"name": {**STRING, "default": "n"}, "unknown": {**STRING, "default": "u"}},
    }
    whole = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "n", "unknown": 1}}
    schema = schema_of(a={**EMBEDDED, "properties": {"metadata": metadata}}, b={**EMBEDDED, "default": whole})
    found = obj(a={"kind": "X"})
    schema.default(found)
    assert found["spec"] == {"a": {"kind": "X", "metadata": {"name": "n"}}, "b": {**whole, "metadata": {"name": "n"}}}


def test_builtin_schemas_do_not_validate_here() -> None:
    assert Schema.of("io.k8s.api.core.v1.Pod").validate({}) == []


@pytest.mark.parametrize(
    ("format", "good", "bad"),
    [
        ("uri", ["http://a/b", "urn:x"], ["a b"]),
        ("hostname", ["a.example.com"], ["-a", "a_b"]),
        ("ipv6", ["::1"], ["1.2.3.4"]),
        ("cidr", ["10.0.0.0/8"], ["10.0.0.0"]),
        ("mac", ["00:11:22:33:44:55"], ["x"]),
        ("uuid", ["123e4567-e89b-12d3-a456-426614174000"], ["123"]),
        ("byte", ["aGk="], ["!"]),
        ("date", ["2026-01-31"], ["2026-02-31"]),
        ("duration", ["1h5m", "30s"], ["x"]),
        ("email", ["a@b.c"], ["ab"]),
        ("hexcolor", ["#fff"], ["#ggg"]),
        ("anything-else", ["x"], []),
    ],
)
def test_formats(format: str, good: list[str], bad: list[str]) -> None:
    schema = schema_of(f={"type": "string", "format": format})
    assert [v for v in good if schema.validate(obj(f=v))] == []
    assert [v for v in bad if not schema.validate(obj(f=v))] == []


values = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), lambda v: st.lists(v, max_size=2) | st.dictionaries(st.sampled_from("abc"), v, max_size=3))  # fmt: skip
schemas = st.recursive(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["string", "integer", "boolean"])}, optional={"nullable": st.booleans()}
    ),
    lambda s: st.one_of(
        st.fixed_dictionaries({"type": st.just("array"), "items": s}),
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.dictionaries(st.sampled_from("abc"), s, max_size=3)}
        ),
        st.fixed_dictionaries({"type": st.just("object"), "additionalProperties": s}),
    ),
    max_leaves=5,
)


@given(schemas, values)
def test_pruning_is_idempotent_and_never_fails(prop: Obj, value: Any) -> None:
    schema = schema_of(f=prop)
    found = obj(f=value)
    schema.decode(found)
    once = copy.deepcopy(found)
    assert schema.decode(found) == [] and found == once
    schema.default(found)
    schema.validate(found)
