"""What clients of custom resources rely on; the numbers are lines of the list of behaviours that others got wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from apiserver.admission.chain import Chain
from tests.apiserver.admission.webhook_server import WebhookServer, patch
from tests.apiserver.server import Client, eventually, running
from tests.apiserver.test_custom import CRDS, MERGE, WIDGETS, answers, condition, crd, define, version, widget

JSON_PATCH = "application/json-patch+json"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
DEFINITION = f"{CRDS}/widgets.example.com"


def schema(root: Any, name: str = "v1", **more: Any) -> Any:
    """A version whose whole schema is `root`."""
    return {**version(name, **more), "schema": {"openAPIV3Schema": {"type": "object", **root}}}


@pytest.mark.parametrize("path", ["/api", "/api/", "/apis", "/apis/", "/apis/example.com", "/apis/example.com/v1"])
async def test_discovery_answers_at_once(client: Client, path: str) -> None:
    """line 18"""
    await define(client, crd())
    answer = await client("GET", path)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-cache, private"
    assert (await client("GET", path.rstrip("/"))).body == answer.body


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        pytest.param(["v2", "v2beta1"], "v2", id="v2-first"),
        pytest.param(["v2beta1", "v2"], "v2beta1", id="v2beta1-first"),
    ],
)
async def test_aggregated_discovery(client: Client, wanted: list[str], given: str) -> None:
    """line 19"""
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    await define(
        client, crd("widgets", "Widget", version(subresources={"status": {}, "scale": scale}), shortNames=["wd"])
    )
    await define(client, crd("gadgets", "Gadget", categories=["all"]))
    accept = ",".join(AGGREGATED.format(v) for v in wanted) + ",application/json"
    answer = await client("GET", "/apis", accept=accept)
    assert f"v={given};" in answer.headers["content-type"]
    (group,) = [item for item in answer.json()["items"] if item["metadata"]["name"] == "example.com"]
    gadgets, widgets = group["versions"][0]["resources"]
    assert (gadgets["resource"], gadgets["categories"], widgets["resource"]) == ("gadgets", ["all"], "widgets")
    assert widgets["shortNames"] == ["wd"]
    found = {sub["subresource"]: sub["responseKind"] for sub in widgets["subresources"]}
    assert found["status"] == {"group": "example.com", "version": "v1", "kind": "Widget"}
    assert found["scale"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}


FLAGGED: Any = {"type": "object", "properties": {"x": {"type": "boolean", "default": False}}}
FULL: Any = {
    "description": "A widget.",
    "properties": {
        "spec": {
            "type": "object",
            "minProperties": 0,
            "properties": {
                "ratio": {"type": "number", "multipleOf": 0.5, "minimum": 0, "default": 1.5, "enum": [1.5, 2]},
                "text": {"type": "string", "default": "", "maxLength": 0, "pattern": "^$", "example": "x"},
                "deep": {"type": "array", "items": {"type": "array", "items": FLAGGED}},
                "port": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
                "map": {"type": "object", "additionalProperties": {"type": "string"}},
                "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "null": {"type": "string", "nullable": True},
                "pod": {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True},
            },
            "required": ["ratio", "null"],
        }
    },
    "x-kubernetes-validations": [{"rule": "self.spec.ratio > 1.0", "message": "m"}],
}  # fmt: skip


async def test_schemas_survive(client: Client) -> None:
    """line 22"""
    sent = crd("widgets", "Widget", schema(FULL))
    empty = {"nullable": False, "uniqueItems": False, "title": "", "allOf": [], "x-kubernetes-embedded-resource": False}
    sent["spec"]["versions"][0]["schema"]["openAPIV3Schema"] |= empty
    made = await client.ok("POST", CRDS, sent)
    assert made["spec"]["versions"][0]["schema"]["openAPIV3Schema"] == {"type": "object", **FULL}
    await condition(client, "widgets.example.com", "Established")
    document = await client.ok("GET", "/openapi/v3/apis/example.com/v1")
    shown = document["components"]["schemas"]["com.example.v1.Widget"]
    assert shown["x-kubernetes-validations"] == FULL["x-kubernetes-validations"]
    published, given = shown["properties"]["spec"], FULL["properties"]["spec"]
    for name in set(given["properties"]) - {"pod"}:
        assert published["properties"][name] == given["properties"][name]
    assert set(published["properties"]["pod"]["properties"]) == {"apiVersion", "kind", "metadata"}
    assert (published["required"], published["minProperties"]) == (given["required"], 0)
    swagger = (await client.ok("GET", "/openapi/v2"))["definitions"]["com.example.v1.Widget"]["properties"]["spec"]
    assert swagger["required"] == ["ratio"]
    assert swagger["properties"]["port"] == {"x-kubernetes-int-or-string": True}
    assert swagger["properties"]["deep"] == given["properties"]["deep"] | {
        "items": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "boolean"}}}}
    }


class TestPublishing:
    """line 23"""

    async def test_an_open_root_is_a_bare_object(self, client: Client) -> None:
        await define(client, crd("widgets", "Widget", schema({"x-kubernetes-preserve-unknown-fields": True})))
        swagger = await client.ok("GET", "/openapi/v2")
        gvk = [{"group": "example.com", "version": "v1", "kind": "Widget"}]
        assert swagger["definitions"]["com.example.v1.Widget"] == {
            "type": "object",
            "x-kubernetes-group-version-kind": gvk,
        }

    async def test_false_says_nothing(self, client: Client) -> None:
        spec = {"type": "object", "x-kubernetes-embedded-resource": False, "x-kubernetes-int-or-string": False}
        await define(client, crd("widgets", "Widget", schema({"properties": {"spec": spec}})))
        for path, *keys in (
            ("/openapi/v2", "definitions"),
            ("/openapi/v3/apis/example.com/v1", "components", "schemas"),
        ):
            found = await client.ok("GET", path)
            for key in keys:
                found = found[key]
            assert found["com.example.v1.Widget"]["properties"]["spec"] == {"type": "object"}

    async def test_versions_come_and_go(self, client: Client) -> None:
        await define(client, crd("widgets", "Widget", version(), version("v1beta1", storage=False)))
        assert "apis/example.com/v1beta1" in (await client.ok("GET", "/openapi/v3"))["paths"]
        definition = await client.ok("GET", DEFINITION)
        definition["spec"]["versions"][1] |= {"served": False}
        await client.ok("PUT", DEFINITION, definition)
        await eventually(lambda: answers(client, "/apis/example.com/v1beta1", 404))
        assert "apis/example.com/v1beta1" not in (await client.ok("GET", "/openapi/v3"))["paths"]
        definitions = (await client.ok("GET", "/openapi/v2"))["definitions"]
        assert "com.example.v1.Widget" in definitions and "com.example.v1beta1.Widget" not in definitions
        definition = await client.ok("GET", DEFINITION)
        definition["spec"]["versions"][1] |= {"served": True, "name": "v1beta2"}
        await client.ok("PUT", DEFINITION, definition)
        await eventually(lambda: answers(client, "/apis/example.com/v1beta2", 200))
        assert "com.example.v1beta2.Widget" in (await client.ok("GET", "/openapi/v2"))["definitions"]


async def says(client: Client, name: str, reason: str) -> bool:
    return bool((await condition(client, "widgets.example.com", name))["reason"] == reason)


async def test_how_far_a_deletion_is(client: Client) -> None:
    """line 24: each step is a condition, the last one with another's finalizer still there."""
    sent = crd()
    sent["metadata"]["finalizers"] = ["example.com/hold"]
    await define(client, sent)
    await client.ok("POST", WIDGETS, widget())
    await client.ok("DELETE", DEFINITION)
    await eventually(lambda: says(client, "Terminating", "InstanceDeletionCompleted"))
    left = await client.ok("GET", DEFINITION)
    assert left["metadata"]["finalizers"] == ["example.com/hold"]
    assert (await condition(client, "widgets.example.com", "Terminating"))["status"] == "False"


