"""YAML as upstream's parser reads it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.api.meta.errors import BadRequest
from pocketkube.api.schema.yaml_text import documents, parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("2026-01-01", "2026-01-01", id="dates-are-text"),
        pytest.param("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", id="times-are-text"),
        pytest.param("0755", 493, id="octal"),
        pytest.param("0x1F", 31, id="hex"),
        pytest.param("1_000", 1000, id="underscores"),
        pytest.param("1:30", "1:30", id="no-sexagesimal"),
        pytest.param("1e3", 1000, id="whole-floats-are-integers"),
        pytest.param("1.5", 1.5, id="float"),
        pytest.param("yes", True, id="yes"),
        pytest.param("off", False, id="off"),
        pytest.param("'yes'", "yes", id="quoted"),
        pytest.param("~", None, id="null"),
        pytest.param("", None, id="empty"),
        pytest.param("{1: a, true: b}", {"1": "a", "true": "b"}, id="keys-become-text"),
        pytest.param("!!str 1", "1", id="tagged"),
        pytest.param("!!binary aGk=", "hi", id="binary"),
        pytest.param("a: |\n  x\n  y\n", {"a": "x\ny\n"}, id="block"),
        pytest.param("a: &x [1]\nb: *x\n", {"a": [1], "b": [1]}, id="alias"),
        pytest.param(
            "a: &x {k: 1, l: 1}\nb: {<<: *x, k: 2}\n", {"a": {"k": 1, "l": 1}, "b": {"k": 2, "l": 1}}, id="merge-key"
        ),
        pytest.param("---\na: 1\n---\nb: 2\n", {"a": 1}, id="first-document"),
        pytest.param('{"a": [1, {"b": null}]}', {"a": [1, {"b": None}]}, id="json"),
        pytest.param("99999999999999999999", 1e20, id="huge"),
    ],
)
def test_values(text: str, value: Any) -> None:
    assert parse_yaml(text)[0] == value


def test_aliases_are_copies() -> None:
    value, _ = parse_yaml("a: &x {k: 1}\nb: *x\n")
    value["a"]["k"] = 2
    assert value["b"] == {"k": 1}


def test_duplicate_keys_are_named_by_line() -> None:
    text = "a: 1\nb:\n  c: 1\n  c: 2\na: 3\n"
    words = 'yaml: unmarshal errors:\n  line 4: key "c" already set in map\n  line 5: key "a" already set in map'
    assert parse_yaml(text, mode="Strict") == ({"a": 3, "b": {"c": 2}}, [words])
    assert parse_yaml(text)[1] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: b: c", "error converting YAML to JSON: yaml: line 1: mapping values are not allowed in this context"),
        ("a: [1\nb: 2", "line 2: did not find expected ',' or ']'"),
        ("a: *x", "unknown anchor 'x' referenced"),
        ("a: &a [*a]", "unknown anchor 'a' referenced"),
        ("{[1]: 2}", "invalid map key"),
        (".inf", "unsupported value"),
        ("[" * 100_000, "exceeded max depth"),
        ("- " * 100_000, "exceeded max depth"),
        (b"a: \xff", "invalid"),
        ("a: \x01", "control characters|special characters"),
        ("<<: 1\na: 2", "map merge requires map"),
        ("!!binary '!'", "base64"),
    ],
)
def test_malformed_and_hostile(text: str | bytes, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        parse_yaml(text)


def test_alias_bombs_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(BadRequest, match="excessive aliasing"):
        parse_yaml("\n".join(lines))


def test_nesting_by_aliases_is_limited() -> None:
    deep = "&a " + "[" * 150 + "]" * 150
    with pytest.raises(BadRequest, match="exceeded max depth"):
        parse_yaml(f"x: {deep}\ny: {'[' * 100}*a{']' * 100}")


def test_many_documents() -> None:
    assert documents("---\na: 1\n---\n# nothing\n---\nb: 2\n...\n") == [{"a": 1}, {"b": 2}]


words = st.text("pqzä :#-{}[],&*'\"\n|>%@`\\", max_size=8)
trees = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | words,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(words, v, max_size=3),
)


@given(trees, st.booleans())
def test_what_is_written_is_read(tree: Any, flow: bool) -> None:
    text = yaml.safe_dump(tree, default_flow_style=flow, allow_unicode=True)
    assert parse_yaml(text)[0] == tree


@given(st.text(alphabet="ab:-[]{}&*!|>'\"#,? \n\t01%@`", max_size=30))
def test_any_text_parses_or_is_a_bad_request(text: str) -> None:
    try:
        parse_yaml(text, mode="Strict")
    except BadRequest:
        return
