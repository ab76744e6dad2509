"""Accessors of any object."""

from __future__ import annotations

from typing import Any

from pocketkube.api.meta import objects


def test_keys() -> None:
    assert objects.key({"metadata": {"name": "a", "namespace": "n"}}) == "n/a"
    assert objects.key({"metadata": {"name": "a"}}) == "a"
    assert objects.split_key("n/a") == ("n", "a") and objects.split_key("a") == ("", "a")


def test_ownership() -> None:
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "w", "uid": "u"}}
    pod = {"metadata": {"name": "p", "ownerReferences": [objects.owner_reference(owner)]}}
    assert objects.is_controlled_by(pod, owner)
    assert objects.controller_of({"metadata": {"ownerReferences": [{"uid": "u"}]}}) is None


def test_conditions_change_time_only_with_status() -> None:
    found: list[dict[str, Any]] = []
    assert objects.set_condition(found, {"type": "Ready", "status": "False", "reason": "a"}, "t1")
    shared = found[0]
    assert not objects.set_condition(found, {"type": "Ready", "status": "False", "reason": "a"}, "t2")
    assert objects.set_condition(found, {"type": "Ready", "status": "False", "reason": "b"}, "t3")
    assert found == [{"type": "Ready", "status": "False", "reason": "b", "lastTransitionTime": "t1"}]
    assert objects.set_condition(found, {"type": "Ready", "status": "True", "reason": "b"}, "t4")
    assert objects.is_true({"status": {"conditions": found}}, "Ready") and found[0]["lastTransitionTime"] == "t4"
    assert shared == {"type": "Ready", "status": "False", "reason": "a", "lastTransitionTime": "t1"}