async def test_a_definition_goes_after_its_objects(client: Client) -> None:
    """line 24"""
    await define(client, crd())
    made = await client.ok("POST", WIDGETS, {**widget(), "metadata": {"name": "w", "finalizers": ["example.com/hold"]}})
    async with client.watch(f"{WIDGETS}?watch=1&resourceVersion={made['metadata']['resourceVersion']}") as stream:
        await client.ok("DELETE", DEFINITION)
        assert (await condition(client, "widgets.example.com", "Terminating"))["status"] == "True"
        await eventually(lambda: says(client, "Terminating", "InstanceDeletionInProgress"))
        marked = await stream.next()
        assert (marked["type"], "deletionTimestamp" in marked["object"]["metadata"]) == ("MODIFIED", True)
        assert (await client("POST", WIDGETS, widget("late"))).status == 405
        assert (await client("GET", DEFINITION)).status == 200
        await client.ok("PATCH", f"{WIDGETS}/w", {"metadata": {"finalizers": None}}, media=MERGE)
        assert (await stream.next())["type"] == "DELETED"
        await eventually(lambda: answers(client, DEFINITION, 404))
        with pytest.raises(EOFError):
            await stream.next()
    assert (await client("GET", WIDGETS)).status == 404


async def test_defaults_everywhere(client: Client) -> None:
    """line 25: on write and read, in GET, LIST and WATCH, at the top too"""
    root = {"properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
    await define(client, crd("widgets", "Widget", schema(root)))
    await client.ok("POST", WIDGETS, widget())
    definition = await client.ok("GET", DEFINITION)
    properties = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    properties["mode"] = {"type": "string", "default": "auto"}
    properties["spec"]["properties"]["shape"] = {"type": "string", "default": "round"}
    await client.ok("PUT", DEFINITION, definition)

    async def has_mode() -> bool:
        return bool((await client.ok("GET", f"{WIDGETS}/w")).get("mode") == "auto")

    await eventually(has_mode)
    (listed,) = (await client.ok("GET", WIDGETS))["items"]
    assert (listed["mode"], listed["spec"]) == ("auto", {"size": 1, "shape": "round"})
    async with client.watch(f"{WIDGETS}?watch=1") as stream:
        assert (await stream.next())["object"]["mode"] == "auto"
    made = await client.ok("POST", WIDGETS, widget("new"))
    assert (made["mode"], made["spec"]["shape"]) == ("auto", "round")


async def test_a_new_schema_ends_watches(client: Client) -> None:
    """They would go on in the old form."""
    await define(client, crd())
    made = await client.ok("POST", WIDGETS, widget())
    path = f"{WIDGETS}?watch=1&resourceVersion={made['metadata']['resourceVersion']}"
    async with client.watch(path) as stream:
        shape = _add("shape", {"type": "string", "default": "round"})
        await client.ok("PATCH", DEFINITION, [shape], media=JSON_PATCH)
        with pytest.raises(EOFError):
            await stream.next()
    async with client.watch(path) as stream:
        await client.ok("PATCH", f"{WIDGETS}/w", {"spec": {"size": 2}}, media=MERGE)
        assert (await stream.next())["object"]["spec"]["shape"] == "round"


async def test_generations(client: Client) -> None:
    """A status without a path of its own is part of what is wished."""
    await define(client, crd())
    await client.ok("POST", WIDGETS, widget())
    changed = await client.ok("PATCH", f"{WIDGETS}/w", {"status": {"x": 1}}, media=MERGE)
    assert changed["metadata"]["generation"] == 2
    labelled = await client.ok("PATCH", f"{WIDGETS}/w", {"metadata": {"labels": {"a": "b"}}}, media=MERGE)
    assert labelled["metadata"]["generation"] == 2


def _add(name: str, prop: Any) -> Any:
    path = f"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/{name}"
    return {"op": "add", "path": path, "value": prop}


async def test_fields_that_a_schema_lost_are_not_shown(client: Client) -> None:
    await define(client, crd())
    await client.ok("POST", WIDGETS, widget(replicas=3))
    definition = await client.ok("GET", DEFINITION)
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec["properties"]["replicas"]
    await client.ok("PUT", DEFINITION, definition)

    async def is_gone() -> bool:
        return "replicas" not in (await client.ok("GET", f"{WIDGETS}/w"))["spec"]

    await eventually(is_gone)


@pytest.fixture
async def hook(tmp_path: Path) -> AsyncIterator[WebhookServer]:
    async with WebhookServer(tmp_path, "127.0.0.1").serving() as found:
        yield found


async def test_pruned_after_webhooks(client: Client, hook: WebhookServer) -> None:
    """line 25: what a webhook adds and the schema does not know goes"""
    await define(client, crd())
    hook.replies["/m"] = patch(
        {"op": "add", "path": "/spec/unknown", "value": 1}, {"op": "add", "path": "/spec/replicas", "value": 4}
    )
    config = {"url": f"https://127.0.0.1:{hook.port}/m", "caBundle": hook.ca_bundle}
    rule = {"operations": ["CREATE"], "apiGroups": ["example.com"], "apiVersions": ["*"], "resources": ["widgets"]}
    made = {
        "name": "m.example.com",
        "clientConfig": config,
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    configuration = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "m"},
        "webhooks": [made],
    }
    await client.ok("POST", "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", configuration)
    await client.ok(
        "GET", "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/m"
    )  # has come to the cache
    written = await client.ok("POST", WIDGETS, widget())
    chain = client.server.registry.admission
    assert isinstance(chain, Chain)
    await chain.close()
    assert written["spec"] == {"size": 1, "color": "red", "replicas": 4}


