"""Custom resources in several versions whose conversion a webhook makes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from apiserver.registry import conversion
from tests.apiserver.admission.webhook_server import WebhookServer
from tests.apiserver.server import Answer, Client, eventually
from tests.apiserver.test_custom import CRDS, MERGE, TABLE, answers, condition, crd, define

V1 = "/apis/example.com/v1/namespaces/default/widgets"
V2 = "/apis/example.com/v2/namespaces/default/widgets"
DEFINITION = f"{CRDS}/widgets.example.com"


def version(name: str, *, storage: bool = False, **properties: Any) -> Any:
    spec = {"type": "object", "properties": properties}
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [{"name": "Host", "type": "string", "jsonPath": ".spec.host"}],
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
    }


TEXT = {"type": "string"}
OLD = version("v1", storage=True, address=TEXT)
NEW = version("v2", host=TEXT, port=TEXT, scheme={"type": "string", "default": "http"})


def widget(name: str, **spec: Any) -> Any:
    api_version = "example.com/v1" if "address" in spec else "example.com/v2"
    return {"apiVersion": api_version, "kind": "Widget", "metadata": {"name": name}, "spec": spec}


def turned(obj: Any, wanted: str) -> Any:
    """`host` and `port` of v2 are one `address` in v1."""
    spec = obj.get("spec", {})
    if wanted.endswith("v2"):
        host, _, port = spec.get("address", ":").partition(":")
        new = {"host": host, "port": port}
    else:
        new = {"address": f"{spec.get('host')}:{spec.get('port')}"}
    return {**obj, "apiVersion": wanted, "spec": new}


def convert(review: Any) -> Any:
    wanted = review["request"]["desiredAPIVersion"]
    return convert_all(review, lambda obj: turned(obj, wanted))


def convert_all(review: Any, change: Callable[[Any], Any]) -> Any:
    asked = review["request"]
    made = [{**obj, **change(obj), "apiVersion": asked["desiredAPIVersion"]} for obj in asked["objects"]]
    return {"uid": asked["uid"], "result": {"status": "Success"}, "convertedObjects": made}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[WebhookServer]:
    async with WebhookServer(tmp_path, "127.0.0.1").serving() as found:
        found.replies["/convert"] = convert
        yield found


def definition(server: WebhookServer, *versions: Any) -> Any:
    sent = crd("widgets", "Widget", *(versions or (OLD, NEW)))
    config = {"url": f"https://127.0.0.1:{server.port}/convert", "caBundle": server.ca_bundle}
    webhook = {"clientConfig": config, "conversionReviewVersions": ["v1"]}
    sent["spec"]["conversion"] = {"strategy": "Webhook", "webhook": webhook}
    return sent


@pytest.fixture
async def widgets(client: Client, server: WebhookServer) -> WebhookServer:
    await define(client, definition(server))
    return server


async def test_written_and_read_in_both(client: Client, widgets: WebhookServer) -> None:
    made = await client.ok("POST", V2, widget("a", host="h", port="1"))
    assert (made["apiVersion"], made["spec"]) == (
        "example.com/v2",
        {"host": "h", "port": "1"},
    )  # defaults as kept, in v1
    page = await client.server.store.list("/registry/example.com/widgets/")
    kept = orjson.loads(page.items[0].value)
    assert (kept["apiVersion"], kept["spec"]) == ("example.com/v1", {"address": "h:1"})
    before = len(widgets.seen)
    old = await client.ok("GET", f"{V1}/a")
    assert old["spec"] == {"address": "h:1"}
    assert old["metadata"]["uid"] == made["metadata"]["uid"]
    assert len(widgets.seen) == before  # the stored version needs nobody
    assert (await client.ok("GET", f"{V2}/a"))["spec"] == made["spec"]
    changed = await client.ok("PATCH", f"{V2}/a", {"spec": {"port": "2"}}, media=MERGE)
    assert (changed["spec"]["port"], changed["metadata"]["generation"]) == ("2", 2)
    changed["spec"]["host"] = "other"
    assert (await client.ok("PUT", f"{V2}/a", changed))["spec"]["host"] == "other"
    assert (await client.ok("GET", f"{V1}/a"))["spec"] == {"address": "other:2"}
    gone = await client.ok("DELETE", f"{V2}/a")
    assert gone["status"] == "Success" or gone["spec"]["host"] == "other"


async def test_defaults_on_the_way(client: Client, widgets: WebhookServer) -> None:
    """Those of the client's version as it writes, those of the stored version as it is read."""
    widgets.replies["/convert"] = lambda review: convert_all(review, lambda obj: {"spec": obj["spec"]})
    kept = version("v1", storage=True, one={**TEXT, "default": "1"}, two=TEXT)
    sent = definition(widgets, kept, version("v2", one=TEXT, two={**TEXT, "default": "2"}))
    sent["metadata"]["resourceVersion"] = (await client.ok("GET", DEFINITION))["metadata"]["resourceVersion"]
    await client.ok("PUT", DEFINITION, sent)

    async def defaulted() -> bool:
        made = await client.ok("POST", f"{V2}?dryRun=All", widget("a"))
        return bool(made["spec"] == {"one": "1", "two": "2"})

    await eventually(defaulted)
    made = await client.ok("POST", V2, widget("a"))
    page = await client.server.store.list("/registry/example.com/widgets/")
    assert orjson.loads(page.items[0].value)["spec"] == {"two": "2"}
    assert (await client.ok("GET", f"{V1}/a"))["spec"] == (await client.ok("GET", f"{V2}/a"))["spec"] == made["spec"]
    await client.ok("POST", V1, {**widget("b"), "apiVersion": "example.com/v1"})
    assert (await client.ok("GET", f"{V2}/b"))["spec"] == {"one": "1"}


