"""The three-way merge of apply: said before, said now, there now."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl.merge import three_way
from pocketkube.api.meta.patches import merge_patch, strategic_merge
from pocketkube.api.scheme import builtin
from pocketkube.client.resources import DEPLOYMENTS, Resource

CUSTOM = Resource("example.com", "v1", "things", "Thing", True)


@pytest.mark.parametrize(
    ("before", "wanted", "live", "expected"),
    [
        pytest.param({}, {"a": 1}, {"a": 1}, {}, id="nothing to do"),
        pytest.param({"a": 1}, {}, {"a": 1}, {"a": None}, id="no longer said"),
        pytest.param({}, {}, {"a": 1}, {}, id="others' fields stay"),
        pytest.param(
            {"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "d": 3}}, {"a": {"b": None, "c": 2}}, id="nested"
        ),
        pytest.param({}, {"a": [1]}, {"a": [2]}, {"a": [1]}, id="lists are replaced"),
    ],
)
def test_custom_kinds(before: Any, wanted: Any, live: Any, expected: Any) -> None:
    assert three_way(CUSTOM, before=before, wanted=wanted, live=live) == (expected, "merge")


def containers(*found: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": list(found)}}}}


def test_lists_of_built_in_kinds_are_merged_by_key() -> None:
    before = containers({"name": "a", "image": "x:1"}, {"name": "old", "image": "y"})
    wanted = containers({"name": "a", "image": "x:2"})
    live = containers({"name": "a", "image": "x:1"}, {"name": "old", "image": "y"}, {"name": "injected", "image": "z"})
    patch, kind = three_way(DEPLOYMENTS, before=before, wanted=wanted, live=live)
    assert kind == "strategic"
    assert patch == containers({"name": "a", "image": "x:2"}, {"$patch": "delete", "name": "old"})
    schema = builtin().by_gvk("apps", "v1", "Deployment").schema  # type: ignore[union-attr]
    after = strategic_merge(live, patch, schema)
    assert {c["name"]: c["image"] for c in after["spec"]["template"]["spec"]["containers"]} == {
        "a": "x:2",
        "injected": "z",
    }


values = st.recursive(
    st.integers(0, 3) | st.text("ab", max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3) | st.lists(st.integers(0, 3), max_size=2),
    max_leaves=8,
)
documents = st.dictionaries(st.sampled_from("abcd"), values, max_size=4)


@given(before=documents, wanted=documents, live=documents)
def test_applying_makes_what_is_said_so_and_a_second_time_changes_nothing(before: Any, wanted: Any, live: Any) -> None:
    patch, _ = three_way(CUSTOM, before=before, wanted=wanted, live=live)
    after = merge_patch(live, patch)
    again, _ = three_way(CUSTOM, before=wanted, wanted=wanted, live=after)
    assert again == {}
    assert all(_holds(wanted[k], after.get(k)) for k in wanted)


def _holds(said: Any, found: Any) -> bool:
    if isinstance(said, dict):
        return isinstance(found, dict) and all(_holds(v, found.get(k)) for k, v in said.items())
    return bool(said == found)