async def test_scale_from_the_root(client: Client) -> None:
    """line 25: paths of scale start at the object's root"""
    paths = {
        "specReplicasPath": ".spec.deep.wanted",
        "statusReplicasPath": ".status.deep.there",
        "labelSelectorPath": ".status.sel",
    }
    deep = {
        "type": "object",
        "properties": {"deep": {"type": "object", "properties": {"wanted": {"type": "integer", "maximum": 9}}}},
    }
    status = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    root = {"properties": {"spec": deep, "status": status}}
    await define(client, crd("widgets", "Widget", schema(root, subresources={"status": {}, "scale": paths})))
    await client.ok("POST", WIDGETS, {**widget(), "spec": {"deep": {"wanted": 2}}})
    await client.ok("PATCH", f"{WIDGETS}/w/status", {"status": {"deep": {"there": 1}, "sel": "a=b"}}, media=MERGE)
    scale = await client.ok("GET", f"{WIDGETS}/w/scale")
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 1, "selector": "a=b"})
    scale["spec"]["replicas"] = 5
    written = await client.ok("PUT", f"{WIDGETS}/w/scale", scale)
    assert written["spec"]["replicas"] == 5
    stale = await client("PUT", f"{WIDGETS}/w/scale", scale)
    assert (stale.status, stale.json()["reason"]) == (409, "Conflict")
    too_many = await client("PATCH", f"{WIDGETS}/w/scale", {"spec": {"replicas": 10}}, media=MERGE)
    assert (too_many.status, "spec.deep.wanted: Invalid value: 10" in too_many.message) == (422, True)
    found = await client.ok("GET", f"{WIDGETS}/w")
    assert (found["spec"]["deep"]["wanted"], found["metadata"]["generation"]) == (5, 2)