async def test_what_is_asked(client: Client, widgets: WebhookServer) -> None:
    await client.ok("POST", V1, widget("a", address="h:1"))
    assert not widgets.seen
    await client.ok("GET", f"{V2}/a")
    path, _, review = widgets.seen[0]
    assert path == "/convert?timeout=30s"
    assert (review["kind"], review["apiVersion"]) == ("ConversionReview", "apiextensions.k8s.io/v1")
    assert review["request"]["desiredAPIVersion"] == "example.com/v2"
    assert [obj["metadata"]["name"] for obj in review["request"]["objects"]] == ["a"]
    assert review["request"]["uid"]


async def test_a_list_is_one_question(client: Client, widgets: WebhookServer) -> None:
    for i in range(5):
        await client.ok("POST", V1, widget(f"w{i}", address=f"h:{i}"))
    found = await client.ok("GET", V2)
    assert [item["spec"]["port"] for item in found["items"]] == list("01234")
    assert {item["apiVersion"] for item in found["items"]} == {"example.com/v2"}
    assert [len(review["request"]["objects"]) for _, _, review in widgets.seen] == [5]
    table = await client.ok("GET", V2, accept=TABLE)
    assert table["rows"][0]["cells"] == ["w0", "h"]
    first = await client.ok("GET", f"{V2}?limit=2")
    rest = await client.ok("GET", f"{V2}?limit=5&continue={first['metadata']['continue']}")
    assert [item["spec"]["port"] for item in first["items"] + rest["items"]] == list("01234")


async def test_watched(client: Client, widgets: WebhookServer) -> None:
    await client.ok("POST", V1, widget("a", address="h:1"))
    async with client.watch(f"{V2}?watch=1") as stream:
        first = await stream.next()
        assert (first["type"], first["object"]["spec"]["host"]) == ("ADDED", "h")
        await client.ok("PATCH", f"{V1}/a", {"spec": {"address": "i:2"}}, media=MERGE)
        second = await stream.next()
        assert (second["type"], second["object"]["spec"]) == ("MODIFIED", {"host": "i", "port": "2"})
        assert second["object"]["apiVersion"] == "example.com/v2"
        await client.ok("DELETE", f"{V1}/a")
        third = await stream.next()
        assert (third["type"], third["object"]["spec"]["host"]) == ("DELETED", "i")
    async with client.watch(f"{V2}?watch=1", accept=TABLE) as stream:
        await client.ok("POST", V1, widget("b", address="h:1"))
        row = await stream.next()
        assert row["object"]["rows"][0]["cells"] == ["b", "h"]


