"""Templates as Go writes them; each answer was upstream's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubectl.gofunctions import text_of
from kubectl.gotemplate import TemplateError, parse

OBJ: dict[str, Any] = {
    "metadata": {"name": "web", "labels": {"app": "web", "tier": "front"}},
    "data": {"k": "v", "s": "YmNk"},
    "spec": {
        "replicas": 2,
        "containers": [{"name": "a", "image": "x:1"}, {"name": "b"}],
        "paused": False,
        "share": 0.5,
    },
}

GOLDEN = [
    pytest.param("{{.spec.replicas}} {{.metadata.labels}} {{.nope}}", "2 map[app:web tier:front] <no value>", id="fields"),
    pytest.param("{{.spec.nope.deeper}}", "<no value>", id="below what is not there"),
    pytest.param("{{.spec.containers}}", "[map[image:x:1 name:a] map[name:b]]", id="list"),
    pytest.param("{{range $i, $c := .spec.containers}}{{if $i}}, {{end}}{{$c.name}}{{end}}", "a, b", id="range"),
    pytest.param("{{range .nothing}}x{{else}}none{{end}}", "none", id="range of nothing"),
    pytest.param("{{range $k, $v := .data}}{{$k}}={{$v}};{{end}}", "k=v;s=YmNk;", id="range of a map"),
    pytest.param("{{range 3}}{{.}}{{end}}", "012", id="range of a number"),
    pytest.param("{{.data.s | base64decode}}", "bcd", id="pipe"),
    pytest.param("{{with .data}}{{.k}}{{end}}{{with .no}}x{{else}}y{{end}}", "vy", id="with"),
    pytest.param("{{if and .data (eq .data.k `v`)}}yes{{else}}no{{end}}", "yes", id="and, parentheses"),
    pytest.param("{{if .spec.paused}}a{{else if gt .spec.replicas 1}}b{{else}}c{{end}}", "b", id="else if"),
    pytest.param("{{(index .spec.containers 0).image}}", "x:1", id="field of parentheses"),
    pytest.param("a {{- /* said to nobody */ -}} b {{- 2 -}} {{ 3.5}}", "ab2 3.5".replace(" ", ""), id="trim"),
    pytest.param('{{define "x"}}[{{.}}]{{end}}{{template "x" .metadata.name}}', "[web]", id="template"),
    pytest.param("{{$x := 1}}{{range .spec.containers}}{{$x = .name}}{{end}}{{$x}}", "b", id="variable"),
    pytest.param('{{printf "%-5s|%4d|%03d|%q|%v|%t" "ab" 7 7 "a\\n" .spec.share true}}', 'ab   |   7|007|"a\\n"|0.5|true', id="printf"),
    pytest.param("{{ne 1 2}} {{lt 1 2}} {{not .spec.paused}} {{len .data}} {{slice .data.s 1 3}}", "true true true 2 mN", id="functions"),
    pytest.param('{{print 1 2 "a" "b" 3}}{{html "<&>"}}{{js "\'"}}', "1 2a b3".replace("a b", "ab") + "&lt;&amp;&gt;\\'", id="print"),
    pytest.param('{{range .spec.containers}}{{if eq .name "a"}}{{continue}}{{end}}{{.name}}{{break}}{{end}}', "b", id="continue, break"),
    pytest.param('{{exists . "data" "k"}} {{exists . "data" "z"}}', "true false", id="exists"),
    pytest.param("{{$.metadata.name}}{{range .spec.containers}}{{$.data.k}}{{end}}", "webvv", id="root"),
    pytest.param("{{or .no .data.k}}{{or .no false}}", "vfalse", id="or"),
]  # fmt: skip


@pytest.mark.parametrize(("template", "expected"), GOLDEN)
def test_rendered(template: str, expected: str) -> None:
    assert parse(template).render(OBJ) == expected


WRONG = [
    pytest.param("{{.data.k", "unclosed action", id="unclosed"),
    pytest.param("{{nofunc .x}}", 'function "nofunc" not defined', id="function"),
    pytest.param("{{range .data.k}}x{{end}}", "range can't iterate over v", id="range of text"),
    pytest.param("{{.data.k.x}}", "can't evaluate field x in type", id="field of text"),
    pytest.param("{{if .x}}", "unexpected EOF", id="no end"),
    pytest.param("{{end}}", "unexpected {{end}}", id="only end"),
    pytest.param("{{$x}}", "undefined variable", id="variable"),
    pytest.param("{{index .spec.containers 5}}", "index out of range", id="index"),
    pytest.param('{{eq 1 "a"}}', "incompatible types", id="types"),
    pytest.param("{{ | len}}", "missing value for command", id="pipe"),
    pytest.param("{{base64decode `?`}}", "error calling base64decode", id="base64"),
]


@pytest.mark.parametrize(("template", "message"), WRONG)
def test_refused(template: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message.replace("{", r"\{")):
        parse(template).render(OBJ)


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_text_is_rendered_or_refused(text: str) -> None:
    try:
        out = parse(text).render(OBJ)
    except TemplateError:
        return
    assert "{{" in text or out == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
    )
)
@settings(max_examples=100, deadline=None)
def test_any_value_has_a_text(value: Any) -> None:
    assert isinstance(text_of(value), str)