@pytest.mark.parametrize(
    ("given", "path", "why"),
    [
        pytest.param(
            {"spec": {"replicas": -1}}, "spec.replicas", "-1: should be a non-negative integer", id="negative"
        ),
        pytest.param(
            {"spec": {"replicas": 2**31}},
            "spec.replicas",
            "2147483648: should be less than or equal to 2147483647",
            id="large",
        ),
        pytest.param(
            {"spec": {"replicas": "2"}},
            "spec.replicas",
            "0: .spec.replicas accessor error: 2 is of the type string, expected int64",
            id="text",
        ),
        pytest.param(
            {"status": {"replicas": True}},
            "status.replicas",
            "0: .status.replicas accessor error: true is of the type bool, expected int64",
            id="status",
        ),
        pytest.param(
            {"status": {"selector": 5}},
            "status.selector",
            '"": .status.selector accessor error: 5 is of the type int64, expected string',
            id="selector",
        ),
    ],
)
async def test_what_can_be_scaled(client: Client, given: Any, path: str, why: str) -> None:
    """Paths of scale are looked at whatever the schema allows there."""
    paths = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    either = {"x-kubernetes-preserve-unknown-fields": True}
    root = {"properties": {"spec": either, "status": either}}
    await define(client, crd("widgets", "Widget", schema(root, subresources={"scale": paths})))
    refused = await client("POST", WIDGETS, {**widget(), "spec": {}, **given})
    assert (refused.status, refused.message) == (
        422,
        f'Widget.example.com "w" is invalid: .{path}: Invalid value: {why}',
    )
    await client.ok("POST", WIDGETS, {**widget(), "spec": {}})
    assert (await client("PATCH", f"{WIDGETS}/w", given, media=MERGE)).status == 422
    strategic = await client(
        "PATCH", f"{WIDGETS}/w/scale", {"spec": {}}, media="application/strategic-merge-patch+json"
    )
    assert strategic.status == 415


