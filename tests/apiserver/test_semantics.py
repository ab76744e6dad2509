"""What a client is told, request by request, as a Kubernetes API server tells it: status, reason and the words that matter."""

# ruff: noqa: E501 (a row of a table stays a row)

from __future__ import annotations

import gzip
from typing import Any

import orjson
import pytest

from tests.apiserver.server import Client, config_map, deployment, pod

Obj = dict[str, Any]

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON = "application/json-patch+json"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"

BODIES = [
    pytest.param(b"", 400, "json parse error: unexpected end of JSON input (<empty>)", id="empty"),
    pytest.param(b'{"a":', 400, '(must be of type ConfigMap): couldn\'t get version/kind; json parse error: unexpected end of JSON input ({"a":)', id="cut off"),
    pytest.param(b"hello: world", 400, "(68656c6c6f3a20776f726c64)", id="no JSON"),
    pytest.param(b'{"apiVersion":"v1","kind":"ConfigMap"} trailing', 400, '({"apiVersion":"v1","kind":"Con ...)', id="trailing"),
    pytest.param(b"[]", 400, "the object provided is unrecognized", id="list"),
    pytest.param(b"null", 422, "name or generateName is required", id="null"),
    pytest.param(b"{}", 422, "name or generateName is required", id="empty object"),
    pytest.param(b'{"metadata":{"name":"a"},"apiVersion":"v1"}', 201, "", id="no kind"),
    pytest.param(b'{"metadata":{"name":"a"},"kind":"ConfigMap"}', 201, "", id="no version"),
    pytest.param(b'{"metadata":{"name":"a"},"kind":"Pod","apiVersion":"v1"}', 400, "converting (v1.Pod) to (core.ConfigMap): unknown conversion", id="other kind"),
    pytest.param(b'{"metadata":{"name":"a"},"kind":"Zork","apiVersion":"v1"}', 400, 'no kind "Zork" is registered for version "v1"', id="unknown kind"),
    pytest.param(b'{"metadata":{"name":"a"},"kind":"ConfigMap","apiVersion":"v2"}', 400, "the API version in the data (v2) does not match", id="other version"),
    pytest.param(b'{"metadata":{"generateName":"A_"}}', 422, "metadata.generateName: Invalid value", id="bad prefix"),
    pytest.param(b'{"metadata":{"name":"a","finalizers":["mine"]}}', 422, "neither a standard finalizer name nor is it fully qualified", id="finalizer"),
    pytest.param(b'{"metadata":{"name":"a","resourceVersion":"5"}}', 400, "resourceVersion should not be set on objects to be created", id="version set"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "code", "words"), BODIES)
async def test_bodies_of_a_create(client: Client, body: bytes, code: int, words: str) -> None:
    """line 16, line 17: what cannot be read is 400, what is wrong is 422."""
    answer = await client("POST", MAPS, body)
    assert (answer.status, words in answer.message) == (code, True), answer.body


