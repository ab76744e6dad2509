"""Expressions as policies, conditions and schemas write them, with what they give."""

from __future__ import annotations

from typing import Any

import pytest

from pocketkube.api import cel
from pocketkube.api.cel import literals
from pocketkube.api.cel.library import authorizer

OBJECT = {
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {"replicas": 3, "memory": "1Gi", "containers": [{"name": "a", "image": "x:1"}, {"name": "b"}]},
}


def run(source: str, **variables: Any) -> Any:
    given = {**dict.fromkeys(cel.POLICY), "object": OBJECT, **variables}
    return cel.compile_expression(source).run(given)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("object.spec.replicas > 2", True),
        ("has(object.spec.nothing)", False),
        ("oldObject == null", True),
        ("object.spec.containers.all(c, c.name != '')", True),
        ("object.spec.containers.exists(c, has(c.image) && c.image.endsWith(':1'))", True),
        ("object.?spec.?nothing.orValue('none')", "none"),
        ("object.metadata.labels['app'] + '-' + string(object.spec.replicas)", "web-3"),
        ("object.spec.containers.map(c, c.name).join(',')", "a,b"),
        ("'a-b'.split('-')", ["a", "b"]),
        ("quantity(object.spec.memory).isGreaterThan(quantity('512Mi'))", True),
        ("quantity('1').add(quantity('500m')).compareTo(quantity('1500m'))", 0),
        ("quantity('2k').asInteger()", 2000),
        ("isQuantity('much')", False),
        ("url('https://a.example:8080/x?y=1').getHostname()", "a.example"),
        ("url('https://a.example:8080/x?y=1').getPort()", "8080"),
        ("isURL('nothing at all')", False),
        ("ip('10.0.0.1').family()", 4),
        ("isIP('10.0.0')", False),
        ("cidr('10.0.0.0/8').containsIP('10.1.2.3')", True),
        ("cidr('10.0.0.0/8').containsCIDR('11.0.0.0/16')", False),
        ("'ab12'.find('[0-9]+')", "12"),
        ("'a1b2'.findAll('[0-9]')", ["1", "2"]),
        ("[1, 2, 3].sum()", 6),
        ("[1, 3, 2].isSorted()", False),
        ("[1, 3, 2].max()", 3),
        ("['a', 'b', 'a'].lastIndexOf('a')", 2),
        ("sets.contains([1, 2, 3], [1, 2])", True),
        ("[1, 2, 2].distinct()", [1, 2]),
        ("[[['a']], [['b']]].flatten(2)", ["a", "b"]),
        ("[3, 1, 2].sort().reverse().slice(0, 2)", [3, 2]),
        ("lists.range(3)", [0, 1, 2]),
        ("quantity('1000m') == quantity('1')", True),
        ("cidr('10.1.2.3/8').ip() == ip('10.1.2.3')", True),
        ("semver('1.2.3-rc.1').isLessThan(semver('1.2.3'))", True),
        ("semver('1.2.3-rc.2').isLessThan(semver('1.2.3-rc.11'))", True),
        ("semver('v1.2', true).minor()", 2),
        ("isSemver('1.2') || isSemver('01.2.3') || isSemver('1.2.3-01')", False),
        ("jsonpatch.escapeKey('a/b~c')", "a~1b~0c"),
        ("'%s has %d'.format(['web', 3])", "web has 3"),
        ("Object{spec: Object.spec{replicas: 5}}", {"spec": {"replicas": 5}}),
        ("[JSONPatch{op: 'add', path: '/x', value: object.spec.replicas > 2 ? 'y' : 'z'}]", [{"op": "add", "path": "/x", "value": "y"}]),
    ],
)  # fmt: skip
def test_expressions(source: str, expected: Any) -> None:
    assert run(source) == expected


@pytest.mark.parametrize(
    ("source", "words"),
    [
        pytest.param("object.spec.nothing == 1", "no such key: nothing", id="key"),
        pytest.param("object.spec.replicas + 'a' == ''", "no such overload", id="overload"),
        pytest.param("quantity('much').isInteger()", "quantities must match", id="quantity"),
    ],
)
def test_failures(source: str, words: str) -> None:
    with pytest.raises(cel.EvaluationError, match=words):
        run(source)


@pytest.mark.parametrize("source", ["object.", "nothing == 1", "1 + 'a'", "object.startsWith(1)"])
def test_wrong_expressions(source: str) -> None:
    with pytest.raises(cel.CompileError, match="compilation failed"):
        cel.compile_expression(source)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("object.a", "object.a", id="none"),
        pytest.param("Object{a: 1, b: x ? y : z}", '{ "a": 1, "b": x ? y : z}', id="fields"),
        pytest.param("Object{a: {'k': Object.a{?b: c}}}", """{ "a": {'k': { ?"b": c}}}""", id="nested"),
        pytest.param("'Object{a: 1}'", "'Object{a: 1}'", id="a string"),
        pytest.param("[1, 2] == Object{a: [c, d]}.a", '[1, 2] == { "a": [c, d]}.a', id="lists inside"),
    ],
)
def test_literals(source: str, expected: str) -> None:
    assert literals.as_maps(source) == expected


def test_a_patch_has_four_fields() -> None:
    with pytest.raises(cel.CompileError) as wrong:
        cel.compile_expression("[JSONPatch{op: 'add',\n  paths: '/x'}]")
    assert (
        str(wrong.value)
        == "compilation failed: ERROR: <input>:2:3: undefined field 'paths'\n |   paths: '/x'}]\n | ..^"
    )
    assert run("[JSONPatch{op: 'move', path: '/x', from: '/y'}, JSONPatch{op: 'add', path: '/z', value: {'paths': 1}}]")


def test_authorizer() -> None:
    asked = []

    def answer(question: dict[str, Any], verb: str) -> authorizer.Answered:
        asked.append((question, verb))
        return authorizer.Answered(question.get("name") == "x", "because")

    given = authorizer.of_request(group="apps", resource="deployments", subresource="", namespace="a", name="web")
    with authorizer.answering(answer):
        assert run("authorizer.group('').resource('pods').name('x').check('get').allowed()", authorizer=given)
        assert run("authorizer.requestResource.check('scale').reason()", authorizer=given) == "because"
    assert asked[0] == ({"group": "", "resource": "pods", "name": "x"}, "get")
    assert asked[1][0]["resource"] == "deployments"