async def test_finalizers_that_are_nobodys(client: Client) -> None:
    """A warning when one is added, and only then."""
    await define(client, crd())
    warning = (
        '299 - "metadata.finalizers: \\"mine\\": prefer a domain-qualified finalizer name including a path (/) '
        'to avoid accidental conflicts with other finalizer writers"'
    )
    one = {**widget(), "metadata": {"name": "w", "finalizers": ["mine", "x.io/y", "orphan"]}}
    assert (await client("POST", WIDGETS, one)).warnings == [warning]
    changed = await client("PATCH", f"{WIDGETS}/w", {"spec": {"size": 2}}, media=MERGE)
    assert (changed.status, changed.warnings) == (200, [])
    added = {"metadata": {"finalizers": ["mine", "other"]}}
    assert (await client("PATCH", f"{WIDGETS}/w", added, media=MERGE)).warnings == [warning.replace("mine", "other")]


async def test_a_scale_that_is_not_said(client: Client) -> None:
    paths = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    await define(client, crd("widgets", "Widget", version(subresources={"scale": paths})))
    await client.ok("POST", WIDGETS, widget())
    missing = await client("GET", f"{WIDGETS}/w/scale")
    words = 'Internal error occurred: the spec replicas field ".spec.replicas" does not exist'
    assert (missing.status, missing.json()["reason"], missing.message) == (500, "InternalError", words)
    for wanted, why in (
        (-1, 'Widget.example.com "w" is invalid: .spec.replicas: Invalid value: -1: should be a non-negative integer'),
        ("x", ' "" is invalid: patch: Invalid value: '),
    ):
        refused = await client("PATCH", f"{WIDGETS}/w/scale", {"spec": {"replicas": wanted}}, media=MERGE)
        assert refused.status == 422
        assert refused.message.startswith(why)
    assert (await client.ok("PATCH", f"{WIDGETS}/w/scale", {"spec": {"replicas": 2}}, media=MERGE))["spec"][
        "replicas"
    ] == 2
    assert (await client.ok("GET", f"{WIDGETS}/w/scale"))["spec"] == {"replicas": 2}


async def test_what_an_object_says_it_is(client: Client) -> None:
    await define(client, crd())
    nothing = await client("POST", WIDGETS, {"spec": {"size": 1}})
    words = "Object 'Kind' is missing in '{\"spec\":{\"size\":1}}'"
    assert (nothing.status, nothing.message) == (400, f'Widget in version "v1" cannot be handled as a Widget: {words}')
    await client.ok("POST", WIDGETS, widget())
    other = await client("PATCH", f"{WIDGETS}/w", {"apiVersion": "example.com/v2"}, media=MERGE)
    words = 'apiVersion: Invalid value: "example.com/v2": must be example.com/v1'
    assert (other.status, other.message) == (422, f'Widget.example.com "w" is invalid: {words}')
    applied = await client.apply(f"{WIDGETS}/w", {**widget(), "apiVersion": "example.com/v2"})
    words = (
        "Incorrect version specified in apply patch. Specified patch version: example.com/v2, expected: example.com/v1"
    )
    assert (applied.status, applied.message) == (400, words)


