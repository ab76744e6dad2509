"""The three patch formats: golden pairs, upstream's ordering, and laws."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.api.meta.errors import BadRequest, Invalid, RequestEntityTooLarge, StatusError
from pocketkube.api.meta.patches import json_patch, merge_patch, strategic_merge
from pocketkube.api.meta.patches.jsonpatch import MAX_OPERATIONS, Patching
from pocketkube.api.schema import Schema

Obj = dict[str, Any]

POD = Schema.of("io.k8s.api.core.v1.Pod")
DEPLOYMENT = Schema.of("io.k8s.api.apps.v1.Deployment")
SERVICE = Schema.of("io.k8s.api.core.v1.Service")
NODE = Schema.of("io.k8s.api.core.v1.Node")

keys = st.sampled_from(["a", "b", "c"])
leaves = st.one_of(st.integers(0, 3), st.booleans(), st.text("xy", max_size=2))
values = st.recursive(leaves, lambda v: st.lists(v, max_size=3) | st.dictionaries(keys, v, max_size=3), max_leaves=8)
documents = st.dictionaries(keys, values, max_size=3)
patches = st.dictionaries(
    keys,
    st.recursive(leaves | st.none(), lambda v: st.lists(leaves, max_size=2) | st.dictionaries(keys, v, max_size=3)),
    max_size=3,
)


def spec(*containers: Obj, **more: Any) -> Obj:
    return {"spec": {"containers": list(containers), **more}}


@pytest.mark.parametrize(
    ("obj", "patch", "result"),
    [
        pytest.param({"a": "b"}, {"a": "c"}, {"a": "c"}, id="replace"),
        pytest.param({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}, id="remove"),
        pytest.param({"a": ["b"]}, {"a": "c"}, {"a": "c"}, id="list-to-scalar"),
        pytest.param({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}, id="nested"),
        pytest.param({"a": "c"}, {"a": {"b": {"c": None}}}, {"a": {"b": {}}}, id="nulls-in-what-is-new"),
        pytest.param({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}, id="lists-replace"),
    ],
)
def test_merge_patch(obj: Obj, patch: Obj, result: Obj) -> None:
    assert merge_patch(obj, patch) == result


@given(documents, patches)
def test_merge_patch_is_idempotent_and_leaves_its_input_alone(obj: Obj, patch: Obj) -> None:
    before = copy.deepcopy((obj, patch))
    once = merge_patch(obj, patch)
    assert merge_patch(once, patch) == once
    assert (obj, patch) == before


@pytest.mark.parametrize("patch", [[], "x", 1, None])
def test_patches_must_be_objects(patch: Any) -> None:
    with pytest.raises(BadRequest):
        merge_patch({}, patch)
    with pytest.raises(BadRequest):
        strategic_merge({}, patch, POD)


@pytest.mark.parametrize(
    ("ops", "result"),
    [
        pytest.param([{"op": "add", "path": "/m/c", "value": 1}], {"m": {"a~/": 0, "c": 1}, "l": [1, 2]}, id="add"),
        pytest.param([{"op": "add", "path": "/l/-", "value": 3}], {"m": {"a~/": 0}, "l": [1, 2, 3]}, id="append"),
        pytest.param([{"op": "add", "path": "/l/0", "value": 0}], {"m": {"a~/": 0}, "l": [0, 1, 2]}, id="insert"),
        pytest.param(
            [{"op": "add", "path": "/l/2", "value": 3}], {"m": {"a~/": 0}, "l": [1, 2, 3]}, id="insert-at-end"
        ),
        pytest.param([{"op": "remove", "path": "/m/a~0~1"}], {"m": {}, "l": [1, 2]}, id="escaped"),
        pytest.param(
            [{"op": "replace", "path": "/x", "value": 2}], {"m": {"a~/": 0}, "l": [1, 2], "x": 2}, id="replace nothing"
        ),
        pytest.param([{"op": "replace", "path": "/l/1", "value": {}}], {"m": {"a~/": 0}, "l": [1, {}]}, id="replace"),
        pytest.param([{"op": "move", "from": "/l", "path": "/k"}], {"m": {"a~/": 0}, "k": [1, 2]}, id="move"),
        pytest.param([{"op": "copy", "from": "/l/0", "path": "/k"}], {"m": {"a~/": 0}, "l": [1, 2], "k": 1}, id="copy"),
        pytest.param([{"op": "test", "path": "/l", "value": [1, 2]}], {"m": {"a~/": 0}, "l": [1, 2]}, id="test"),
        pytest.param([{"op": "test", "path": "/no", "value": None}], {"m": {"a~/": 0}, "l": [1, 2]}, id="test-absent"),
        pytest.param([{"op": "replace", "path": "", "value": {"x": 1}}], {"x": 1}, id="whole"),
    ],
)
def test_json_patch(ops: list[Obj], result: Obj) -> None:
    obj = {"m": {"a~/": 0}, "l": [1, 2]}
    before = copy.deepcopy(obj)
    assert json_patch(obj, ops) == result
    assert obj == before


@pytest.mark.parametrize(
    ("op", "cause"),
    [
        ({"op": "test", "path": "/a", "value": True}, "testing value /a failed: test failed"),
        ({"op": "remove", "path": "/x"}, "remove operation does not apply: doc is missing key: /x: missing value"),
        ({"op": "replace", "path": "/l/9", "value": 1}, "replace operation does not apply: doc is missing key: /l/9: missing value"),
        ({"op": "add", "path": "/x/y", "value": 1}, 'add operation does not apply: doc is missing path: "/x/y": missing value'),
        ({"op": "add", "path": "/l/9", "value": 1}, 'add operation does not apply: doc is missing path: "/l/9": invalid index referenced'),
        ({"op": "copy", "from": "/x", "path": "/y"}, "error in copy for path: '/y': missing value"),
        ({"op": "replace", "path": "", "value": 1}, "the result is not an object"),
        ({"op": "move", "from": "/l", "path": "/l/0"}, "error in move for path: '/l/0': cannot move into itself"),
    ],
)  # fmt: skip
def test_json_patch_that_does_not_apply(op: Obj, cause: str) -> None:
    with pytest.raises(Invalid) as caught:
        json_patch({"a": 1, "l": [1]}, [op])
    assert str(caught.value.__cause__) == cause


@pytest.mark.parametrize(
    "ops",
    [
        {},
        ["x"],
    ],
)
def test_malformed_json_patch(ops: Any) -> None:
    with pytest.raises(BadRequest):
        json_patch({"a": 1}, ops)


@pytest.mark.parametrize(
    "op", [{"op": "add"}, {"op": "nop", "path": "/a"}, {"op": "add", "path": "/a"}, {"op": "move", "path": "/a"}]
)
def test_incomplete_operations_do_not_apply(op: Obj) -> None:
    with pytest.raises(Invalid):
        json_patch({"a": 1}, [op])


def test_json_patch_has_a_limit() -> None:
    with pytest.raises(RequestEntityTooLarge, match="maximum operations in a JSON patch is 10000, got 10001"):
        json_patch({}, [{"op": "test", "path": "/a", "value": None}] * 10001)


def test_copies_are_limited_in_size_and_depth() -> None:
    doubling = [{"op": "copy", "from": "", "path": f"/k{i}"} for i in range(40)]
    with pytest.raises(RequestEntityTooLarge, match="accumulated size increase of copy is"):
        json_patch({"a": "x" * 100}, doubling)
    nesting = [{"op": "copy", "from": "/a", "path": "/a" * (i + 1)} for i in range(1, 300)]
    with pytest.raises(Invalid) as caught:
        json_patch({"a": {}}, nesting)
    assert str(caught.value.__cause__) == "the result is nested deeper than 200"


@given(documents, keys, values)
def test_json_patch_add_then_remove(obj: Obj, key: str, value: Any) -> None:
    added = json_patch(obj, [{"op": "add", "path": f"/{key}", "value": value}])
    assert added[key] == value
    assert json_patch(added, [{"op": "remove", "path": f"/{key}"}]) == {k: v for k, v in obj.items() if k != key}


pointers = st.lists(st.sampled_from(["a", "b", "c", "0", "1", "-"]), max_size=3).map(
    lambda p: "".join(f"/{x}" for x in p)
)
operations = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]),
        "path": pointers,
        "from": pointers,
        "value": values,
    }
)


@given(documents, st.lists(operations, max_size=8))
def test_operations_together_do_what_they_do_one_by_one(obj: Obj, ops: list[Obj]) -> None:
    """What a patch owns and changes in place is seen nowhere else: neither in its input nor in its operations."""
    before = copy.deepcopy((obj, ops))
    alone: Any = obj
    refused = None
    for op in ops:
        try:
            alone = json_patch(alone, [copy.deepcopy(op)])
        except StatusError as failure:
            refused = str(failure.__cause__ or failure)
            break
    if refused is None:
        assert json_patch(obj, ops) == alone
    elif "result is not an object" not in refused:  # which is asked at the end alone
        with pytest.raises(StatusError):
            json_patch(obj, ops)
    assert (obj, ops) == before


@pytest.mark.parametrize(
    ("obj", "op"),
    [
        pytest.param({"data": {}}, lambda n: {"op": "add", "path": f"/data/k{n}", "value": "x"}, id="map grows"),
        pytest.param({"l": []}, lambda n: {"op": "add", "path": "/l/-", "value": {"n": n}}, id="list grows"),
        pytest.param({"l": list(range(10_000))}, lambda n: {"op": "replace", "path": f"/l/{n}", "value": {}}, id="list changes"),
        pytest.param({"l": list(range(10_000))}, lambda n: {"op": "remove", "path": "/l/0"}, id="list shrinks"),
        pytest.param(
            {"a": {f"k{n}": {"d": [1]} for n in range(10_000)}, "b": {}},
            lambda n: {"op": "move", "from": f"/a/k{n}", "path": f"/b/k{n}"}, id="moves",
        ),
        pytest.param({"a": {"b": {"c": {}}}}, lambda n: {"op": "add", "path": f"/a/b/c/k{n}", "value": []}, id="deep"),
    ],
)  # fmt: skip
def test_the_steps_of_many_operations_do_not_multiply(obj: Obj, op: Callable[[int], Obj]) -> None:
    """10,000 operations copy what they touch once: the members of what was there, not those of each step."""
    patching = Patching(obj)
    for number in range(MAX_OPERATIONS):
        patching.apply(op(number))
    assert patching.steps <= 10_010


def test_a_large_value_is_moved_without_looking_at_it() -> None:
    """Its depth is told once at the end, not at each of many moves."""
    obj: Obj = {"a": [{"x": [n]} for n in range(30_000)]}
    there, back = {"op": "move", "from": "/a", "path": "/b"}, {"op": "move", "from": "/b", "path": "/a"}
    ops = [there, back] * (MAX_OPERATIONS // 2)
    begun = time.thread_time()
    assert json_patch(obj, ops) == obj
    assert time.thread_time() - begun < 2


def test_moves_that_nest_too_deep() -> None:
    obj: Obj = {"a": {}, **{f"k{n}": {} for n in range(250)}}
    ops = [{"op": "move", "from": f"/k{n}", "path": "/a" + "/x" * (n + 1)} for n in range(250)]
    with pytest.raises(Invalid) as caught:
        json_patch(obj, ops)
    assert str(caught.value.__cause__) == "the result is nested deeper than 200"


def test_an_index_of_many_digits() -> None:
    with pytest.raises(Invalid):
        json_patch({"l": [1]}, [{"op": "remove", "path": "/l/" + "1" * 5000}])


A, B, C = {"name": "a", "image": "1"}, {"name": "b", "image": "1"}, {"name": "c", "image": "1"}


@pytest.mark.parametrize(
    ("live", "patch", "result"),
    [
        pytest.param(spec(A, B), spec({"name": "a", "image": "2"}), spec({"name": "a", "image": "2"}, B), id="by-key"),
        pytest.param(spec(A), spec(B), spec(B, A), id="patch-items-first"),
        pytest.param(spec(A, B), spec({"name": "b", "image": "2"}), spec(A, {"name": "b", "image": "2"}), id="old-order"),
        pytest.param(spec(A, B), spec(B, A), spec(B, A), id="patch-order-wins"),
        pytest.param(spec(A, B), spec({"name": "a", "$patch": "delete"}), spec(B), id="delete"),
        pytest.param(spec(A, B), spec(C, {"$patch": "replace"}), spec(C), id="replace-list"),
        pytest.param(spec(A), spec({"name": "a", "image": None}), spec({"name": "a"}), id="null-in-item"),
        pytest.param(spec(A, x=1), {"spec": {"$patch": "replace", "y": 2}}, {"spec": {"y": 2}}, id="replace-map"),
        pytest.param(spec(A), {"spec": {"$patch": "delete"}}, {"spec": {}}, id="delete-map"),
        pytest.param(
            {}, spec({"name": "a", "image": None, "env": [{"name": "x", "$patch": "delete"}]}), spec({"name": "a", "env": []}), id="bare"
        ),
        pytest.param(
            spec(A, B, C), {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}]}}, spec(B, C, A), id="order-only"
        ),
        pytest.param(
            spec(A, B),
            spec({"name": "b", "image": "2"}, C, **{"$setElementOrder/containers": [{"name": "c"}, {"name": "b"}]}),
            spec(C, A, {"name": "b", "image": "2"}),
            id="order-and-change",
        ),
        pytest.param(
            spec(A, B), {"spec": {"$setElementOrder/containers": [{"name": "b"}], "containers": None}}, {"spec": {}}, id="order-of-null"
        ),
        pytest.param(
            {"spec": {"tolerations": [{"key": "a"}]}}, {"spec": {"tolerations": [{"key": "b"}]}},
            {"spec": {"tolerations": [{"key": "b"}]}}, id="lists-without-strategy-replace",
        ),
        pytest.param(
            {"metadata": {"finalizers": ["a", "b"]}}, {"metadata": {"finalizers": ["c", "a"]}},
            {"metadata": {"finalizers": ["c", "a", "b"]}}, id="primitives-merge",
        ),
        pytest.param(
            {"metadata": {"finalizers": ["a", "b"]}}, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}},
            {"metadata": {"finalizers": ["b"]}}, id="primitives-delete",
        ),
        pytest.param(
            {"metadata": {"finalizers": ["a", "b"]}},
            {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "$setElementOrder/finalizers": ["c", "b"], "finalizers": ["c"]}},
            {"metadata": {"finalizers": ["c", "b"]}}, id="primitives-delete-in-order",
        ),
        pytest.param({"metadata": {"labels": {"a": "1", "b": "2"}}}, {"metadata": {"labels": {"a": None, "c": "3"}}},
                     {"metadata": {"labels": {"b": "2", "c": "3"}}}, id="maps"),
    ],
)  # fmt: skip
def test_strategic_merge(live: Obj, patch: Obj, result: Obj) -> None:
    """line 15: strategic merge, in the order upstream gives."""
    before = copy.deepcopy((live, patch))
    assert strategic_merge(live, patch, POD) == result
    assert (live, patch) == before


def test_capacity_merges_deeply() -> None:
    """line 12: one more key keeps the others."""
    live = {"status": {"capacity": {"cpu": "2"}}}
    patched = strategic_merge(live, {"status": {"capacity": {"example.com/x": "1"}}}, NODE)
    assert patched == {"status": {"capacity": {"cpu": "2", "example.com/x": "1"}}}


def test_retain_keys() -> None:
    live = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic_merge(live, patch, DEPLOYMENT) == {"spec": {"strategy": {"type": "Recreate"}}}


def test_service_ports_merge_by_port() -> None:
    live = {"spec": {"ports": [{"port": 80, "nodePort": 30000}, {"port": 81}]}}
    patch = {"spec": {"ports": [{"port": 80, "targetPort": 8080}]}}
    ports = strategic_merge(live, patch, SERVICE)["spec"]["ports"]
    assert ports == [{"port": 80, "nodePort": 30000, "targetPort": 8080}, {"port": 81}]


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        (spec({"image": "x"}), "does not contain declared merge key: name"),
        (spec({"name": "a", "$patch": "nonsense"}), "unknown patch type: nonsense"),
        ({"spec": {"$patch": "nonsense"}}, "unknown patch type: nonsense"),
        ({"spec": {"$retainKeys": "x"}}, "retainKeys"),
        ({"spec": {"$retainKeys": ["x"], "y": 1}}, "retainKeys"),
        ({"spec": {"$setElementOrder/containers": 1}}, "setElementOrder"),
        ({"metadata": {"$deleteFromPrimitiveList/finalizers": 1}}, "primitive list"),
    ],
)
def test_senseless_strategic_patches(patch: Obj, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        strategic_merge({"spec": {"containers": [A]}, "metadata": {"finalizers": ["a"]}}, patch, POD)


names = st.lists(st.sampled_from("abcde"), max_size=4, unique=True)


@given(names, names, st.integers(0, 3))
def test_strategic_merge_of_lists(live: list[str], patch: list[str], number: int) -> None:
    old = spec(*({"name": n, "image": "old"} for n in live))
    change = spec(*({"name": n, "image": str(number)} for n in patch))
    merged = strategic_merge(old, change, POD)["spec"]["containers"]
    order = [c["name"] for c in merged]
    assert sorted(order) == sorted(set(live) | set(patch))
    assert [n for n in order if n in patch] == patch
    assert [n for n in order if n not in patch] == [n for n in live if n not in patch]
    assert {c["name"]: c["image"] for c in merged} == dict.fromkeys(live, "old") | {n: str(number) for n in patch}
    assert strategic_merge(strategic_merge(old, change, POD), change, POD)["spec"]["containers"] == merged


@given(st.dictionaries(st.sampled_from(["spec", "metadata", "status"]), values | patches, max_size=2), patches)
def test_any_patch_applies_or_is_an_api_error(patch: Obj, more: Obj) -> None:
    try:
        strategic_merge({"spec": {"containers": [A]}, "metadata": {"labels": {"a": "b"}}}, {**more, **patch}, POD)
    except StatusError:
        return
