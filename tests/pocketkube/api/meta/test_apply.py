"""Server-side apply: ownership, conflicts, removal, migration, and laws over random managers."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.api.meta.apply import LAST_APPLIED, server_side_apply
from pocketkube.api.meta.errors import BadRequest, Conflict
from pocketkube.api.meta.managed_fields import update_manager
from pocketkube.api.meta.patches import merge_patch
from pocketkube.api.schema import Schema

Obj = dict[str, Any]
DEPLOYMENT = Schema.of("io.k8s.api.apps.v1.Deployment")
CONFIG_MAP = Schema.of("io.k8s.api.core.v1.ConfigMap")
SERVICE = Schema.of("io.k8s.api.core.v1.Service")
POD = Schema.of("io.k8s.api.core.v1.Pod")


def deployment(containers: list[Obj] | None = None, **spec: Any) -> Obj:
    if containers is not None:
        spec["template"] = {"spec": {"containers": containers}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "d"}, "spec": spec}


def config_map(data: Obj | None = None, **meta: Any) -> Obj:
    found: Obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", **meta}}
    return found if data is None else {**found, "data": data}


def apply(live: Obj | None, config: Obj, manager: str = "a", **more: Any) -> Obj:
    schema = {"Deployment": DEPLOYMENT, "ConfigMap": CONFIG_MAP, "Service": SERVICE, "Pod": POD}[config["kind"]]
    more = {"now": "2026-01-01T00:00:00Z", "api_version": config["apiVersion"], **more}
    return server_side_apply(live, copy.deepcopy(config), schema, manager=manager, **more)


def update(live: Obj, patch: Obj, manager: str, schema: Schema = DEPLOYMENT, **more: Any) -> Obj:
    new = merge_patch(live, patch)
    more = {"api_version": live["apiVersion"], "now": "2026-01-02T00:00:00Z", **more}
    new["metadata"] = {**new["metadata"], "managedFields": update_manager(live, new, schema, manager=manager, **more)}
    return new


def owned(obj: Obj, manager: str, operation: str = "Apply") -> Obj | None:
    entries = obj["metadata"].get("managedFields", ())
    found = [e for e in entries if (e["manager"], e["operation"]) == (manager, operation)]
    assert len(found) <= 1
    return found[0]["fieldsV1"] if found else None


def filled(obj: Obj) -> Obj:
    """In the form that it is kept in."""
    DEPLOYMENT.decode(obj)
    return obj


def bare(obj: Obj) -> Obj:
    return {**obj, "metadata": {k: v for k, v in obj["metadata"].items() if k != "managedFields"}}


def test_creates_and_owns_exactly_what_it_says() -> None:
    made = apply(None, deployment([{"name": "x", "image": "i", "ports": [{"containerPort": 80}]}], replicas=1))
    assert bare(made) == filled(deployment([{"name": "x", "image": "i", "ports": [{"containerPort": 80}]}], replicas=1))
    port = 'k:{"containerPort":80,"protocol":"TCP"}'
    container: Obj = {".": {}, "f:name": {}, "f:image": {}, "f:ports": {port: {".": {}, "f:containerPort": {}}}}
    assert owned(made, "a") == {
        "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {'k:{"name":"x"}': container}}}}
    }


def test_repeating_it_changes_nothing() -> None:
    made = apply(None, deployment(replicas=1))
    assert apply(made, deployment(replicas=1), now="2027-01-01T00:00:00Z") is made


def test_conflict_in_upstreams_words() -> None:
    live = update(apply(None, deployment(replicas=1)), {"spec": {"replicas": 5}}, "scaler")
    with pytest.raises(Conflict) as caught:
        apply(live, deployment(replicas=1))
    status = caught.value.to_status()
    assert status["message"] == 'Apply failed with 1 conflict: conflict with "scaler" using apps/v1: .spec.replicas'
    assert (status["code"], status["reason"]) == (409, "Conflict")
    assert status["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "scaler" using apps/v1', "field": ".spec.replicas"}
    ]


def test_conflicts_with_several_managers() -> None:
    live = apply(None, config_map({"x": "1", "y": "1"}), "one")
    live = apply(live, config_map({"z": "1"}), "two")
    with pytest.raises(Conflict) as caught:
        apply(live, config_map({"x": "2", "y": "2", "z": "2"}), "three")
    assert caught.value.message == (
        'Apply failed with 3 conflicts: conflicts with "one":\n- .data.x\n- .data.y\nconflicts with "two":\n- .data.z'
    )


def test_force_takes_over() -> None:
    live = update(apply(None, deployment(replicas=1)), {"spec": {"replicas": 5}}, "scaler")
    live = apply(live, deployment(replicas=1), force=True)
    assert live["spec"]["replicas"] == 1
    assert owned(live, "a") == {"f:spec": {"f:replicas": {}}} and owned(live, "scaler", "Update") is None


def test_the_same_value_is_shared_and_survives_one_owner() -> None:
    live = apply(apply(None, config_map({"x": "1"}), "a"), config_map({"x": "1"}), "b")
    assert owned(live, "a") == owned(live, "b") == {"f:data": {"f:x": {}}}
    live = apply(live, config_map({}), "a")
    assert live["data"] == {"x": "1"}
    live = apply(live, config_map(), "b")
    assert "x" not in (live.get("data") or {})


def test_what_only_this_manager_owned_goes() -> None:
    live = apply(None, deployment([{"name": "x", "image": "i"}, {"name": "y", "image": "j"}], replicas=1))
    live = apply(live, deployment([{"name": "x", "image": "i"}]))
    assert bare(live) == filled(deployment([{"name": "x", "image": "i"}]))


def test_an_item_in_which_another_owns_a_field_stays() -> None:
    live = apply(None, deployment([{"name": "x", "image": "i"}, {"name": "y", "image": "j"}]))
    live = apply(live, deployment([{"name": "y", "command": ["run"]}]), "b")
    live = apply(live, deployment([{"name": "x", "image": "i"}]))
    assert live["spec"]["template"]["spec"]["containers"] == [
        {"name": "x", "image": "i", "resources": {}},
        {"name": "y", "command": ["run"], "resources": {}},
    ]


def test_what_an_updater_set_stays() -> None:
    live = update(apply(None, config_map({"x": "1"})), {"data": {"y": "2"}}, "u", CONFIG_MAP)
    live = apply(live, config_map({"z": "3"}))
    assert live["data"] == {"y": "2", "z": "3"}


def test_atomic_fields_are_owned_whole() -> None:
    labels = {"matchLabels": {"a": "1"}}
    live = apply(None, deployment(selector=labels))
    with pytest.raises(Conflict, match=r'conflict with "a": \.spec\.selector$'):
        apply(live, deployment(selector={"matchLabels": {"b": "1"}}), "b")
    live = apply(live, deployment(selector={"matchLabels": {"b": "1"}}), "b", force=True)
    assert live["spec"]["selector"] == {"matchLabels": {"b": "1"}} and owned(live, "a") is None


def test_sets_merge_and_shrink_by_owner() -> None:
    live = apply(None, config_map(finalizers=["a.io/x", "a.io/y"]), "a")
    live = apply(live, config_map(finalizers=["b.io/z"]), "b")
    assert live["metadata"]["finalizers"] == ["a.io/x", "a.io/y", "b.io/z"]
    live = apply(live, config_map(finalizers=["a.io/y"]), "a")
    assert live["metadata"]["finalizers"] == ["a.io/y", "b.io/z"]


@pytest.mark.parametrize(
    ("live", "config", "order"),
    [
        ("abc", "b", "abc"),
        ("abc", "cb", "acb"),
        ("ab", "ba", "ba"),
        ("ab", "xb", "axb"),
        ("", "ba", "ba"),
        ("abc", "xa", "xabc"),
    ],
)
def test_order_of_merged_lists(live: str, config: str, order: str) -> None:
    first = apply(None, deployment([{"name": n, "image": "i"} for n in live] if live else []), "a")
    second = apply(first, deployment([{"name": n} for n in config]), "b")
    assert "".join(c["name"] for c in second["spec"]["template"]["spec"]["containers"]) == order


def test_ports_of_one_number_are_told_apart_by_protocol() -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}
    live = apply(None, {**service, "spec": {"ports": [{"port": 53}]}}, "a")
    live = apply(live, {**service, "spec": {"ports": [{"port": 53, "protocol": "UDP"}]}}, "b")
    assert [(port["port"], port.get("protocol")) for port in live["spec"]["ports"]] == [(53, None), (53, "UDP")]


def test_status_is_ignored_on_the_main_resource_and_spec_on_status() -> None:
    live = apply(None, {**deployment(replicas=1), "status": {"replicas": 9}})
    assert live["status"] == {} and owned(live, "a") == {"f:spec": {"f:replicas": {}}}
    live = apply(live, {**deployment(replicas=7), "status": {"replicas": 9}}, "s", subresource="status")
    assert (live["spec"]["replicas"], live["status"]["replicas"]) == (1, 9)
    assert owned(live, "s") == {"f:status": {"f:replicas": {}}}
    assert [e.get("subresource") for e in live["metadata"]["managedFields"]] == [None, "status"]


def test_objects_written_before_anyone_applied() -> None:
    live = {**deployment(replicas=1), "metadata": {"name": "web", "namespace": "d", "uid": "u"}}
    with pytest.raises(Conflict, match=r'conflict with "before-first-apply" using apps/v1: \.spec\.replicas'):
        apply(live, deployment(replicas=2))
    live = apply(live, deployment(replicas=2, paused=True), force=True)
    assert (live["spec"]["replicas"], live["spec"]["paused"]) == (2, True)


def test_quantities_are_compared_by_value() -> None:
    def pod(memory: str) -> Obj:
        resources = {"limits": {"memory": memory}}
        spec = {"containers": [{"name": "x", "resources": resources}]}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}

    live = apply(None, pod("1Gi"), "a")
    assert owned(apply(live, pod("1024Mi"), "b"), "b") is not None


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (config_map({"x": "1"}, managedFields=[{"manager": "a"}]), "metadata.managedFields must be nil"),
        (
            {**config_map(), "spec": {}},
            r"failed to create typed patch object \(/c; v1, Kind=ConfigMap\): .spec: field not declared",
        ),
        (deployment([{"image": "x"}]), 'omits all key fields "name"'),
        (deployment([{"name": "x"}, {"name": "x"}]), "duplicate entries for key"),
        (config_map({"x": 1}), "cannot unmarshal number"),
    ],
)
def test_configurations_that_do_not_fit(config: Obj, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        apply(None, config)


def test_an_applier_is_the_same_in_any_version() -> None:
    live = apply(None, deployment(replicas=1))
    live = apply(live, deployment(paused=True), api_version="apps/v1beta2")
    assert "replicas" not in live["spec"] and len(live["metadata"]["managedFields"]) == 1


def test_kubectl_takes_over_what_it_applied_on_the_client_side() -> None:
    config = config_map({"x": "1", "y": "1"})
    text = orjson.dumps(config).decode()
    live = {**config, "metadata": {"name": "c", "uid": "u", "annotations": {LAST_APPLIED: text}}}
    entries = update_manager(None, live, CONFIG_MAP, manager="kubectl-client-side-apply", api_version="v1", now="t")
    live["metadata"]["managedFields"] = entries
    after = apply(live, config_map({"x": "2"}), "kubectl")
    assert after["data"] == {"x": "2", "y": "1"}
    assert orjson.loads(after["metadata"]["annotations"][LAST_APPLIED]) == config_map({"x": "2"})
    with pytest.raises(Conflict):
        apply(live, config_map({"x": "2"}), "someone")
    moved = update(live, {"data": {"x": "9"}}, "other", CONFIG_MAP)
    with pytest.raises(Conflict, match='conflict with "other"'):
        apply(moved, config_map({"x": "2"}), "kubectl")


datas = st.dictionaries(st.sampled_from("wxyz"), st.sampled_from("12"), max_size=4)
steps = st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), datas), max_size=6)


@given(steps, datas)
def test_after_an_apply_its_values_hold_and_its_fields_are_owned(history: list[tuple[str, Obj]], data: Obj) -> None:
    live: Obj | None = None
    for manager, earlier in history:
        live = apply(live, config_map(earlier or None), manager, force=True)
    before = copy.deepcopy(live)
    after = apply(live, config_map(data or None), "a", force=True)
    assert live == before
    held = after.get("data") or {}
    entries = after["metadata"].get("managedFields", [])
    assert all(held[k] == v for k, v in data.items())
    mine: Obj = next((e["fieldsV1"] for e in entries if e["manager"] == "a"), {})
    assert set(mine.get("f:data", {})) == {f"f:{k}" for k in data}
    assert apply(after, config_map(data or None), "a") is after
    owners = {k for e in entries for k in e["fieldsV1"].get("f:data", {}) if k != "."}
    assert owners == {f"f:{k}" for k in held}


@given(datas.filter(bool), datas.filter(bool))
def test_managers_that_agree_do_not_conflict_in_any_order(one: Obj, other: Obj) -> None:
    other = {k: one.get(k, v) for k, v in other.items()}
    forth = apply(apply(None, config_map(one), "a"), config_map(other), "b")
    back = apply(apply(None, config_map(other), "b"), config_map(one), "a")
    assert (forth.get("data"), owned(forth, "a"), owned(forth, "b")) == (
        back.get("data"),
        owned(back, "a"),
        owned(back, "b"),
    )


containers = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from("abc")}, optional={"image": st.sampled_from("12"), "args": st.just(["x"])}
    ),
    max_size=3,
    unique_by=lambda c: c["name"],
)


@given(st.lists(st.tuples(st.sampled_from("mno"), containers), min_size=1, max_size=5))
def test_lists_hold_what_their_last_applier_said(history: list[tuple[str, list[Obj]]]) -> None:
    live: Obj | None = None
    for manager, wanted in history:
        live = apply(live, deployment(wanted), manager, force=True)
        there = {c["name"]: c for c in live["spec"]["template"]["spec"]["containers"]}
        for container in wanted:
            assert there[container["name"]].items() >= container.items()
        assert apply(live, deployment(wanted), manager, force=True) is live
    for manager in "mno":
        live = apply(live, deployment(), manager, force=True)
    assert live is not None
    assert not live["spec"].get("template", {}).get("spec", {}).get("containers")


def test_zero_values_are_owned_and_yet_not_kept() -> None:
    spec: Obj = {"hostNetwork": False, "nodeName": None, "containers": [{"name": "x", "env": [], "command": []}]}
    config = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}
    made = apply(None, config)
    item: Obj = {".": {}, "f:name": {}, "f:command": {}}
    assert owned(made, "a") == {
        "f:spec": {"f:hostNetwork": {}, "f:nodeName": {}, "f:containers": {'k:{"name":"x"}': item}}
    }
    assert made["spec"] == {"containers": [{"name": "x", "resources": {}}]}
    assert apply(made, config, now="2027-01-01T00:00:00Z") is made
    live = apply(apply(None, {**config, "spec": {**spec, "hostNetwork": True}}), config)
    assert "hostNetwork" not in live["spec"]


def test_structs_that_go_always_has_are_nobodys() -> None:
    """Those inside a new item came with it."""
    containers = [{"name": "x", "resources": {"limits": {"cpu": "1"}}}]
    new = deployment(containers, strategy={"type": "Recreate"})
    DEPLOYMENT.decode(new)
    (entry,) = update_manager(None, new, DEPLOYMENT, manager="m", api_version="apps/v1", now="2026-01-01T00:00:00Z")
    item: Obj = {".": {}, "f:name": {}, "f:resources": {".": {}, "f:limits": {".": {}, "f:cpu": {}}}}
    assert entry["fieldsV1"]["f:spec"] == {
        "f:strategy": {"f:type": {}},
        "f:template": {"f:spec": {"f:containers": {'k:{"name":"x"}': item}}},
    }