async def test_a_status_is_all_that_its_path_fills(client: Client) -> None:
    """Defaults that a schema got later land in the spec when the spec is written."""
    half = {"type": "object", "properties": {"a": {"type": "string"}}, "default": {}}
    sent = crd("widgets", "Widget", schema({"properties": {"spec": half, "status": half}}, subresources={"status": {}}))
    await define(client, sent)
    await client.ok("POST", WIDGETS, {**widget(), "spec": {}})
    current = await client.ok("GET", DEFINITION)
    properties = current["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    for name in ("spec", "status"):
        properties[name]["properties"]["b"] = {"type": "string", "default": "B"}
    await client.ok("PUT", DEFINITION, current)

    async def has_b() -> bool:
        return "b" in (await client.ok("GET", f"{WIDGETS}/w"))["spec"]

    await eventually(has_b)
    await client.ok("PATCH", f"{WIDGETS}/w/status", {"status": {"a": "1"}}, media=MERGE)
    page = await client.server.store.list("/registry/example.com/widgets/")
    kept = orjson.loads(page.items[0].value)
    assert (kept["spec"], kept["status"]) == ({"b": "B"}, {"a": "1", "b": "B"})


async def test_no_namespace_where_there_is_none(client: Client) -> None:
    sent = crd()
    sent["spec"]["scope"] = "Cluster"
    await define(client, sent)
    path = WIDGETS.replace("/namespaces/default", "")
    made = await client.ok("POST", path, {**widget(), "metadata": {"name": "w", "namespace": "", "generateName": ""}})
    assert not {"namespace", "generateName"} & made["metadata"].keys()
    made["spec"]["size"] = 2
    assert (await client.ok("PUT", f"{path}/w", made))["spec"]["size"] == 2


@pytest.mark.parametrize(("method", "status"), [("POST", 404), ("DELETE", 404), ("GET", 200)])
async def test_all_namespaces_are_only_read(client: Client, method: str, status: int) -> None:
    await define(client, crd())
    body = widget() if method == "POST" else None
    assert (await client(method, WIDGETS.replace("/namespaces/default", ""), body)).status == status


async def test_yaml_for_everything(client: Client) -> None:
    """Discovery, failures and what is left of a deletion too."""
    await define(client, crd())
    await client.ok("POST", WIDGETS, widget())
    for method, path, kind in (
        ("GET", "/apis", "APIGroupList"),
        ("GET", "/apis/example.com/v1", "APIResourceList"),
        ("GET", f"{WIDGETS}/none", "Status"),
        ("GET", f"{WIDGETS}?watch=1", "Status"),
        ("DELETE", f"{WIDGETS}/w", "Status"),
        ("DELETE", WIDGETS, "Status"),
    ):
        answer = await client(method, path, accept="application/yaml")
        assert answer.headers["content-type"] == "application/yaml"
        assert yaml.safe_load(answer.body)["kind"] == kind
    assert (await client("GET", f"{WIDGETS}/none", accept="text/html")).json()["code"] == 406


async def test_patches(client: Client) -> None:
    await define(client, crd())
    await client.ok("POST", WIDGETS, widget())
    one = await client.ok(
        "PATCH", f"{WIDGETS}/w", [{"op": "replace", "path": "/spec/size", "value": 3}], media=JSON_PATCH
    )
    assert one["spec"]["size"] == 3
    assert one["metadata"]["generation"] == 2
    two = await client.ok("PATCH", f"{WIDGETS}/w", {"spec": {"color": None}}, media=MERGE)
    assert two["spec"]["color"] == "red"  # the default is back
    assert two["metadata"]["generation"] == 2
    three = await client("PATCH", f"{WIDGETS}/w", {"spec": {}}, media="application/strategic-merge-patch+json")
    assert three.status == 415
    stale = {"metadata": {"resourceVersion": one["metadata"]["resourceVersion"]}, "spec": {"size": 9}}
    await client.ok("PATCH", f"{WIDGETS}/w", {"spec": {"size": 4}}, media=MERGE)
    assert (await client("PATCH", f"{WIDGETS}/w", stale, media=MERGE)).status == 409


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(
            b'{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"s","bogus":1},"spec":{"size":1,"x":1,"size":2}}',
            'strict decoding error: duplicate field "spec.size", unknown field "metadata.bogus", unknown field "spec.x"',
            id="json",
        ),
    ],
)
async def test_strict(client: Client, body: bytes, words: str) -> None:
    await define(client, crd())
    refused = await client("POST", f"{WIDGETS}?fieldValidation=Strict", body)
    assert (refused.status, refused.message) == (400, f'Widget in version "v1" cannot be handled as a Widget: {words}')
    warned = await client("POST", WIDGETS, body)
    assert warned.status == 201
    assert len(warned.warnings) == 3


async def test_another_kind(client: Client) -> None:
    await define(client, crd())
    refused = await client("POST", WIDGETS, {**widget(), "kind": "Gadget"})
    assert (refused.status, refused.message) == (
        422,
        'Gadget.example.com "w" is invalid: kind: Invalid value: "Gadget": must be Widget',
    )