async def test_apply_and_status(client: Client, widgets: WebhookServer) -> None:
    assert (await client.apply(f"{V2}/a", widget("a", host="h", port="1"))).status == 201
    again = await client.apply(f"{V2}/a", widget("a", host="h", port="3"))
    assert again.json()["spec"]["port"] == "3"
    managed = again.json()["metadata"]["managedFields"]
    assert [(m["manager"], m["apiVersion"]) for m in managed] == [("tester", "example.com/v2")]
    labelled = await client.ok("PATCH", f"{V2}/a/status", {"metadata": {"labels": {"x": "y"}}}, media=MERGE)
    assert labelled["metadata"]["labels"] == {"x": "y"}


POLICIES = "/apis/admissionregistration.k8s.io/v1"
WRITES: Any = [
    {"operations": ["CREATE"], "apiGroups": ["example.com"], "apiVersions": ["v2"], "resources": ["widgets"]}
]


async def bind(client: Client, kind: str, spec: Any, *, actions: Any = None) -> None:
    """A policy about v2 and its binding."""
    policy = {"metadata": {"name": "p"}, "spec": {"matchConstraints": {"resourceRules": WRITES}, **spec}}
    await client.ok("POST", f"{POLICIES}/{kind}admissionpolicies", policy)
    binding = {"metadata": {"name": "b"}, "spec": {"policyName": "p", **(actions or {})}}
    await client.ok("POST", f"{POLICIES}/{kind}admissionpolicybindings", binding)


async def answered(client: Client, sent: Any, check: Callable[[Answer], bool]) -> bool:
    """Policies take effect a moment after they are stored."""
    return check(await client("POST", f"{V1}?dryRun=All", sent))


async def test_policies_see_the_version_they_ask_for(client: Client, widgets: WebhookServer) -> None:
    """line 33"""
    rule = {"expression": "object.apiVersion == 'example.com/v2' && object.spec.port != '1'"}
    await bind(client, "validating", {"validations": [rule]}, actions={"validationActions": ["Deny"]})
    await eventually(lambda: answered(client, widget("a", address="h:1"), lambda answer: answer.status == 422))
    assert (await client("POST", V1, widget("b", address="h:2"))).status == 201


async def test_policies_change_the_version_they_ask_for(client: Client, widgets: WebhookServer) -> None:
    """line 33"""
    change = "Object{spec: Object.spec{host: 'changed'}}"
    mutation = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": change}}
    spec = {"mutations": [mutation], "reinvocationPolicy": "Never", "failurePolicy": "Fail"}
    await bind(client, "mutating", spec)
    changed = {"address": "changed:1"}
    await eventually(lambda: answered(client, widget("a", address="h:1"), lambda made: made.json()["spec"] == changed))


async def test_the_stored_version_changes(client: Client, widgets: WebhookServer) -> None:
    """Objects stay in the version they were written in until they are written again."""
    await client.ok("POST", V1, widget("a", address="h:1"))
    sent = await client.ok("GET", f"{CRDS}/widgets.example.com")
    sent["spec"]["versions"][0]["storage"], sent["spec"]["versions"][1]["storage"] = False, True
    changed = await client.ok("PUT", f"{CRDS}/widgets.example.com", sent)
    assert changed["status"]["storedVersions"] == ["v1", "v2"]

    async def in_v2() -> bool:
        await client.ok("PATCH", f"{V1}/a", {"metadata": {"labels": {"again": "1"}}}, media=MERGE)
        page = await client.server.store.list("/registry/example.com/widgets/")
        return bool(orjson.loads(page.items[0].value)["apiVersion"] == "example.com/v2")

    await eventually(in_v2)
    assert (await client.ok("GET", f"{V2}/a"))["spec"]["host"] == "h"
    assert (await client.ok("GET", V1))["items"][0]["spec"] == {"address": "h:1"}


async def test_deletion_of_the_definition(client: Client, widgets: WebhookServer) -> None:
    await client.ok("POST", V1, widget("a", address="h:1"))
    await client.ok("DELETE", f"{CRDS}/widgets.example.com")
    await eventually(lambda: answers(client, f"{CRDS}/widgets.example.com", 404))
    assert not widgets.seen


