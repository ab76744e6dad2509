"""CustomResourceDefinitions: served at once, defaulted, pruned, validated, cleared up."""

from __future__ import annotations

from typing import Any

from tests.apiserver.server import Client, eventually

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
MERGE = "application/merge-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def version(name: str = "v1", *, storage: bool = True, **more: Any) -> Any:
    spec = {
        "type": "object",
        "required": ["size"],
        "properties": {
            "size": {"type": "integer", "minimum": 1},
            "color": {"type": "string", "default": "red"},
            "replicas": {"type": "integer"},
        },
    }
    status = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}},
        **more,
    }


def crd(plural: str = "widgets", kind: str = "Widget", *versions: Any, **names: Any) -> Any:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind, **names},
            "versions": list(versions) or [version()],
        },
    }


def widget(name: str = "w", **spec: Any) -> Any:
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": {"size": 1, **spec}}


async def test_nothing_is_added_to_the_servers_own_versions(client: Client) -> None:
    """Let alone put in the place of what is there."""
    group = "networking.k8s.io"
    path = f"/apis/{group}/v1"
    before = await client.ok("GET", path)
    for plural, kind in (("networkpolicies", "NetworkPolicy"), ("widgets", "Widget")):
        body = crd(plural, kind)
        body["metadata"] = {
            "name": f"{plural}.{group}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, a test"},
        }
        body["spec"]["group"] = group
        await client.ok("POST", CRDS, body)
        await condition(client, f"{plural}.{group}", "Established")
    assert await client.ok("GET", path) == before
    assert (await client("GET", f"{path}/namespaces/default/widgets")).status == 404
    await client.ok("DELETE", f"{CRDS}/networkpolicies.{group}")
    assert (await client.ok("GET", f"{path}/networkpolicies"))["kind"] == "NetworkPolicyList"


async def test_a_put_to_nothing_finds_nothing(client: Client) -> None:
    """Also where a version has to be named of what is there."""
    await client.ok("POST", CRDS, crd())
    await condition(client, "widgets.example.com", "Established")
    assert (await client("PUT", f"{WIDGETS}/w", widget())).status == 404
    await client.ok("POST", WIDGETS, widget())
    answer = await client("PUT", f"{WIDGETS}/w", widget())
    assert (answer.status, "must be specified for an update" in answer.message) == (422, True)


async def condition(client: Client, name: str, kind: str) -> Any:
    """Wait for a condition of a CRD."""
    async with client.watch(f"{CRDS}?watch=1&fieldSelector=metadata.name%3D{name}") as stream:
        while True:
            event = await stream.next()
            for found in event["object"].get("status", {}).get("conditions", ()):
                if found["type"] == kind:
                    return found


async def answers(client: Client, path: str, status: int) -> bool:
    return (await client("GET", path)).status == status


async def define(client: Client, sent: Any) -> None:
    await client.ok("POST", CRDS, sent)
    assert (await condition(client, sent["metadata"]["name"], "Established"))["status"] == "True"
    path = f"/apis/example.com/v1/{sent['spec']['names']['plural']}"
    await eventually(lambda: answers(client, path, 200))


async def test_established_comes_as_a_later_event(client: Client) -> None:
    """line 24"""
    made = await client.ok("POST", CRDS, crd())
    assert not [c for c in made.get("status", {}).get("conditions", ()) if c["type"] == "Established"]
    async with client.watch(f"{CRDS}?watch=1&resourceVersion={made['metadata']['resourceVersion']}") as stream:
        event = await stream.next()
    assert event["type"] == "MODIFIED"
    assert event["object"]["status"]["acceptedNames"]["singular"] == "widget"
    assert event["object"]["status"]["storedVersions"] == ["v1"]


async def test_objects_of_a_custom_kind(client: Client) -> None:
    await define(client, crd())
    made = (await client("POST", f"{WIDGETS}?fieldValidation=Ignore", widget(extra=1))).json()
    assert made["spec"] == {"size": 1, "color": "red"}
    assert made["metadata"]["generation"] == 1
    refused = await client("POST", WIDGETS, widget("small", size=0))
    assert refused.status == 422
    assert "spec.size" in refused.message
    missing = await client("POST", WIDGETS, {**widget("none"), "spec": {}})
    assert "spec.size: Required value" in missing.message
    strict = await client("POST", f"{WIDGETS}?fieldValidation=Strict", widget("strict", extra=1))
    assert (strict.status, 'unknown field "spec.extra"' in strict.message) == (400, True)
    changed = await client.ok("PATCH", f"{WIDGETS}/w", {"spec": {"size": 2}}, media=MERGE)
    assert (changed["spec"]["size"], changed["metadata"]["generation"]) == (2, 2)
    strategic = await client("PATCH", f"{WIDGETS}/w", {}, media="application/strategic-merge-patch+json")
    assert strategic.status == 415
    unconditional = await client("PUT", f"{WIDGETS}/w", widget())
    assert "metadata.resourceVersion: Invalid value: 0: must be specified for an update" in unconditional.message