async def test_selected_by_fields(client: Client) -> None:
    fields = [{"jsonPath": ".spec.color"}, {"jsonPath": ".spec.size"}]
    await define(client, crd("widgets", "Widget", version(selectableFields=fields)))
    for name, color in (("a", "red"), ("b", "blue"), ("c", "red")):
        await client.ok("POST", WIDGETS, widget(name, color=color, size=len(name)))
    red = await client.ok("GET", f"{WIDGETS}?fieldSelector=spec.color%3Dred,spec.size%3D1")
    assert [item["metadata"]["name"] for item in red["items"]] == ["a", "c"]
    async with client.watch(
        f"{WIDGETS}?watch=1&fieldSelector=spec.color%3Dblue&resourceVersion={red['metadata']['resourceVersion']}"
    ) as stream:
        await client.ok("PATCH", f"{WIDGETS}/a", {"spec": {"color": "blue"}}, media=MERGE)
        await client.ok("PATCH", f"{WIDGETS}/b", {"spec": {"color": "red"}}, media=MERGE)
        assert await stream.take(2) == [("ADDED", "a"), ("DELETED", "b")]
    refused = await client("GET", f"{WIDGETS}?fieldSelector=spec.other%3Dx")
    assert (refused.status, refused.message.endswith("field label not supported: spec.other")) == (400, True)
    await client.ok("DELETE", f"{WIDGETS}?fieldSelector=spec.color%3Dred")
    assert [item["metadata"]["name"] for item in (await client.ok("GET", WIDGETS))["items"]] == ["a"]


async def test_pages(client: Client) -> None:
    await define(client, crd())
    for i in range(5):
        await client.ok("POST", WIDGETS, widget(f"w{i}"))
    first = await client.ok("GET", f"{WIDGETS}?limit=2")
    assert first["metadata"]["remainingItemCount"] == 3
    rest = await client.ok("GET", f"{WIDGETS}?limit=5&continue={first['metadata']['continue']}")
    assert [item["metadata"]["name"] for item in first["items"] + rest["items"]] == [f"w{i}" for i in range(5)]
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert "remainingItemCount" not in rest["metadata"]


async def test_versions_without_conversion(client: Client) -> None:
    """Each version shows the fields that it knows, and a deprecated one warns."""
    old = schema(
        {"properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}},
        "v1alpha1",
        storage=False,
    )
    await define(client, crd("widgets", "Widget", version(), {**old, "deprecated": True}))
    await client.ok("POST", WIDGETS, widget())
    answer = await client("GET", WIDGETS.replace("/v1/", "/v1alpha1/") + "/w")
    assert answer.json()["spec"] == {"size": 1}
    assert answer.warnings == ['299 - "example.com/v1alpha1 Widget is deprecated; use example.com/v1 Widget"']
    assert (await client("GET", f"{WIDGETS}/w")).warnings == []
    applied = await client.apply(
        WIDGETS.replace("/v1/", "/v1alpha1/") + "/w",
        {**widget(size=2), "apiVersion": "example.com/v1alpha1"},
        force="true",
    )
    assert applied.status == 200
    managed = applied.json()["metadata"]["managedFields"]
    assert sorted(m["apiVersion"] for m in managed) == ["example.com/v1", "example.com/v1alpha1"]


async def test_lists_by_keys_are_applied_item_by_item(client: Client) -> None:
    ports = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["port", "protocol"],
        "items": {
            "type": "object",
            "required": ["port"],
            "properties": {
                "port": {"type": "integer"},
                "protocol": {"type": "string", "default": "TCP"},
                "name": {"type": "string"},
            },
        },
    }
    root = {"properties": {"spec": {"type": "object", "properties": {"ports": ports}}}}
    await define(client, crd("widgets", "Widget", schema(root)))

    def config(*given: Any) -> Any:
        return {**widget(), "spec": {"ports": list(given)}}

    assert (await client.apply(f"{WIDGETS}/w", config({"port": 80, "name": "a"}), fieldManager="one")).status == 201
    answer = await client.apply(f"{WIDGETS}/w", config({"port": 80, "protocol": "UDP"}), fieldManager="two")
    assert [(p["port"], p["protocol"]) for p in answer.json()["spec"]["ports"]] == [(80, "TCP"), (80, "UDP")]
    conflict = await client.apply(f"{WIDGETS}/w", config({"port": 80, "name": "b"}), fieldManager="two")
    assert conflict.status == 409
    assert '.spec.ports[port=80,protocol="TCP"].name' in conflict.message
    left = await client.apply(f"{WIDGETS}/w", config(), fieldManager="one")
    assert [(p["port"], p["protocol"]) for p in left.json()["spec"]["ports"]] == [(80, "UDP")]
    twice = await client("POST", WIDGETS, {**config({"port": 1}, {"port": 1}), "metadata": {"name": "x"}})
    assert (twice.status, "spec.ports[1]: Duplicate value" in twice.message) == (422, True)


