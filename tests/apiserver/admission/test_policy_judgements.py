"""Validating policies in detail: what failing expressions do, what the audit log keeps, and what expressions may cost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apiserver.admission.matching import GROUP
from apiserver.memory_cluster import MemoryCluster
from pocketkube.api import cel, scheme
from pocketkube.api.cel import budget, cost
from tests.apiserver.admission.conftest import Admit, Obj
from tests.apiserver.admission.test_policies import ask, bind, refused

FAILURE = "validation.policy.admission.k8s.io/validation_failure"
WHO = "ValidatingAdmissionPolicy 'p' with binding 'b'"


@pytest.mark.parametrize(
    ("actions", "refuses", "warns", "notes"),
    [
        pytest.param(["Deny"], True, False, False, id="deny"),
        pytest.param(["Warn"], False, True, False, id="warn"),
        pytest.param(["Audit", "Warn"], False, True, True, id="audit and warn"),
    ],
)
async def test_a_failing_expression_counts_as_broken(
    cluster: MemoryCluster, admit: Admit, actions: list[str], refuses: bool, warns: bool, notes: bool
) -> None:
    bind(
        cluster, "validating", {"validations": [{"expression": "object.nothing == 1"}]}, {"validationActions": actions}
    )
    asked = ask()
    refusal = await refused(admit, asked)
    words = "expression 'object.nothing == 1' resulted in error: no such key: nothing"
    assert (refusal is not None) is refuses
    if refusal is not None:
        assert (refusal.code, refusal.reason) == (422, "Invalid")
        assert refusal.details["causes"] == [{"message": f"{WHO} denied request: {words}"}]
    assert asked.warnings == ([f"Validation failed for {WHO}: {words}"] if warns else [])
    assert (FAILURE in asked.annotations) is notes


async def test_the_audit_log_keeps_the_first_failure(cluster: MemoryCluster, admit: Admit) -> None:
    checks = [{"expression": "true"}, {"expression": "false", "message": "first"}, {"expression": "false"}]
    bind(cluster, "validating", {"validations": checks}, {"validationActions": ["Audit"]})
    asked = ask()
    assert await refused(admit, asked) is None
    assert json.loads(asked.annotations[FAILURE]) == [
        {"message": "first", "policy": "p", "binding": "b", "expressionIndex": 1, "validationActions": ["Audit"]}
    ]


@pytest.mark.parametrize(
    ("expression", "policy", "value", "words"),
    [
        pytest.param("' 3 '", "Fail", "3", "", id="text"),
        pytest.param("null", "Fail", None, "", id="null"),
        pytest.param("'  '", "Fail", None, "", id="blank"),
        pytest.param("'x' + string(object.spec.replicas)", "Fail", "x3", "", id="made"),
        pytest.param("object.nothing", "Fail", None, "resulted in error: no such key", id="fails"),
        pytest.param("object.nothing", "Ignore", None, "", id="fails and is ignored"),
        pytest.param(
            "object.spec.replicas", "Fail", None, "unsupported return type: int. Return type must be", id="type"
        ),
    ],
)
async def test_notes(
    cluster: MemoryCluster, admit: Admit, expression: str, policy: str, value: str | None, words: str
) -> None:
    notes = [{"key": "k", "valueExpression": expression}]
    bind(cluster, "validating", {"auditAnnotations": notes, "failurePolicy": policy})
    asked = ask()
    refusal = await refused(admit, asked)
    assert (words in refusal.message) if refusal is not None else not words
    assert asked.annotations.get("p/k") == value


async def test_notes_of_several_parameters(cluster: MemoryCluster, admit: Admit) -> None:
    for name, value in (("x", "1"), ("y", "2"), ("z", "1")):
        made = {"metadata": {"name": name, "namespace": "default"}, "data": {"v": value}}
        cluster.put("", "configmaps", made)
    spec = {
        "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "auditAnnotations": [{"key": "k", "valueExpression": "params.data.v"}],
    }
    bind(cluster, "validating", spec, {"paramRef": {"selector": {}}})
    asked = ask()
    assert await refused(admit, asked) is None
    assert sorted(asked.annotations["p/k"].split(", ")) == ["1", "2"]


async def test_variables_keep_their_types(cluster: MemoryCluster, admit: Admit) -> None:
    variables = [
        {"name": "at", "expression": "timestamp(object.metadata.annotations['at'])"},
        {"name": "later", "expression": "[variables.at + duration('1h')]"},
        {"name": "most", "expression": "quantity('5')"},
    ]
    check = "variables.later[0].getHours() == 4 && variables.most.compareTo(quantity('5')) == 0"
    bind(cluster, "validating", {"variables": variables, "validations": [{"expression": check}]})
    assert await refused(admit, ask(annotations={"at": "2026-11-21T03:00:00Z"})) is None


@pytest.mark.parametrize(
    ("expression", "check"),
    [
        pytest.param("object.spec.?replicas", "variables.x.orValue(0) == 3", id="there"),
        pytest.param("object.spec.?nothing", "!variables.x.hasValue() && variables.x.orValue(7) == 7", id="not there"),
        pytest.param(
            "optional.of(quantity('1'))", "variables.x.value().compareTo(quantity('1')) == 0", id="of our own"
        ),
        pytest.param(
            "format.dns1123Label().validate('A')", "variables.x.optMap(y, y.size()).value() == 1", id="a function's"
        ),
        pytest.param(
            "object.spec.?replicas", "[1].all(i, variables.x.value() > i) && has(variables.x)", id="in a loop"
        ),
    ],
)
async def test_variables_may_be_optional(cluster: MemoryCluster, admit: Admit, expression: str, check: str) -> None:
    spec = {"variables": [{"name": "x", "expression": expression}], "validations": [{"expression": check}]}
    bind(cluster, "validating", spec)
    refusal = await refused(admit, ask())
    assert refusal is None, refusal.message


async def test_a_condition_that_fails(cluster: MemoryCluster, admit: Admit) -> None:
    spec = {"matchConditions": [{"name": "c", "expression": "object.nothing"}], "validations": [{"expression": "true"}]}
    bind(cluster, "validating", spec)
    refusal = await refused(admit, ask())
    assert refusal is not None
    assert refusal.message.endswith(
        "denied request: expression 'object.nothing' resulted in error: no such key: nothing"
    )


def policy(**spec: Any) -> Obj:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["pods"]}
    made = {"validations": [{"expression": "true"}], **spec, "matchConstraints": {"resourceRules": [rule]}}
    return {"metadata": {"name": "p"}, "spec": made}


@pytest.mark.parametrize(
    ("spec", "path", "words"),
    [
        pytest.param(
            {"validations": [{"expression": "true", "messageExpression": "string(authorizer.path('/x').check('get').allowed())"}]},
            "spec.validations[0].messageExpression",
            "undeclared reference to 'authorizer' (in container '')",
            id="a message sees no authorizer",
        ),
        pytest.param(
            {"validations": [{"expression": "params.x"}]},
            "spec.validations[0].expression",
            "undeclared reference to 'params' (in container '')",
            id="no parameters",
        ),
        pytest.param(
            {"variables": [{"name": "a", "expression": "1"}], "validations": [{"expression": "variables.b == 1"}]},
            "spec.validations[0].expression",
            "1:10: undefined field 'b'",
            id="an unknown variable",
        ),
        pytest.param(
            {"variables": [{"name": "a", "expression": "variables.b"}, {"name": "b", "expression": "1"}]},
            "spec.variables[0].expression",
            "undefined field 'b'",
            id="a variable before it is there",
        ),
        pytest.param(
            {"variables": [{"name": "a", "expression": "['x']"}], "validations": [{"expression": "variables.a[0] == 1"}]},
            "spec.validations[0].expression",
            "found no matching overload for '_==_' applied to '(string, int)'",
            id="types of variables",
        ),
        pytest.param(
            {"validations": [{"expression": "object.a"}, {"expression": "'x'"}]},
            "spec.validations[1].expression",
            "must evaluate to bool but got string",
            id="no condition",
        ),
        pytest.param(
            {"validations": [{"expression": "request.users == 1"}]},
            "spec.validations[0].expression",
            "undefined field 'users'",
            id="request",
        ),
    ],
)  # fmt: skip
def test_what_is_refused_when_it_is_stored(spec: Obj, path: str, words: str) -> None:
    kind = scheme.builtin().by_gvk(GROUP, "v1", "ValidatingAdmissionPolicy")
    obj = policy(**spec)
    assert kind is not None and kind.default is not None and kind.validate is not None
    kind.default(obj)
    found = [str(error) for error in kind.validate(obj)]
    assert len(found) == 1
    assert found[0].startswith(f"{path}: Invalid value: ")
    assert words in found[0]


NESTED = "items.all(a, items.all(b, items.all(c, a + b + c >= 0)))"


def test_a_budget_is_spent() -> None:
    """By the values at hand: what is small runs, what is large does not, and no more once all is spent."""
    program = cel.compile_expression(NESTED, ("items",))
    small, large = {"items": [1] * 10}, {"items": [1] * 400}
    assert program.run(small, budget=budget.Budget(budget.POLICY_LIMIT, small)) is True
    with pytest.raises(cel.EvaluationError, match="operation cancelled: actual cost limit exceeded"):
        program.run(large, budget=budget.Budget(budget.POLICY_LIMIT, large))
    middle = {"items": [1] * 20}
    spent = budget.Budget(cost.CALL_LIMIT // 4, middle)
    with pytest.raises(budget.OutOfBudget, match="running out of cost budget, no further validation rules will be run"):
        for _ in range(10):
            program.run(middle, budget=spent)


@pytest.mark.parametrize(
    ("source", "most"),
    [
        pytest.param("items.size() > 1", 1 << 24, id="no loop"),
        pytest.param("items.all(x, x > 0)", 1 << 16, id="a loop"),
        pytest.param(NESTED, 0, id="loops in loops"),
    ],
)
def test_most_are_known_to_be_cheap(source: str, most: int) -> None:
    assert cel.compile_expression(source, ("items",))._cheap_bytes == most


async def test_a_policy_out_of_budget(cluster: MemoryCluster, admit: Admit) -> None:
    nested = "object.spec.items.all(a, object.spec.items.all(b, object.spec.items.all(c, a + b + c >= 0)))"
    bind(cluster, "validating", {"validations": [{"expression": nested}]})
    asked = ask()
    assert asked.obj is not None
    asked.obj["spec"]["items"] = [1] * 500
    refusal = await refused(admit, asked)
    assert refusal is not None and "operation cancelled: actual cost limit exceeded" in refusal.message