READS = [
    pytest.param(f"{MAPS}?resourceVersionMatch=Exact", 422, "forbidden unless resourceVersion is provided", id="match alone"),
    pytest.param(f"{MAPS}?resourceVersion=0&resourceVersionMatch=Exact", 422, 'forbidden for resourceVersion "0"', id="exactly any"),
    pytest.param(f"{MAPS}?resourceVersionMatch=Zork", 422, 'Unsupported value: "Zork"', id="unknown match"),
    pytest.param(f"{MAPS}?resourceVersion=1&resourceVersionMatch=Exact&continue=x", 422, "forbidden when continue is provided", id="match and token"),
    pytest.param(f"{MAPS}?sendInitialEvents=true", 422, "sendInitialEvents is forbidden for list", id="initial events of a list"),
    pytest.param(f"{MAPS}?watch=1&sendInitialEvents=true", 422, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan", id="initial events alone"),
    pytest.param(f"{MAPS}?watch=1&sendInitialEvents=true&resourceVersionMatch=Exact", 422, 'Unsupported value: "Exact"', id="initial events exactly"),
    pytest.param(f"{MAPS}?watch=1&resourceVersionMatch=NotOlderThan", 422, "forbidden for watch unless sendInitialEvents is provided", id="match of a watch"),
    pytest.param(f"{MAPS}?continue=abc", 400, "invalid continue token: continue key is not valid", id="token"),
    pytest.param(f"{MAPS}?limit=abc", 400, 'parsing "abc": invalid syntax', id="limit"),
    pytest.param(f"{MAPS}?timeoutSeconds=abc", 400, 'parsing "abc": invalid syntax', id="timeout"),
    pytest.param(f"{MAPS}?labelSelector=a+b", 400, "unable to parse requirement", id="labels"),
    pytest.param(f"{MAPS}?fieldSelector=spec.x%3D1", 400, '"spec.x" is not a known field selector', id="fields"),
    pytest.param(f"{PODS}?fieldSelector=spec.x%3D1", 400, "field label not supported: spec.x", id="fields of a pod"),
    pytest.param(f"{DEPLOYMENTS}/none/scale", 404, 'deployments/scale.apps "none" not found', id="scale of nothing"),
    pytest.param(f"{DEPLOYMENTS}/none", 404, 'deployments.apps "none" not found', id="nothing"),
    pytest.param(f"{PODS}/none/status/zork", 404, "could not find the requested resource", id="part of a part"),
    pytest.param("/api/v1/componentstatuses/zork", 404, 'componentstatuses "zork" not found', id="component"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "code", "words"), READS)
async def test_reads_that_cannot_be(client: Client, path: str, code: int, words: str) -> None:
    answer = await client("GET", path)
    assert (answer.status, words in answer.message) == (code, True), answer.body


async def test_one_object_is_no_list_and_a_list_no_object(client: Client) -> None:
    await client.ok("POST", MAPS, config_map("a"))
    one = await client("GET", f"{MAPS}/a", accept=PARTIAL.replace("Metadata;", "MetadataList;"))
    assert (one.status, one.message) == (
        406,
        "you requested PartialObjectMetadataList, but the requested object is not a list (*core.ConfigMap)",
    )
    many = await client("GET", MAPS, accept=PARTIAL)
    assert (many.status, many.message) == (
        406,
        "you requested PartialObjectMetadata, but the requested object is a list (*core.ConfigMapList)",
    )
    bad = await client("GET", f"{MAPS}?includeObject=Zork", accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert (bad.status, "must be 'Metadata', 'Object', 'None', or empty" in bad.message) == (400, True)


CHANGES = [
    pytest.param("PUT", {"metadata": {}}, "", 400, "(a based on URL) was undeterminable: name must be provided", id="put without a name"),
    pytest.param("PUT", {"metadata": {"name": "b"}}, "", 400, "the name of the object (b) does not match the name on the URL (a)", id="put another name"),
    pytest.param("PUT", {"metadata": {"name": "a", "namespace": "x"}}, "", 400, "namespace of the provided object does not match", id="put another namespace"),
    pytest.param("PUT", {"metadata": {"name": "a", "uid": "x"}}, "", 409, 'on configmaps "a": Precondition failed: UID', id="put another uid"),
    pytest.param("PUT", {"metadata": {"name": "a", "resourceVersion": "1"}}, "", 409, "the object has been modified", id="put stale"),
    pytest.param("PATCH", {"metadata": {"uid": "x"}}, MERGE, 422, "metadata.uid: Invalid value", id="patch uid"),
    pytest.param("PATCH", {"metadata": None}, MERGE, 400, "was undeterminable: name must be provided", id="patch metadata away"),
    pytest.param("PATCH", {"metadata": {"namespace": "x"}}, MERGE, 400, "does not match the namespace on the request (default)", id="patch namespace"),
    pytest.param("PATCH", {"kind": "Zork"}, MERGE, 422, 'patch: Invalid value: "{\\"apiVersion\\":\\"v1\\"', id="patch kind"),
    pytest.param("PATCH", {"data": [1]}, STRATEGIC, 422, "cannot unmarshal array", id="patch type"),
    pytest.param("PATCH", [{"op": "zork", "path": "/data"}], JSON, 422, "the server rejected our request", id="operation"),
    pytest.param("PATCH", [{"op": "add", "value": 1}], JSON, 422, "the server rejected our request", id="operation without a path"),
    pytest.param("PATCH", {"op": "add"}, JSON, 400, "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp", id="no operations"),
    pytest.param("PATCH", [{"op": "test", "path": "/data"}] * 10_001, JSON, 413, "Request entity too large: The allowed maximum", id="operations"),
    pytest.param("PATCH", {}, "application/json", 415, "415: Unsupported Media Type", id="no patch"),
    pytest.param("DELETE", {"preconditions": {"uid": "x"}}, "", 409, 'on ConfigMap "a": the UID in the precondition (x) does not match', id="delete uid"),
    pytest.param("DELETE", {"preconditions": {"resourceVersion": "1"}}, "", 409, 'on ConfigMap "a": the ResourceVersion in the precondition (1)', id="delete version"),
    pytest.param("DELETE", {"propagationPolicy": "Zork"}, "", 422, 'supported values: "Foreground", "Background", "Orphan", "nil"', id="delete policy"),
    pytest.param("DELETE", {"kind": "ConfigMap", "apiVersion": "v1"}, "", 400, "cannot be handled as a", id="delete with an object"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "body", "media", "code", "words"), CHANGES)
async def test_changes_that_cannot_be(
    client: Client, method: str, body: Any, media: str, code: int, words: str
) -> None:
    """line 13, line 14, line 17: what is refused leaves the object as it was."""
    made = await client.ok("POST", MAPS, config_map("a", x="1"))
    answer = await client(method, f"{MAPS}/a", body, media=media or "application/json")
    assert (answer.status, words in answer.message) == (code, True), answer.body
    assert await client.ok("GET", f"{MAPS}/a") == made


OPTIONS = [
    pytest.param("dryRun=Some", 'dryRun: Unsupported value: ["Some"]', id="dry run"),
    pytest.param(f"fieldManager={'a' * 129}", "fieldManager: Too long", id="long manager"),
    pytest.param("fieldManager=a%07", "invalid character U+0007 (at position 1)", id="unprintable manager"),
    pytest.param("fieldValidation=Zork", "fieldValidation: Unsupported value", id="validation"),
]


@pytest.mark.parametrize(("query", "words"), OPTIONS)
async def test_options_of_a_write(client: Client, query: str, words: str) -> None:
    answer = await client("POST", f"{MAPS}?{query}", config_map("a"))
    assert (answer.status, words in answer.message) == (422, True), answer.body


async def test_strict_patch_names_the_unknown_field(client: Client) -> None:
    """line 16: strict validation holds for patches too."""
    await client.ok("POST", MAPS, config_map("a"))
    answer = await client("PATCH", f"{MAPS}/a?fieldValidation=Strict", {"zork": 1}, media=MERGE)
    assert (answer.status, 'strict decoding error: unknown field "zork"' in answer.message) == (422, True)


async def test_large_answers_are_packed_for_who_can_read_them(client: Client) -> None:
    """Beyond 128 KiB, and only then, and only where gzip is accepted."""
    await client.ok("POST", MAPS, config_map("big", x="1" * 200_000))
    await client.ok("POST", MAPS, config_map("small", x="1"))
    plain = await client("GET", f"{MAPS}/big")
    packed = await client("GET", f"{MAPS}/big", accept_encoding="deflate, gzip;q=1.0, *;q=0.5")
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "Accept-Encoding"
    assert int(packed.headers["content-length"]) == len(packed.body) < 5_000
    assert gzip.decompress(packed.body) == plain.body
    for path, accepted in ((f"{MAPS}/big", "gzip;q=0, deflate"), (f"{MAPS}/big", ""), (f"{MAPS}/small", "gzip")):
        assert "content-encoding" not in (await client("GET", path, accept_encoding=accepted)).headers
    listed = await client("GET", MAPS, accept_encoding="gzip")
    assert len(orjson.loads(gzip.decompress(listed.body))["items"]) >= 2


async def test_the_address_of_a_pod_is_the_first_of_its_addresses(client: Client) -> None:
    made = await client.ok("POST", PODS, pod("p"))
    made["status"] = {"podIP": "10.0.0.1"}
    assert (await client.ok("PUT", f"{PODS}/p/status", made))["status"]["podIPs"] == [{"ip": "10.0.0.1"}]


async def test_component_statuses_say_who_answers(client: Client) -> None:
    answer = await client("GET", "/api/v1/componentstatuses")
    found = {item["metadata"]["name"]: item["conditions"][0] for item in answer.json()["items"]}
    assert list(found) == ["scheduler", "controller-manager", "etcd-0"]
    assert found["etcd-0"] == {"type": "Healthy", "status": "True", "message": "ok"}
    assert answer.warnings == ['299 - "v1 ComponentStatus is deprecated in v1.19+"']
    one = await client.ok(
        "GET", "/api/v1/componentstatuses/etcd-0", accept="application/json;as=Table;v=v1;g=meta.k8s.io"
    )
    assert one["rows"][0]["cells"] == ["etcd-0", "Healthy", "ok", ""]
    only = await client.ok("GET", "/api/v1/componentstatuses?fieldSelector=metadata.name%3Detcd-0")
    assert len(only["items"]) == 1
    assert (await client.ok("GET", "/api/v1/componentstatuses?labelSelector=a"))["items"] == []
    assert (await client("GET", "/api/v1/componentstatuses?labelSelector=a+in+(")).status == 400


POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
EXPRESSIONS = [
    pytest.param({"validations": [{"expression": "1 +"}]}, "spec.validations[0].expression: Invalid value", "compilation failed", id="syntax"),
    pytest.param({"validations": [{"expression": "nothing"}]}, "spec.validations[0].expression", "undeclared reference to 'nothing'", id="unknown name"),
    pytest.param({"validations": [{"expression": "1"}]}, "spec.validations[0].expression", "must evaluate to bool but got int", id="no boolean"),
    pytest.param({"validations": [{"expression": "true", "messageExpression": "1"}]}, "spec.validations[0].messageExpression", "must evaluate to string", id="no text"),
    pytest.param({"validations": [{"expression": "true", "reason": "Zork"}]}, "spec.validations[0].reason", "Unsupported value", id="reason"),
    pytest.param({"validations": [{"expression": "true", "message": "a\nb"}]}, "spec.validations[0].message", "must not contain line breaks", id="message"),
    pytest.param({"matchConditions": [{"name": "a", "expression": "'x'"}]}, "spec.matchConditions[0].expression", "must evaluate to bool", id="condition"),
    pytest.param({"variables": [{"name": "a b", "expression": "1"}]}, "spec.variables[0].name", "not a valid CEL identifier", id="variable"),
    pytest.param({"variables": [{"name": "a", "expression": "1 +"}]}, "spec.variables[0].expression", "compilation failed", id="variable's value"),
    pytest.param({"variables": [{"name": "a", "expression": "1"}] * 2}, "spec.variables[1].name", "Duplicate value", id="variable twice"),
    pytest.param({"auditAnnotations": [{"key": "a", "valueExpression": "1"}]}, "spec.auditAnnotations[0].valueExpression", "must evaluate to one of [string null_type]", id="annotation"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "path", "words"), EXPRESSIONS)
async def test_expressions_of_policies_are_compiled_when_stored(
    client: Client, spec: Obj, path: str, words: str
) -> None:
    """line 31: nothing that cannot be compiled gets as far as a request."""
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    whole = {"matchConstraints": {"resourceRules": rules}, "validations": [{"expression": "variables.a > 0"}], **spec}
    answer = await client("POST", POLICIES, {"metadata": {"name": "p"}, "spec": whole})
    assert (answer.status, path in answer.message, words in answer.message) == (422, True, True), answer.body


async def test_conditions_of_webhooks_are_compiled_when_stored(client: Client) -> None:
    """line 28: a webhook's conditions too."""
    hook = {
        "name": "a.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None", "clientConfig": {"url": "https://example.com"},
        "matchConditions": [{"name": "a", "expression": "object.metadata.name =="}],
    }  # fmt: skip
    path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
    answer = await client("POST", path, {"metadata": {"name": "h"}, "webhooks": [hook]})
    assert (answer.status, "webhooks[0].matchConditions[0].expression" in answer.message) == (422, True), answer.body


async def test_a_limited_deletion_takes_no_more(client: Client) -> None:
    """line 9: DELETE of a collection keeps to its limit."""
    for name in "abc":
        await client.ok("POST", MAPS, config_map(name, labels={"k": "v"}))
    await client.ok("DELETE", f"{MAPS}?labelSelector=k%3Dv&limit=2")
    assert [item["metadata"]["name"] for item in (await client.ok("GET", f"{MAPS}?labelSelector=k"))["items"]] == ["c"]


async def test_deprecated_kinds_warn(client: Client) -> None:
    answer = await client("GET", "/api/v1/namespaces/default/endpoints")
    assert answer.warnings == ['299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"']


async def test_strategic_delete_of_the_last_item_leaves_no_empty_list(client: Client) -> None:
    made = pod("p")
    made["spec"]["volumes"] = [{"name": "a", "emptyDir": {}}]
    template = deployment()
    template["spec"]["template"]["spec"] = made["spec"]
    await client.ok("POST", DEPLOYMENTS, template)
    patch = {"spec": {"template": {"spec": {"volumes": [{"name": "a", "$patch": "delete"}]}}}}
    after = await client.ok("PATCH", f"{DEPLOYMENTS}/web", patch, media=STRATEGIC)
    assert "volumes" not in after["spec"]["template"]["spec"]


async def test_names_are_generated_eight_times(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """line 17: a clash of generated names asks for a retry and names no storage key."""
    from pocketkube.api.meta import names

    tried: list[str] = []

    def generate(prefix: str) -> str:
        tried.append(prefix)
        return f"{prefix}xxxxx"

    await client.ok("POST", MAPS, config_map("a-xxxxx"))
    monkeypatch.setattr(names, "generate_name", generate)
    answer = await client("POST", MAPS, {"metadata": {"generateName": "a-"}})
    assert (answer.status, answer.json()["reason"], len(tried)) == (409, "AlreadyExists", 8)
    assert "the server was not able to generate a unique name for the object" in answer.message
    assert answer.json()["details"]["retryAfterSeconds"] == 1
