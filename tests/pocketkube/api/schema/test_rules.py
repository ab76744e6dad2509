"""`x-kubernetes-validations`: what rules see, what they say, and when they are silent."""

from __future__ import annotations

from typing import Any

import pytest

from pocketkube.api.schema import Schema
from pocketkube.api.schema.model import MISSING

Obj = dict[str, Any]

IDENTITY: Obj = {"apiVersion": "example.com/v1", "kind": "Widget"}
STRING: Obj = {"type": "string"}
INTEGER: Obj = {"type": "integer"}


def rule(text: str, **more: Any) -> Obj:
    return {"rule": text, **more}


def schema(*rules: Obj, **properties: Obj) -> Schema:
    """Of objects whose spec has these properties and rules."""
    spec = {"type": "object", "properties": properties, "x-kubernetes-validations": list(rules)}
    return Schema.from_openapi({"type": "object", "properties": {"spec": spec}})


def told(found: Schema, spec: Obj, before: Any = MISSING, warnings: list[str] | None = None) -> list[str]:
    old = MISSING if before is MISSING else {**IDENTITY, "spec": before}
    return [str(error) for error in found.validate({**IDENTITY, "spec": spec}, old=old, warnings=warnings)]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param(rule("self.a > 1"), "spec: Invalid value: failed rule: self.a > 1", id="no-message"),
        pytest.param(rule("self.a > 1", message=" too small "), "spec: Invalid value: too small", id="message"),
        pytest.param(
            rule("self.a > 1", messageExpression="'a is ' + string(self.a)"),
            "spec: Invalid value: a is 1",
            id="message-expression",
        ),
        pytest.param(
            rule("self.a > 1", message="m", messageExpression="self.nothing"),
            "spec: Invalid value: m",
            id="failing-message-expression",
        ),
        pytest.param(
            rule("self.a > 1", message="m", messageExpression="'x\\ny'"),
            "spec: Invalid value: m",
            id="message-of-two-lines",
        ),
        pytest.param(rule("self.a > 1", message="m", fieldPath=".a"), "spec.a: Invalid value: m", id="field-path"),
        pytest.param(
            rule("self.a > 1", message="m", reason="FieldValueForbidden"), "spec: Forbidden: m", id="forbidden"
        ),
        pytest.param(
            rule("self.a > 1", message="m", reason="FieldValueRequired", fieldPath=".b"),
            "spec.b: Required value: m",
            id="required",
        ),
        pytest.param(rule("self.a > 1", reason="FieldValueDuplicate"), 'spec: Duplicate value: "null"', id="duplicate"),
        pytest.param(
            rule("self.b == 'x'"), "spec: Invalid value: no such key: b evaluating rule: self.b == 'x'", id="failure"
        ),
        pytest.param(rule("self.a == 1"), "", id="holds"),
    ],
)
def test_words(said: Obj, expected: str) -> None:
    assert told(schema(said, a=INTEGER, b=STRING), {"a": 1}) == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("prop", "value", "text"),
    [
        pytest.param({"type": "number"}, 1, "self.x + 0.5 == 1.5", id="whole-number"),
        pytest.param(
            {"type": "string", "format": "date-time"}, "2026-01-02T03:04:05Z", "self.x.getFullYear() == 2026", id="time"
        ),
        pytest.param(
            {"type": "string", "format": "date"}, "2026-01-02", "self.x < timestamp('2026-02-01T00:00:00Z')", id="date"
        ),
        pytest.param({"type": "string", "format": "duration"}, "1h30m", "self.x == duration('90m')", id="duration"),
        pytest.param({"type": "string", "format": "byte"}, "YWJj", "self.x == b'abc'", id="bytes"),
        pytest.param(
            {"x-kubernetes-int-or-string": True}, "50%", "self.x == 50 || self.x == '50%'", id="int-or-string"
        ),
        pytest.param({"type": "array", "items": {"type": "number"}}, [1, 2.5], "self.x.all(v, v > 0.5)", id="list"),
        pytest.param(
            {"type": "object", "additionalProperties": STRING}, {"k": "v"}, "self.x.all(k, self.x[k] == 'v')", id="map"
        ),
        pytest.param({"type": "string", "nullable": True}, None, "self.x == null", id="null"),
        pytest.param(STRING, "a", "self.?y.orValue('z') == 'z' && has(self.x)", id="optional"),
        pytest.param(STRING, "10.0.0.1", "isIP(self.x) && ip(self.x).family() == 4", id="library"),
    ],
)
def test_values(prop: Obj, value: Any, text: str) -> None:
    assert told(schema(rule(text), x=prop), {"x": value}) == []


def test_names_that_expressions_cannot_write() -> None:
    found = schema(
        rule("self.__namespace__ == 'n' && self.a__dash__b == 1 && self.c__dot__d.e__slash__f == 2"),
        **{"namespace": STRING, "a-b": INTEGER, "c.d": {"type": "object", "properties": {"e/f": INTEGER}}},
    )
    assert told(found, {"namespace": "n", "a-b": 1, "c.d": {"e/f": 2}}) == []


def test_places() -> None:
    positive = {"type": "integer", "x-kubernetes-validations": [rule("self > 0")]}
    found = schema(
        a=positive,
        b={"type": "array", "items": positive},
        c={"type": "object", "additionalProperties": positive},
    )
    assert told(found, {"a": 0, "b": [1, -1], "c": {"x": -2}}) == [
        "spec.a: Invalid value: 0: failed rule: self > 0",
        "spec.b[1]: Invalid value: -1: failed rule: self > 0",
        "spec.c[x]: Invalid value: -2: failed rule: self > 0",
    ]