async def test_apply_and_status_and_scale(client: Client) -> None:
    paths = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    await define(client, crd("widgets", "Widget", version(subresources={"status": {}, "scale": paths})))
    answer = await client.apply(f"{WIDGETS}/w", widget(replicas=2))
    assert answer.status == 201
    status = await client.ok(
        "PATCH", f"{WIDGETS}/w/status", {"status": {"replicas": 1}, "spec": {"size": 9}}, media=MERGE
    )
    assert (status["spec"]["size"], status["status"]) == (1, {"replicas": 1})
    scale = await client.ok("GET", f"{WIDGETS}/w/scale")
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 1})
    await client.ok("PATCH", f"{WIDGETS}/w/scale", {"spec": {"replicas": 7}}, media=MERGE)
    assert (await client.ok("GET", f"{WIDGETS}/w"))["spec"]["replicas"] == 7


async def test_versions_and_columns(client: Client) -> None:
    columns = [{"name": "Color", "type": "string", "jsonPath": ".spec.color"}]
    await define(
        client, crd("widgets", "Widget", version(additionalPrinterColumns=columns), version("v1beta1", storage=False))
    )
    await client.ok("POST", WIDGETS, widget())
    other = await client.ok("GET", WIDGETS.replace("/v1/", "/v1beta1/") + "/w")
    assert (other["apiVersion"], other["spec"]) == ("example.com/v1beta1", {"size": 1, "color": "red"})
    found = await client.ok("GET", WIDGETS.replace("/v1/", "/v1beta1/"))
    assert {item["apiVersion"] for item in found["items"]} == {"example.com/v1beta1"}
    table = await client.ok("GET", WIDGETS, accept=TABLE)
    assert [c["name"] for c in table["columnDefinitions"]] == ["Name", "Color"]
    assert table["rows"][0]["cells"] == ["w", "red"]
    group = await client.ok("GET", "/apis/example.com")
    assert [v["version"] for v in group["versions"]] == ["v1", "v1beta1"]


async def test_defaults_apply_on_read(client: Client) -> None:
    """line 25"""
    await define(client, crd())
    await client.ok("POST", WIDGETS, widget())
    definition = await client.ok("GET", f"{CRDS}/widgets.example.com")
    properties = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    properties["shape"] = {"type": "string", "default": "round"}
    await client.ok("PUT", f"{CRDS}/widgets.example.com", definition)

    async def has_shape() -> bool:
        return "shape" in (await client.ok("GET", f"{WIDGETS}/w"))["spec"]

    await eventually(has_shape)
    assert (await client.ok("GET", WIDGETS))["items"][0]["spec"]["shape"] == "round"


async def test_names_conflict(client: Client) -> None:
    await define(client, crd(shortNames=["wd"]))
    await client.ok("POST", CRDS, crd("gadgets", "Gadget", shortNames=["wd"]))
    refused = await condition(client, "gadgets.example.com", "NamesAccepted")
    assert (refused["status"], refused["reason"]) == ("False", "ShortNamesConflict")
    assert (await client("GET", "/apis/example.com/v1/gadgets")).status == 404


async def test_deletion_takes_the_objects_along(client: Client) -> None:
    await define(client, crd())
    for i in range(3):
        await client.ok("POST", WIDGETS, widget(f"w{i}"))
    marked = await client.ok("DELETE", f"{CRDS}/widgets.example.com")
    assert marked["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    await eventually(lambda: answers(client, f"{CRDS}/widgets.example.com", 404))
    await eventually(lambda: answers(client, WIDGETS, 404))
    page = await client.server.store.list("/registry/example.com/widgets/")
    assert not page.items
    await define(client, crd())
    assert not (await client.ok("GET", WIDGETS))["items"]


async def test_discovery_and_openapi_follow(client: Client) -> None:
    await define(client, crd(shortNames=["wd"]))
    listed = await client.ok("GET", "/apis/example.com/v1")
    assert listed["resources"][0]["shortNames"] == ["wd"]
    document = await client.ok("GET", "/openapi/v3/apis/example.com/v1")
    schema = document["components"]["schemas"]["com.example.v1.Widget"]
    assert schema["x-kubernetes-group-version-kind"] == [{"group": "example.com", "version": "v1", "kind": "Widget"}]
    assert schema["properties"]["spec"]["properties"]["color"]["default"] == "red"
    patch = document["paths"]["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"]["patch"]
    assert "application/strategic-merge-patch+json" not in patch["requestBody"]["content"]
    swagger = await client.ok("GET", "/openapi/v2")
    assert "com.example.v1.Widget" in swagger["definitions"]