async def test_no_webhook(client: Client, server: WebhookServer) -> None:
    sent = definition(server)
    sent["spec"]["conversion"]["webhook"]["clientConfig"] = {
        "service": {"namespace": "default", "name": "converter", "path": "/c"}
    }
    await client.ok("POST", CRDS, sent)
    await condition(client, "widgets.example.com", "Established")
    await eventually(lambda: answers(client, V1, 200))
    await client.ok("POST", V1, widget("a", address="h:1"))
    refused = await client("GET", f"{V2}/a")
    assert refused.status == 500
    assert refused.message == (
        'conversion webhook for example.com/v1, Kind=Widget failed: Post "https://converter.default.svc:443/c?timeout=30s": '
        'service "converter" not found'
    )
    assert (await client("GET", f"{V1}/a")).status == 200
    async with client.watch(f"{V2}?watch=1") as stream:
        event = await stream.next()
        assert (event["type"], event["object"]["code"]) == ("ERROR", 500)


FAILED = "conversion webhook for example.com/v1, Kind=Widget "


def answer(**fields: Any) -> Any:
    return lambda review: {**convert(review), **fields}


def altered(**fields: Any) -> Any:
    def reply(review: Any) -> Any:
        made = convert(review)
        return {**made, "convertedObjects": [{**obj, **fields} for obj in made["convertedObjects"]]}

    return reply


def metadata(**fields: Any) -> Any:
    def reply(review: Any) -> Any:
        made = convert(review)
        found = [{**obj, "metadata": {**obj["metadata"], **fields}} for obj in made["convertedObjects"]]
        return {**made, "convertedObjects": found}

    return reply


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        pytest.param(answer(uid="x"), "failed: expected response.uid=", id="uid"),
        pytest.param(answer(result={"status": "Failure", "message": "cannot"}), "failed: cannot", id="failure"),
        pytest.param(answer(result={}), "failed: response.result.status was '', not 'Success'", id="no-result"),
        pytest.param(answer(convertedObjects=[]), "returned 0 objects, expected 1", id="count"),
        pytest.param(
            altered(apiVersion="example.com/v3"),
            "returned invalid converted object at index 0: invalid groupVersion (expected example.com/v2, received example.com/v3)",
            id="version",
        ),
        pytest.param(
            altered(kind="Gadget"),
            "returned invalid converted object at index 0: invalid kind (expected Widget, received Gadget)",
            id="kind",
        ),
        pytest.param(
            metadata(name="b"),
            "returned invalid converted object at index 0: must have the same name: a != b",
            id="name",
        ),
        pytest.param(
            metadata(uid="u"), "returned invalid converted object at index 0: must have the same UID", id="other-uid"
        ),
        pytest.param(
            altered(metadata=None), "returned invalid metadata in object at index 0: missing metadata", id="no-metadata"
        ),
        pytest.param(
            metadata(labels={"a": 1}),
            "returned invalid metadata in object at index 0: metadata.labels[a] must be a string, but is int",
            id="label-of-a-number",
        ),
        pytest.param(
            metadata(labels={"-": "x"}),
            'returned invalid metadata in object at index 0: metadata.labels: Invalid value: "-"',
            id="label",
        ),
    ],
)
async def test_wrong_answers(client: Client, widgets: WebhookServer, reply: Any, words: str) -> None:
    await client.ok("POST", V1, widget("a", address="h:1"))
    widgets.replies["/convert"] = reply
    refused = await client("GET", f"{V2}/a")
    assert refused.status == 500
    assert refused.message.startswith(FAILED + words), refused.message


async def test_labels_may_change_and_the_rest_may_not(client: Client, widgets: WebhookServer) -> None:
    made = await client.ok("POST", V1, widget("a", address="h:1"))
    widgets.replies["/convert"] = metadata(
        labels={"new": "1"}, finalizers=["x/y"], generation=9, creationTimestamp=None
    )
    found = await client.ok("GET", f"{V2}/a")
    assert found["metadata"]["labels"] == {"new": "1"}
    assert {k: v for k, v in found["metadata"].items() if k != "labels"} == made["metadata"]


def test_the_older_review_is_trusted_more() -> None:
    body = orjson.dumps({"response": {"result": {"status": "Success"}, "convertedObjects": [{}]}})
    assert conversion.read(body, uid="u", version="v1beta1") == [{}]
    with pytest.raises(conversion.Refused, match="expected webhook response of"):
        conversion.read(body, uid="u", version="v1")
