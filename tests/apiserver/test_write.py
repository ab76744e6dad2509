"""Create and update: what the server sets, what it refuses, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver.server import Client, config_map, deployment, pod

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


async def test_create_sets_what_only_the_server_sets(client: Client) -> None:
    sent = deployment()
    sent["metadata"] |= {"generation": 7, "uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z", "selfLink": "x"}
    sent["status"] = {"replicas": 9}
    answer = await client("POST", DEPLOYMENTS, sent, user_agent="probe/1.2")
    made = answer.json()
    assert answer.status == 201
    assert made["metadata"]["generation"] == 1
    assert made["metadata"]["uid"] != "mine"
    assert not made["metadata"]["creationTimestamp"].startswith("2001")
    assert "selfLink" not in made["metadata"]
    assert made["status"].get("replicas", 0) == 0
    assert int(made["metadata"]["resourceVersion"]) > 0
    (entry,) = made["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"], entry["apiVersion"]) == ("probe", "Update", "apps/v1")
    assert await client.ok("GET", f"{DEPLOYMENTS}/web") == made


async def test_generate_name(client: Client) -> None:
    sent = config_map()
    sent["metadata"] = {"generateName": "run-"}
    names = {(await client.ok("POST", CONFIG_MAPS, sent))["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("run-") and len(name) == 9 for name in names)


REFUSED = [
    pytest.param(
        "POST", CONFIG_MAPS, b"{", 400, "BadRequest", "unexpected end of JSON input", id="cut off"
    ),
    pytest.param("POST", CONFIG_MAPS, deployment(), 400, "BadRequest", "cannot be handled as a ConfigMap", id="other kind"),
    pytest.param(
        "POST", CONFIG_MAPS, {**config_map(), "apiVersion": "v2"}, 400, "BadRequest",
        "the API version in the data (v2) does not match the expected API version (v1)", id="other version",
    ),
    pytest.param("POST", CONFIG_MAPS, config_map("Bad_Name"), 422, "Invalid", "metadata.name: Invalid value", id="bad name"),
    pytest.param("POST", CONFIG_MAPS, config_map(""), 422, "Invalid", "name or generateName is required", id="no name"),
    pytest.param(
        "POST", CONFIG_MAPS, {**config_map(), "metadata": {"name": "c", "namespace": "other"}}, 400, "BadRequest",
        "the namespace of the provided object does not match the namespace sent on the request", id="other namespace",
    ),
    pytest.param(
        "POST", CONFIG_MAPS, {**config_map(), "metadata": {"name": "c", "resourceVersion": "3"}}, 400, "BadRequest",
        "resourceVersion should not be set on objects to be created", id="version at create",
    ),
    pytest.param(
        "POST", CONFIG_MAPS, {**config_map(), "metadata": {"name": "c", "labels": {"a b": "c"}}}, 422, "Invalid",
        "metadata.labels: Invalid value", id="bad label",
    ),
    pytest.param("PUT", f"{CONFIG_MAPS}/none", config_map("none"), 404, "NotFound", 'configmaps "none" not found', id="update of nothing"),
    pytest.param(
        "PUT", f"{CONFIG_MAPS}/other", config_map("c"), 400, "BadRequest",
        "the name of the object (c) does not match the name on the URL (other)", id="names differ",
    ),
    pytest.param("GET", f"{CONFIG_MAPS}/none", None, 404, "NotFound", 'configmaps "none" not found', id="get of nothing"),
    pytest.param("GET", f"{DEPLOYMENTS}/none", None, 404, "NotFound", 'deployments.apps "none" not found', id="group in words"),
    pytest.param("GET", "/api/v1/gadgets", None, 404, "NotFound", "the server could not find the requested resource", id="no kind"),
    pytest.param("PUT", CONFIG_MAPS, config_map(), 405, "MethodNotAllowed", "does not allow this method", id="put of all"),
    pytest.param("POST", "/api/v1/pods", pod(), 405, "MethodNotAllowed", "does not allow this method", id="no namespace"),
    pytest.param("PUT", "/api/v1/pods/p", pod(), 404, "NotFound", "could not find the requested resource", id="one of no namespace"),
    pytest.param("POST", f"{DEPLOYMENTS}?dryRun=Some", deployment(), 422, "Invalid", 'dryRun: Unsupported value', id="dry run"),
    pytest.param(
        "POST", f"{DEPLOYMENTS}?fieldValidation=Maybe", deployment(), 422, "Invalid", "fieldValidation: Unsupported value", id="validation"
    ),
    pytest.param(
        "POST", DEPLOYMENTS, {**deployment(), "spec": {**deployment()["spec"], "replicas": -1}}, 422, "Invalid",
        'Deployment.apps "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0', id="negative",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "code", "reason", "words"), REFUSED)
async def test_refusals(client: Client, method: str, path: str, body: Any, code: int, reason: str, words: str) -> None:
    answer = await client(method, path, body)
    status = answer.json()
    assert (answer.status, status["reason"], status["kind"], status["code"]) == (code, reason, "Status", code)
    assert words in status["message"]


async def test_exists_already(client: Client) -> None:
    """line 17: the refusal names resource and object."""
    await client.ok("POST", CONFIG_MAPS, config_map())
    answer = await client("POST", CONFIG_MAPS, config_map())
    assert answer.status == 409
    assert answer.json()["reason"] == "AlreadyExists"
    assert answer.message == 'configmaps "c" already exists'


async def test_unknown_media_type(client: Client) -> None:
    answer = await client("POST", CONFIG_MAPS, b"x", media="text/plain")
    assert (answer.status, answer.json()["reason"]) == (415, "UnsupportedMediaType")


async def test_yaml_body(client: Client) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: made\ndata:\n  a: b\n"
    answer = await client("POST", CONFIG_MAPS, body, media="application/yaml")
    assert answer.json()["data"] == {"a": "b"}


@pytest.mark.parametrize(
    ("mode", "code", "warned"),
    [
        pytest.param("Strict", 400, False, id="strict"),
        pytest.param("Warn", 201, True, id="warn"),
        pytest.param("", 201, True, id="default"),
        pytest.param("Ignore", 201, False, id="ignore"),
    ],
)
async def test_field_validation(client: Client, mode: str, code: int, warned: bool) -> None:
    """line 16: strict, warned, ignored."""
    body = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","x":1},"data":{"a":"1","a":"2"},"wrong":1}'
    answer = await client("POST", f"{CONFIG_MAPS}?fieldValidation={mode}", body)
    assert answer.status == code
    assert bool(answer.warnings) == warned
    shown = answer.message if code == 400 else " ".join(answer.warnings).replace("\\", "")
    if code == 400 or warned:
        for words in ('unknown field "wrong"', 'duplicate field "data.a"', 'unknown field "metadata.x"'):
            assert words in shown


async def test_dry_run_stores_nothing(client: Client) -> None:
    answer = await client("POST", f"{CONFIG_MAPS}?dryRun=All", config_map())
    assert answer.status == 201
    assert (await client("GET", f"{CONFIG_MAPS}/c")).status == 404


async def test_update_compares_the_resource_version(client: Client) -> None:
    made = await client.ok("POST", CONFIG_MAPS, config_map(a="1"))
    made["data"]["a"] = "2"
    second = await client.ok("PUT", f"{CONFIG_MAPS}/c", made)
    assert int(second["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    stale = await client("PUT", f"{CONFIG_MAPS}/c", made)
    assert (stale.status, stale.json()["reason"]) == (409, "Conflict")
    assert "the object has been modified; please apply your changes to the latest version" in stale.message
    del made["metadata"]["resourceVersion"]
    made["data"]["a"] = "3"
    assert (await client.ok("PUT", f"{CONFIG_MAPS}/c", made))["data"] == {"a": "3"}


async def test_update_of_another_uid(client: Client) -> None:
    made = await client.ok("POST", CONFIG_MAPS, config_map())
    made["metadata"] |= {"uid": "other", "resourceVersion": ""}
    answer = await client("PUT", f"{CONFIG_MAPS}/c", made)
    assert answer.status == 409
    assert "Precondition failed: UID in precondition: other" in answer.message


async def test_no_op_update_keeps_the_version(client: Client) -> None:
    made = await client.ok("POST", CONFIG_MAPS, config_map(a="1"))
    assert await client.ok("PUT", f"{CONFIG_MAPS}/c", made) == made
    patched = await client.ok("PATCH", f"{CONFIG_MAPS}/c", {"data": {"a": "1"}}, media="application/merge-patch+json")
    assert patched == made


async def test_update_takes_the_namespace_from_the_path_at_every_try(client: Client) -> None:
    """A body without one that changes nothing is compared with the live object in a second try."""
    await client.ok("POST", CONFIG_MAPS, config_map("c"))
    bare = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    for _ in range(2):
        put = await client.ok("PUT", f"{CONFIG_MAPS}/c", bare)
        assert (put["metadata"]["name"], put["metadata"]["namespace"]) == ("c", "default")


async def test_generation_follows_the_spec_alone(client: Client) -> None:
    """line 11: only the spec makes a generation."""
    made = await client.ok("POST", DEPLOYMENTS, deployment())
    made["metadata"]["labels"] = {"a": "b"}
    made["metadata"]["generation"] = 40
    labelled = await client.ok("PUT", f"{DEPLOYMENTS}/web", made)
    assert labelled["metadata"]["generation"] == 1
    labelled["spec"]["replicas"] = 5
    assert (await client.ok("PUT", f"{DEPLOYMENTS}/web", labelled))["metadata"]["generation"] == 2


async def test_empty_lists_and_maps_of_metadata_are_left_out(client: Client) -> None:
    empty: dict[str, object] = {"labels": {}, "annotations": {}, "finalizers": [], "ownerReferences": []}
    sent = config_map(a="1")
    sent["metadata"] |= empty
    made = await client.ok("POST", CONFIG_MAPS, sent)
    assert not empty.keys() & made["metadata"].keys()
    held = await client.ok(
        "PATCH", f"{CONFIG_MAPS}/c", {"metadata": {"finalizers": ["a/b"]}}, media="application/merge-patch+json"
    )
    assert held["metadata"]["finalizers"] == ["a/b"]
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/b"]}}
    freed = await client.ok("PATCH", f"{CONFIG_MAPS}/c", patch, media="application/strategic-merge-patch+json")
    assert "finalizers" not in freed["metadata"]


async def test_status_has_a_path_of_its_own(client: Client) -> None:
    """line 12: status and spec do not touch each other."""
    made = await client.ok("POST", DEPLOYMENTS, deployment())
    made["status"] = {"observedGeneration": 1, "replicas": 1}
    made["spec"]["replicas"] = 9
    made["metadata"]["annotations"] = {"a": "b"}
    written = await client.ok("PUT", f"{DEPLOYMENTS}/web/status", made)
    assert written["status"]["observedGeneration"] == 1
    assert written["spec"]["replicas"] == 1
    assert written["metadata"]["annotations"] == {"a": "b"}
    assert written["metadata"]["generation"] == 1
    assert (written["kind"], written["apiVersion"]) == ("Deployment", "apps/v1")
    written["status"] = {}
    written["spec"]["replicas"] = 2
    changed = await client.ok("PUT", f"{DEPLOYMENTS}/web", written)
    assert changed["status"]["observedGeneration"] == 1
    assert await client.ok("GET", f"{DEPLOYMENTS}/web/status") == changed


async def test_too_large(client: Client) -> None:
    answer = await client("POST", CONFIG_MAPS, config_map(a="x" * 4_000_000))
    assert (answer.status, answer.json()["reason"]) == (413, "RequestEntityTooLarge")


async def test_what_is_too_large_with_its_managed_fields_goes_without(client: Client) -> None:
    """Not what is applied: an apply is nothing without them."""
    wide = {f"a-key-that-is-long-so-that-its-name-in-a-set-of-fields-counts-as-well-{i}": "x" for i in range(9_999)}
    small = await client.ok("POST", CONFIG_MAPS, {**config_map("large"), "data": wide})
    assert "managedFields" not in small["metadata"]
    kept = await client.ok("POST", CONFIG_MAPS, config_map("grown", a="1"))
    assert kept["metadata"]["managedFields"]
    for method, media in (("PUT", "application/json"), ("PATCH", "application/merge-patch+json")):
        grown = await client.ok(method, f"{CONFIG_MAPS}/grown", {**config_map("grown"), "data": wide}, media=media)
        assert "managedFields" not in grown["metadata"]
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "large"}}
    applied = await client("PATCH", f"{CONFIG_MAPS}/large?fieldManager=me", body, media="application/apply-patch+yaml")
    assert (applied.status, applied.json()["reason"]) == (413, "RequestEntityTooLarge")


async def test_an_empty_list_of_managed_fields_ends_their_tracking(client: Client) -> None:
    await client.ok("POST", CONFIG_MAPS, config_map("c", a="1"))
    empty = config_map("c", a="1")
    empty["metadata"]["managedFields"] = []
    assert "managedFields" not in (await client.ok("PUT", f"{CONFIG_MAPS}/c", empty))["metadata"]
    later = await client.ok("PUT", f"{CONFIG_MAPS}/c", config_map("c", a="2"))
    assert "managedFields" not in later["metadata"]


async def test_owners_are_named_once(client: Client) -> None:
    """A reference that is there already goes, with a warning; one that differs in anything stays."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u1"}
    other = {**owner, "blockOwnerDeletion": True}
    twice = config_map("c", a="1")
    twice["metadata"]["ownerReferences"] = [owner, other, owner]
    made = await client("POST", CONFIG_MAPS, twice)
    assert made.json()["metadata"]["ownerReferences"] == [owner, other]
    assert len(made.warnings) == 1
    assert "duplicate UID(s) observed: u1" in made.warnings[0]
    put = await client("PUT", f"{CONFIG_MAPS}/c", twice)
    assert (put.json()["metadata"]["ownerReferences"], len(put.warnings)) == ([owner, other], 1)
    patch = {"metadata": {"ownerReferences": [owner, owner]}}
    patched = await client("PATCH", f"{CONFIG_MAPS}/c", patch, media="application/merge-patch+json")
    assert patched.json()["metadata"]["ownerReferences"] == [owner]
    assert "after mutating admission happens" in patched.warnings[0]


