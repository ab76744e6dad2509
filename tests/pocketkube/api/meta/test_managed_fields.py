"""Ownership by writes that are no apply."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from pocketkube.api.meta.managed_fields import update_manager
from pocketkube.api.meta.patches import merge_patch
from pocketkube.api.schema import Schema

Obj = dict[str, Any]
DEPLOYMENT = Schema.of("io.k8s.api.apps.v1.Deployment")
POD = Schema.of("io.k8s.api.core.v1.Pod")
WIDGET = Schema.from_openapi(
    {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
)


def web() -> Obj:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "uid": "u", "labels": {"app": "web"}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "containers": [
                        {"name": "c", "image": "i", "resources": {}, "ports": [{"containerPort": 80}], "env": [{"name": "A", "value": "1"}]}
                    ]
                },
            },
        },
    }  # fmt: skip


def written(old: Obj | None, new: Obj, manager: str, **more: Any) -> Obj:
    """`new` with its managedFields kept."""
    more = {"schema": DEPLOYMENT, "api_version": "apps/v1", "now": "2026-01-01T00:00:00Z", **more}
    entries = update_manager(old, new, manager=manager, **more)
    return {**new, "metadata": {**new["metadata"], "managedFields": entries}}


def fields_of(obj: Obj, manager: str, operation: str = "Update") -> Obj | None:
    found = [e for e in obj["metadata"]["managedFields"] if e["manager"] == manager and e["operation"] == operation]
    assert len(found) <= 1
    return found[0]["fieldsV1"] if found else None


def test_a_created_object_is_owned_as_upstream_writes_it() -> None:
    assert fields_of(written(None, web(), "kubectl-create"), "kubectl-create") == {
        "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
        "f:spec": {
            "f:replicas": {},
            "f:selector": {},
            "f:strategy": {"f:type": {}, "f:rollingUpdate": {".": {}, "f:maxSurge": {}}},
            "f:template": {
                "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
                "f:spec": {
                    "f:containers": {
                        'k:{"name":"c"}': {
                            ".": {},
                            "f:name": {},
                            "f:image": {},
                            "f:resources": {},
                            "f:ports": {
                                ".": {},
                                'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}},
                            },
                            "f:env": {".": {}, 'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}}},
                        }
                    }
                },
            },
        },
    }


def test_an_update_takes_what_it_changes() -> None:
    first = written(None, web(), "a")
    second = written(first, merge_patch(first, {"spec": {"replicas": 2}}), "b", now="2026-01-02T00:00:00Z")
    owned = fields_of(second, "a")
    assert owned is not None and "f:replicas" not in owned["f:spec"]
    assert fields_of(second, "b") == {"f:spec": {"f:replicas": {}}}
    assert [e["time"] for e in second["metadata"]["managedFields"]] == ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]


def test_what_is_removed_is_owned_by_nobody() -> None:
    first = written(None, web(), "a")
    second = written(first, merge_patch(first, {"metadata": {"labels": None}, "spec": {"strategy": None}}), "b")
    owned = fields_of(second, "a")
    assert owned is not None and "f:metadata" not in owned and "f:strategy" not in owned["f:spec"]
    assert fields_of(second, "b") is None


def test_a_write_that_changes_nothing_keeps_the_entries() -> None:
    first = written(None, web(), "a")
    assert (
        update_manager(first, dict(first), DEPLOYMENT, manager="b", api_version="apps/v1", now="x")
        is (first["metadata"]["managedFields"])
    )


def test_status_belongs_to_the_status_subresource() -> None:
    first = written(None, {**web(), "status": {"replicas": 1}}, "a")
    assert "f:status" not in (fields_of(first, "a") or {})
    second = merge_patch(
        first, {"spec": {"replicas": 9}, "status": {"replicas": 2, "conditions": [{"type": "Ok", "status": "True"}]}}
    )
    entry = written(first, second, "ctl", subresource="status")["metadata"]["managedFields"][1]
    assert entry["subresource"] == "status"
    assert entry["fieldsV1"] == {
        "f:status": {
            "f:replicas": {},
            "f:conditions": {".": {}, 'k:{"type":"Ok"}': {".": {}, "f:type": {}, "f:status": {}}},
        }
    }


def test_items_of_a_list_change_hands_one_by_one() -> None:
    first = written(None, web(), "a")
    container = first["spec"]["template"]["spec"]["containers"][0]
    changed = {**container, "image": "j"}
    second = written(
        first, merge_patch(first, {"spec": {"template": {"spec": {"containers": [changed, {"name": "d"}]}}}}), "b"
    )
    assert fields_of(second, "b") == {
        "f:spec": {
            "f:template": {
                "f:spec": {
                    "f:containers": {'k:{"name":"c"}': {"f:image": {}}, 'k:{"name":"d"}': {".": {}, "f:name": {}}}
                }
            }
        }
    }


@pytest.mark.parametrize(
    ("given", "count"),
    [
        pytest.param(None, 1, id="null-keeps"),
        pytest.param([], 0, id="empty-wipes"),
        pytest.param([{}], 0, id="single-empty-entry-wipes"),
        pytest.param([{"manager": "x", "operation": "Nonsense"}], 1, id="malformed-keeps"),
        pytest.param("x", 1, id="no-list-keeps"),
    ],
)
def test_entries_from_clients(given: Any, count: int) -> None:
    first = written(None, web(), "a")
    new = {**first, "metadata": {**first["metadata"], "managedFields": given}}
    assert len(update_manager(first, new, DEPLOYMENT, manager="a", api_version="apps/v1", now="x")) == count


def reversed_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return [reversed_keys(item) for item in value] if isinstance(value, list) else value


def test_entries_are_written_in_order() -> None:
    """Clients compare the bytes of fieldsV1: they are the same, whatever order an object's fields came in."""
    first = written(None, web(), "a")
    other = written(None, reversed_keys(web()), "a")
    assert orjson.dumps(first["metadata"]["managedFields"]) == orjson.dumps(other["metadata"]["managedFields"])
    more = written(first, merge_patch(first, {"spec": {"minReadySeconds": 1, "paused": True}}), "a")
    spec = more["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]
    assert list(spec) == sorted(spec)


def test_wiped_objects_stay_untracked() -> None:
    first = web()
    assert (
        update_manager(
            first,
            merge_patch(first, {"spec": {"replicas": 3}}),
            DEPLOYMENT,
            manager="a",
            api_version="apps/v1",
            now="x",
        )
        == []
    )


def test_clients_may_take_ownership_by_writing_entries() -> None:
    first = written(None, web(), "a")
    mine = [{**first["metadata"]["managedFields"][0], "manager": "z"}]
    new = {**first, "metadata": {**first["metadata"], "managedFields": mine}}
    assert [
        e["manager"] for e in update_manager(first, new, DEPLOYMENT, manager="b", api_version="apps/v1", now="x")
    ] == ["z"]


def test_old_updaters_are_put_together() -> None:
    obj = written(None, web(), "m00")
    for number in range(1, 20):
        new = merge_patch(obj, {"metadata": {"labels": {f"l{number}": "x"}}})
        obj = written(obj, new, f"m{number:02}", now=f"2026-01-{number:02}T00:00:00Z")
    entries = obj["metadata"]["managedFields"]
    assert len(entries) == 10 and [e["manager"] for e in entries].count("ancient-changes") == 1
    labels = [fields["f:metadata"]["f:labels"] for e in entries if "f:metadata" in (fields := e["fieldsV1"])]
    assert {name for found in labels for name in found if name != "."} == {"f:app"} | {f"f:l{n}" for n in range(1, 20)}


def test_custom_resources_own_their_structs() -> None:
    obj = {"apiVersion": "x.io/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 1}}
    entries = update_manager(None, obj, WIDGET, manager="a", api_version="x.io/v1", now="x")
    assert entries[0]["fieldsV1"] == {"f:spec": {".": {}, "f:size": {}}}


def test_sets_are_owned_by_item() -> None:
    old = {"metadata": {"name": "p", "finalizers": ["a"]}}
    first = written(None, old, "one", schema=POD, api_version="v1")
    second = written(
        first, merge_patch(first, {"metadata": {"finalizers": ["a", "b"]}}), "two", schema=POD, api_version="v1"
    )
    assert fields_of(second, "two") == {"f:metadata": {"f:finalizers": {'v:"b"': {}}}}