def test_root_sees_its_name() -> None:
    raw = {"type": "object", "x-kubernetes-validations": [rule("self.metadata.name.startsWith('a')")]}
    found = Schema.from_openapi(raw)
    assert [str(e) for e in found.validate({**IDENTITY, "metadata": {"name": "b"}})] == [
        "<nil>: Invalid value: failed rule: self.metadata.name.startsWith('a')"
    ]


def test_rules_wait_for_a_sound_object() -> None:
    found = schema(
        rule("self.a > 1"), a=INTEGER, b={"type": "string", "maxLength": 1}, c={"type": "string", "enum": ["x"]}
    )
    assert told(found, {"a": "x"})[-1].startswith(
        '<nil>: Invalid value: "null": some validation rules were not checked'
    )
    assert len(told(found, {"a": 0, "b": "xx"})) == len(told(found, {"a": 0, "c": "y"})) == 2
    assert "were not checked" in told(found, {"a": 0, "c": "y"})[-1]
    assert told(found, {"a": 0}) == ["spec: Invalid value: failed rule: self.a > 1"]


IMMUTABLE = rule("self == oldSelf", message="immutable")
KEYED: Obj = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["k"],
    "items": {
        "type": "object",
        "properties": {"k": STRING, "v": {"type": "integer", "x-kubernetes-validations": [IMMUTABLE]}},
    },
}


@pytest.mark.parametrize(
    ("prop", "before", "after", "path"),
    [
        pytest.param({**STRING, "x-kubernetes-validations": [IMMUTABLE]}, "a", "b", "spec.x", id="changed"),
        pytest.param({**STRING, "x-kubernetes-validations": [IMMUTABLE]}, "a", "a", "", id="kept"),
        pytest.param({**STRING, "x-kubernetes-validations": [IMMUTABLE]}, None, "a", "", id="new"),
        pytest.param(KEYED, [{"k": "a", "v": 1}, {"k": "b", "v": 2}], [{"k": "b", "v": 3}], "spec.x[0].v", id="by-key"),
        pytest.param(
            KEYED, [{"k": "a", "v": 1}, {"k": "b", "v": 2}], [{"k": "b", "v": 2}, {"k": "a", "v": 1}], "", id="moved"
        ),
        pytest.param(
            {"type": "object", "additionalProperties": {**STRING, "x-kubernetes-validations": [IMMUTABLE]}},
            {"a": "1"},
            {"a": "2", "b": "3"},
            "spec.x[a]",
            id="map",
        ),
    ],
)
def test_changes(prop: Obj, before: Any, after: Any, path: str) -> None:
    found = told(schema(x=prop), {"x": after}, {} if before is None else {"x": before})
    assert [text.partition(":")[0] for text in found] == ([path] if path else [])


def test_an_optional_old_self() -> None:
    text = "oldSelf.hasValue() ? self.a >= oldSelf.value().a : self.a == 0"
    found = schema(rule(text, optionalOldSelf=True, message="m"), a=INTEGER)
    assert told(found, {"a": 0}) == []
    assert told(found, {"a": 1}) == ["spec: Invalid value: m"]
    assert told(found, {"a": 2}, {"a": 1}) == []
    assert told(found, {"a": 1}, {"a": 2}) == ["spec: Invalid value: m"]


class TestRatcheting:
    """What was wrong before may stay, where it can be told that it is what it was."""

    def test_values(self) -> None:
        item = {"type": "object", "properties": {"k": STRING, "v": {"type": "integer", "minimum": 5}}}
        keyed = {**KEYED, "items": item}
        found = schema(
            a={"type": "integer", "minimum": 5},
            b=STRING,
            l=keyed,
            p={"type": "array", "items": {"type": "integer", "minimum": 5}},
        )
        assert told(found, {"a": 1, "b": "new"}, {"a": 1}) == []
        assert len(told(found, {"a": 2}, {"a": 1})) == 1
        assert told(found, {"l": [{"k": "x", "v": 9}, {"k": "y", "v": 1}]}, {"l": [{"k": "y", "v": 1}]}) == []
        assert told(found, {"p": [1], "b": "new"}, {"p": [1]}) == []
        assert len(told(found, {"p": [1, 6]}, {"p": [1]})) == 1

    def test_true_is_not_one(self) -> None:
        assert len(told(schema(a=INTEGER), {"a": True}, {"a": 1})) == 1

    def test_rules_become_warnings(self) -> None:
        found = schema(
            rule("self.a > 1", message="too small"),
            a=INTEGER,
            b={"type": "integer", "x-kubernetes-validations": [rule("self > 1")]},
        )
        warnings: list[str] = []
        assert told(found, {"a": 1, "b": 0}, {"a": 1, "b": 0}, warnings) == []
        assert warnings == ["spec: Invalid value: too small", "spec.b: Invalid value: 0: failed rule: self > 1"]
        assert told(found, {"a": 0, "b": 0}, {"a": 1, "b": 0}, warnings) == ["spec: Invalid value: too small"]

    def test_rules_about_changes_do_not(self) -> None:
        found = schema(rule("self.a > oldSelf.a"), a=INTEGER)
        assert told(found, {"a": 1}, {"a": 1}) == ["spec: Invalid value: failed rule: self.a > oldSelf.a"]


def test_a_budget() -> None:
    """A rule that would take too long is not run at all."""
    items = {"type": "array", "items": STRING, "maxItems": 5000}
    found = schema(rule("self.l.all(x, self.l.exists(y, x == y))", message="pairs"), rule("false"), l=items)
    assert told(found, {"l": ["a"] * 20}) == ["spec: Invalid value: failed rule: false"]
    (said,) = told(found, {"l": ["a"] * 3000})
    assert said.startswith("spec: Invalid value: 'operation cancelled: actual cost limit exceeded'")