async def test_the_core_group_may_be_named_empty(client: Client) -> None:
    made = await client.ok("POST", CONFIG_MAPS, {**config_map("c"), "apiVersion": "/v1"})
    assert made["apiVersion"] == "v1"


async def test_namespace_must_exist(client: Client) -> None:
    answer = await client("POST", "/api/v1/namespaces/nowhere/configmaps", config_map())
    assert (answer.status, answer.message) == (404, 'namespaces "nowhere" not found')


async def test_creating_by_a_change_takes_the_right_to_create(client: Client) -> None:
    """PUT and apply make what is not there: whoever may only update and patch may not do that."""
    rule = {"apiGroups": [""], "resources": ["configmaps", "limitranges"], "verbs": ["update", "patch"]}
    await grant(client, rule)
    ann = client.acting_as("user-token")
    limits = f"{CONFIG_MAPS.rpartition('/')[0]}/limitranges/a"
    limit = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "a"}, "spec": {"limits": [{"type": "Pod"}]}}
    refused = await ann("PUT", limits, limit)
    assert refused.status == 403
    assert "cannot create resource" in refused.message
    applied = await ann(
        "PATCH", f"{CONFIG_MAPS}/c?fieldManager=me", config_map("c", a="1"), media="application/apply-patch+yaml"
    )
    assert (applied.status, "cannot create resource" in applied.message) == (403, True)
    await client.ok("POST", CONFIG_MAPS, config_map("c"))
    await ann.ok("PUT", f"{CONFIG_MAPS}/c", config_map("c", a="2"))
    await grant(client, {**rule, "verbs": ["create"]}, name="creating")
    assert (await ann("PUT", limits, limit)).status == 201


async def grant(client: Client, rule: dict[str, Any], *, name: str = "changing") -> None:
    """To ann, everywhere."""
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    await client.ok("POST", f"{rbac}/clusterroles", {"metadata": {"name": name}, "rules": [rule]})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    ann = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "ann"}
    await client.ok(
        "POST", f"{rbac}/clusterrolebindings", {"metadata": {"name": name}, "roleRef": role, "subjects": [ann]}
    )
    await client.ok("GET", f"{rbac}/clusterrolebindings/{name}")  # as new as the write, and so is what decides


async def test_forbidden_and_unauthorized(client: Client) -> None:
    answer = await client.acting_as("user-token")("GET", CONFIG_MAPS)
    assert answer.status == 403
    assert answer.message == (
        'configmaps is forbidden: User "ann" cannot list resource "configmaps" in API group "" in the namespace "default"'
    )
    assert (await client.acting_as("wrong")("GET", CONFIG_MAPS)).status == 401