async def test_rules_through_the_api(client: Client) -> None:
    """What breaks a rule is refused; what broke it before may stay, with a warning."""
    await define(client, crd())
    await client.ok("POST", WIDGETS, widget(size=5))
    definition = await client.ok("GET", DEFINITION)
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["x-kubernetes-validations"] = [{"rule": "self.size < 5", "message": "too large", "fieldPath": ".size"}]
    await client.ok("PUT", DEFINITION, definition)

    async def refuses() -> bool:
        return (await client("POST", f"{WIDGETS}?dryRun=All", widget("new", size=6))).status == 422

    await eventually(refuses)
    refused = await client("POST", WIDGETS, widget("new", size=6))
    assert refused.message == 'Widget.example.com "new" is invalid: spec.size: Invalid value: too large'
    kept = await client("PATCH", f"{WIDGETS}/w", {"metadata": {"labels": {"a": "b"}}}, media=MERGE)
    assert (kept.status, kept.warnings) == (200, ['299 - "spec.size: Invalid value: too large"'])
    assert (await client("PATCH", f"{WIDGETS}/w", {"spec": {"size": 7}}, media=MERGE)).status == 422
    assert (await client("PATCH", f"{WIDGETS}/w", {"spec": {"size": 4}}, media=MERGE)).status == 200


async def test_names_are_released(client: Client) -> None:
    await define(client, crd(shortNames=["wd"]))
    await client.ok("POST", CRDS, crd("gadgets", "Gadget", shortNames=["wd"]))
    refused = await condition(client, "gadgets.example.com", "NamesAccepted")
    assert (refused["status"], refused["message"]) == ("False", '"wd" is already in use')
    await client.ok("DELETE", DEFINITION)
    await eventually(lambda: answers(client, "/apis/example.com/v1/gadgets", 200))
    found = await client.ok("GET", f"{CRDS}/gadgets.example.com")
    states = {c["type"]: c["status"] for c in found["status"]["conditions"]}
    assert states == {"NamesAccepted": "True", "Established": "True"}
    assert found["status"]["acceptedNames"]["shortNames"] == ["wd"]


@pytest.mark.parametrize(
    ("annotation", "status", "reason"),
    [
        pytest.param("https://github.com/kubernetes/kubernetes/pull/1", "True", "ApprovedAnnotation", id="approved"),
        pytest.param("unapproved, an experiment", "False", "UnapprovedAnnotation", id="unapproved"),
    ],
)
async def test_groups_of_the_community(client: Client, annotation: str, status: str, reason: str) -> None:
    sent = crd()
    sent["spec"]["group"] = "things.k8s.io"
    sent["metadata"]["name"] = "widgets.things.k8s.io"
    assert (await client("POST", CRDS, sent)).status == 422
    sent["metadata"]["annotations"] = {"api-approved.kubernetes.io": annotation}
    await client.ok("POST", CRDS, sent)
    found = await condition(client, "widgets.things.k8s.io", "KubernetesAPIApprovalPolicyConformant")
    assert (found["status"], found["reason"]) == (status, reason)


async def test_several_servers(client: Client, tmp_path: Path) -> None:
    """What one server has established, every other serves to whoever asks."""
    folder = tmp_path / "second"
    folder.mkdir()
    async with running(folder, client.server.store) as other:
        for number in range(5):
            plural = f"things{number}"
            await client.ok("POST", CRDS, crd(plural, f"Thing{number}"))
            assert (await condition(client, f"{plural}.example.com", "Established"))["status"] == "True"
            assert (await other("GET", f"/apis/example.com/v1/{plural}")).status == 200
        assert (await other("GET", "/apis/example.com/v1/nothings")).status == 404
