"""Label and field selectors: parsing, matching, upstream's complaints."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.api.meta import selectors
from pocketkube.api.meta.errors import BadRequest

words = st.text("abc", min_size=1, max_size=2)
labels = st.dictionaries(words, words, max_size=3)
terms = st.one_of(
    st.builds(lambda k, o, v: f"{k}{o}{v}", words, st.sampled_from(["=", "==", "!="]), words),
    st.builds(
        lambda k, o, v: f"{k} {o} ({','.join(v)})", words, st.sampled_from(["in", "notin"]), st.lists(words, min_size=1)
    ),
    st.builds(lambda b, k: f"{b}{k}", st.sampled_from(["", "!"]), words),
)


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        pytest.param("a=1", {"a": "1"}, {"a": "2"}, id="equal"),
        pytest.param("a==1,b!=2", {"a": "1"}, {"a": "1", "b": "2"}, id="unequal-matches-absent"),
        pytest.param("a in (x, y)", {"a": "y"}, {}, id="in"),
        pytest.param("a notin (x,y)", {}, {"a": "x"}, id="notin"),
        pytest.param("a", {"a": ""}, {"b": "a"}, id="exists"),
        pytest.param("!a", {"b": ""}, {"a": ""}, id="absent"),
        pytest.param("n>3,n<5", {"n": "4"}, {"n": "x"}, id="numbers"),
        pytest.param("a in (,x)", {"a": ""}, {"a": "y"}, id="empty-value"),
        pytest.param("a=", {"a": ""}, {"a": "x"}, id="equal-to-nothing"),
        pytest.param("in in (in)", {"in": "in"}, {}, id="keywords-as-names"),
        pytest.param("x.io/a=1", {"x.io/a": "1"}, {}, id="prefixed"),
        pytest.param("", {}, None, id="everything"),
    ],
)
def test_matches(text: str, yes: dict[str, str], no: dict[str, str] | None) -> None:
    selector = selectors.parse_label_selector(text)
    assert selector.matches(yes)
    assert no is None or not selector.matches(no)
    assert selector.empty is (text == "")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a in", "unable to parse requirement: found '' expected: '('"),
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("(a)", "found '(', expected: !, identifier, or 'end of string'"),
        ("a,,b", "found ',', expected: identifier after ','"),
        ("a in (x y)", "unable to parse requirement: found 'y', expected: ',' or ')'"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("a,", "found '', expected: identifier after ','"),
    ],
)
def test_complaints(text: str, complaint: str) -> None:
    with pytest.raises(BadRequest) as caught:
        selectors.parse_label_selector(text)
    assert caught.value.message == complaint


def test_bad_value_is_named() -> None:
    with pytest.raises(BadRequest, match=r'values\[0\]\[a\]: Invalid value: "-": a valid label must be'):
        selectors.parse_label_selector("a=-")
    with pytest.raises(BadRequest, match='key: Invalid value: "-a": name part must consist of'):
        selectors.parse_label_selector("-a=1")


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        (None, "<none>"),
        ({}, "<none>"),
        ({"matchLabels": {"a": "1"}}, "a=1"),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["y", "x"]}]}, "a notin (x,y)"),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, "!a"),
    ],
)
def test_from_objects(selector: dict[str, Any] | None, text: str) -> None:
    assert selectors.format_label_selector(selector) == text


def test_nothing_and_everything() -> None:
    assert selectors.from_label_selector(None).nothing and not selectors.from_label_selector(None).matches({})
    assert selectors.from_label_selector({}).empty and selectors.from_match_labels(None).matches({"a": "1"})
    assert selectors.parse_label_selector("a=1,b in (2),c!=3").exact() == {"a": "1", "b": "2"}


@given(st.lists(terms, max_size=4), labels)
def test_text_round_trips(parts: list[str], given_labels: dict[str, str]) -> None:
    selector = selectors.parse_label_selector(",".join(parts))
    again = selectors.parse_label_selector(str(selector))
    assert again.matches(given_labels) is selector.matches(given_labels)
    assert str(again) == str(selector)


@given(st.lists(terms, min_size=1, max_size=4), labels)
def test_all_of_the_terms(parts: list[str], given_labels: dict[str, str]) -> None:
    each = [selectors.parse_label_selector(part).matches(given_labels) for part in parts]
    assert selectors.parse_label_selector(",".join(parts)).matches(given_labels) is all(each)


@given(st.text(max_size=12))
def test_any_text_parses_or_is_a_bad_request(text: str) -> None:
    for parse in (selectors.parse_label_selector, selectors.parse_field_selector):
        try:
            parse(text)
        except BadRequest:
            continue


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("metadata.name=a", [("metadata.name", "=", "a")]),
        ("a==1,b!=2", [("a", "=", "1"), ("b", "!=", "2")]),
        (r"a=x\,y\=z", [("a", "=", "x,y=z")]),
        ("a=", [("a", "=", "")]),
        ("a=1,,b=2,", [("a", "=", "1"), ("b", "=", "2")]),
    ],
)
def test_field_selectors(text: str, terms: list[tuple[str, str, str]]) -> None:
    assert list(selectors.parse_field_selector(text)) == terms


def test_field_selector_without_operator() -> None:
    with pytest.raises(BadRequest, match="invalid selector: 'a'; can't understand 'a'"):
        selectors.parse_field_selector("a")
