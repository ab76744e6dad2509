"""Tolerations, node selectors and node affinity, as scheduler, controllers and kubelet all judge by them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.api.kinds.podspec import node_fit

Obj = dict[str, Any]

TAINT = {"key": "disk", "value": "5", "effect": "NoExecute"}


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        pytest.param({"key": "disk", "value": "5", "effect": "NoExecute"}, True, id="equal"),
        pytest.param({"key": "disk", "operator": "Equal", "value": "6"}, False, id="another value"),
        pytest.param({"key": "disk", "value": "5"}, True, id="any effect"),
        pytest.param({"key": "disk", "value": "5", "effect": "NoSchedule"}, False, id="another effect"),
        pytest.param({"key": "disk", "operator": "Exists"}, True, id="any value"),
        pytest.param({"key": "net", "operator": "Exists"}, False, id="another key"),
        pytest.param({"operator": "Exists"}, True, id="everything"),
        pytest.param({}, False, id="nothing"),
        pytest.param({"key": "disk", "operator": "Gt", "value": "4"}, True, id="more than"),
        pytest.param({"key": "disk", "operator": "Gt", "value": "5"}, False, id="not more than"),
        pytest.param({"key": "disk", "operator": "Lt", "value": "6"}, True, id="less than"),
        pytest.param({"key": "disk", "operator": "Lt", "value": "many"}, False, id="no number"),
    ],
)
def test_tolerations(toleration: Obj, tolerated: bool) -> None:
    assert node_fit.tolerates(toleration, TAINT) is tolerated


def test_empty_words_are_absent_ones() -> None:
    assert node_fit.tolerates({"key": "a", "value": "", "effect": ""}, {"key": "a", "effect": "NoExecute"})


def test_only_the_effects_asked_for_count() -> None:
    taints = [{"key": "a", "effect": "PreferNoSchedule"}, {"key": "b", "effect": "NoSchedule"}, TAINT]
    assert node_fit.untolerated(taints, (), node_fit.NO_SCHEDULE) == taints[1]
    assert node_fit.untolerated(taints, (), node_fit.NO_EXECUTE) == TAINT
    assert node_fit.untolerated(taints, [{"operator": "Exists"}], node_fit.NO_SCHEDULE) is None


LABELS = {"zone": "a", "cores": "8"}


def affinity(*terms: Obj) -> Obj:
    return {
        "affinity": {
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
        }
    }


def label(key: str, operator: str, *values: str) -> Obj:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("spec", "selected"),
    [
        pytest.param({}, True, id="asks for nothing"),
        pytest.param({"nodeSelector": {"zone": "a"}}, True, id="selector"),
        pytest.param({"nodeSelector": {"zone": "a", "disk": "ssd"}}, False, id="selector, half"),
        pytest.param(affinity(label("zone", "In", "a", "b")), True, id="In"),
        pytest.param(affinity(label("zone", "NotIn", "a")), False, id="NotIn"),
        pytest.param(affinity(label("disk", "NotIn", "ssd")), True, id="NotIn of an absent label"),
        pytest.param(affinity(label("disk", "Exists")), False, id="Exists"),
        pytest.param(affinity(label("disk", "DoesNotExist")), True, id="DoesNotExist"),
        pytest.param(affinity(label("cores", "Gt", "7")), True, id="Gt"),
        pytest.param(affinity(label("cores", "Lt", "8")), False, id="Lt"),
        pytest.param(affinity(label("zone", "Gt", "1")), False, id="Gt of no number"),
        pytest.param(affinity(label("zone", "In", "b"), label("cores", "Exists")), True, id="one term of two"),
        pytest.param(affinity({}), False, id="an empty term"),
        pytest.param(affinity(), False, id="no term"),
        pytest.param(
            affinity({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}),
            True,
            id="by name",
        ),
    ],
)
def test_node_selection(spec: Obj, selected: bool) -> None:
    assert node_fit.selects(spec, LABELS, "n1") is selected


@given(
    operator=st.sampled_from(["In", "Exists"]),
    values=st.lists(st.sampled_from("abc"), min_size=1),
    labels=st.dictionaries(st.sampled_from("xy"), st.sampled_from("abc")),
)
def test_an_operator_and_its_negation_never_agree(operator: str, values: list[str], labels: dict[str, str]) -> None:
    negation = {"In": "NotIn", "Exists": "DoesNotExist"}[operator]
    one, other = (node_fit.term_matches(label("x", word, *values), labels, "n") for word in (operator, negation))
    assert one is not other
