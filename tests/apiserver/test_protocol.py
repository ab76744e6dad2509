"""HTTP itself: methods, paths, headers that every answer has, and pages for people who look after a server."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from apiserver import browsers, deadlines, paths
from apiserver.configfile import BadFile
from apiserver.deadlines import limit_time
from apiserver.options import Options
from apiserver.request import Request
from pocketkube.api.meta import field
from tests.apiserver.server import Client, config_map, deployment, running

MAPS = "/api/v1/namespaces/default/configmaps"
PAGE = "404 page not found\n"
STATUS = "the server could not find the requested resource"
UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


SERVICES = ("/version", "/api", "/api/v1", "/apis/apps/v1")  # of upstream's go-restful
PAGES = ("/", "/healthz", "/readyz/ping", "/metrics", "/apis", "/apis/apps", "/openapi/v2", "/openapi/v3")
OBJECTS = (MAPS, f"{MAPS}/a", f"{MAPS}/none", "/api/v1/namespaces/default/pods/x/log")


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        *(("HEAD", path, 405) for path in SERVICES + OBJECTS),
        *((method, path, 200) for path in PAGES for method in ("HEAD", "POST")),
        *(("POST", path, 405) for path in (*SERVICES, "/openid/v1/jwks", "/.well-known/openid-configuration")),
        ("OPTIONS", f"{MAPS}/a", 405),
        ("PUT", MAPS, 405),
        ("HEAD", "/apis/nothing.io/v1/things", 404),
    ],
)
async def test_methods(client: Client, method: str, path: str, code: int) -> None:
    await client.ok("POST", MAPS, config_map("a"))
    assert (await client(method, path)).status == code


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        pytest.param("//api/v1", 404, PAGE, id="two slashes first"),
        pytest.param("//version", 404, PAGE, id="two slashes before a page"),
        pytest.param("/api//v1", 404, STATUS, id="two slashes below api"),
        pytest.param("/api/v1//namespaces", 404, STATUS, id="two slashes before a resource"),
        pytest.param("/api/v1/namespaces//default", 404, STATUS, id="two slashes before a name"),
        pytest.param("/api/v1/namespaces/default//configmaps/a", 404, STATUS, id="two slashes in a namespace"),
        pytest.param(f"{MAPS}//a", 404, STATUS, id="two slashes before the name of an object"),
        pytest.param(f"{MAPS}/a/", 200, "", id="a slash behind an object"),
        pytest.param(f"{MAPS}/", 200, "", id="a slash behind a collection"),
        pytest.param("/version/", 200, "", id="a slash behind a web service"),
        pytest.param("/version//", 200, "", id="slashes behind a web service"),
        pytest.param("/apis/apps/v1/", 200, "", id="a slash behind a version"),
        pytest.param("/apis/apps/", 200, "", id="a slash behind a group"),
        pytest.param("/api/v1/", 200, "", id="a slash behind the core version"),
        pytest.param("/healthz/", 404, PAGE, id="a slash behind a page"),
        pytest.param("/metrics/", 404, PAGE, id="a slash behind metrics"),
        pytest.param("/openapi/v2/", 404, PAGE, id="a slash behind a document"),
        pytest.param("/healthz/nothing", 404, PAGE, id="no check"),
        pytest.param("/metrics/nothing", 404, PAGE, id="below a page"),
        pytest.param("/version/nothing", 404, STATUS, id="below a web service"),
        pytest.param("/openid/v1/nothing", 404, STATUS, id="below openid"),
        pytest.param("/nothing", 404, PAGE, id="no page"),
        pytest.param("/API/v1", 404, PAGE, id="case of a root"),
        pytest.param("/api/V1", 404, STATUS, id="case of a version"),
        pytest.param("/api/v2/pods", 404, STATUS, id="no core version"),
        pytest.param("/api/v1/things", 404, STATUS, id="no resource"),
        pytest.param("/api/v1/proxy/namespaces/default/pods/x", 404, STATUS, id="a proxy of the past"),
        pytest.param("/apis/apps/v9", 404, STATUS, id="no version"),
        pytest.param("/apis/apps/v9/deployments", 404, STATUS, id="no version of a resource"),
        pytest.param("/apis/nothing.io", 404, PAGE, id="no group"),
        pytest.param("/apis/nothing.io/v1", 404, PAGE, id="no version of a group"),
        pytest.param("/apis/nothing.io/v1/things/a", 404, PAGE, id="no group of a resource"),
        pytest.param(f"{MAPS}/..", 400, """Name parameter invalid: "..": may not be '..'""", id="dots"),
        pytest.param(f"{MAPS}/.", 400, """Name parameter invalid: ".": may not be '.'""", id="dot"),
        pytest.param(f"{MAPS}/a%b", 400, """Name parameter invalid: "a%b": may not contain '%'""", id="percent"),
        pytest.param(f"{MAPS}/a\x00b", 404, r'configmaps "a\x00b" not found', id="NUL"),
    ],
)  # fmt: skip
async def test_paths(client: Client, path: str, code: int, words: str) -> None:
    await client.ok("POST", MAPS, config_map("a"))
    answer = await client("GET", path)
    assert answer.status == code
    if words == PAGE:
        assert answer.body.decode() == PAGE
        assert (answer.headers["content-type"], answer.headers["x-content-type-options"]) == (
            "text/plain; charset=utf-8",
            "nosniff",
        )
    elif words:
        assert answer.message == words
    assert answer.headers["cache-control"] == "no-cache, private"


@pytest.mark.parametrize(
    "path", [MAPS, f"{MAPS}/none", "/healthz", "/version", "/nothing", "/apis", "/api/v1/namespaces/default/pods/x/log"]
)
async def test_every_answer_has_an_audit_id(client: Client, path: str) -> None:
    first, second = await client("GET", path), await client("GET", path)
    assert UUID.fullmatch(first.headers["audit-id"])
    assert first.headers["audit-id"] != second.headers["audit-id"]
    given = await client("GET", path, audit_id="mine-" + "x" * 100)
    assert given.headers["audit-id"] == "mine-" + "x" * 59
    refused = await client("GET", path, audit_id="mine", authorization="Bearer nobody")
    assert refused.headers["audit-id"] == "mine"


async def test_a_watch_has_an_audit_id(client: Client) -> None:
    async with client.watch(f"{MAPS}?watch=1", **{"audit-id": "mine"}) as stream:
        assert stream.headers["audit-id"] == "mine"


async def test_who_waits_for_a_turn(client: Client) -> None:
    below = "/debug/api_priority_and_fairness"
    levels = (await client("GET", f"{below}/dump_priority_levels")).body.decode().splitlines()
    assert levels[0].startswith(
        "PriorityLevelName, ActiveQueues, IsIdle, IsQuiescing, WaitingRequests, ExecutingRequests,"
    )
    rows = {line.split(",")[0]: [cell.strip() for cell in line.split(",")] for line in levels[1:]}
    assert rows["exempt"][1:] == ["<none>"] * 9
    assert rows["catch-all"][1:6] == ["0", "true", "false", "0", "0"]
    queues = (await client("GET", f"{below}/dump_queues")).body.decode().splitlines()
    assert any(line.startswith("catch-all,") for line in queues)
    waiting = await client("GET", f"{below}/dump_requests?includeRequestDetails=1")
    assert waiting.body.decode().split()[:2] == ["PriorityLevelName,", "FlowSchemaName,"]
    assert waiting.headers["content-type"] == "text/plain; charset=utf-8"
    assert (await client.acting_as("user-token")("GET", f"{below}/dump_queues")).status == 403


@pytest.mark.parametrize(
    ("method", "body", "code", "words"),
    [
        pytest.param("PUT", b"2", 200, "successfully set klog.logging.verbosity to 2\n", id="a number"),
        pytest.param("PUT", b"x", 400, "failed set klog.logging.verbosity x", id="no number"),
        pytest.param("GET", None, 406, "unsupported http method\n", id="GET"),
    ],
)
async def test_verbosity(client: Client, method: str, body: bytes | None, code: int, words: str) -> None:
    import logging

    before = logging.getLogger().level
    try:
        answer = await client(method, "/debug/flags/v", body)
    finally:
        logging.getLogger().setLevel(before)
    assert (answer.status, answer.headers["content-type"]) == (code, "text/plain")
    assert answer.body.decode().startswith(words)


async def test_status_and_flags(client: Client) -> None:
    status = await client("GET", "/statusz", accept="*/*")
    assert b"Binary version: 1.37.0\n" in status.body
    flags = await client("GET", "/flagz", accept="text/plain")
    assert b"\nanonymous-auth=true\n" in flags.body
    assert (await client("GET", "/flagz", accept="application/json")).status == 406


async def test_a_watch_from_the_future_waits(client: Client) -> None:
    """Its answer begins at once; what happens before that revision is none of its events."""
    now = int((await client.ok("GET", MAPS))["metadata"]["resourceVersion"])
    async with client.watch(f"{MAPS}?watch=1&resourceVersion={now + 2}") as stream:
        for name in ("a", "b", "c"):
            await client.ok("POST", MAPS, config_map(name))
        assert stream.status == 200
        assert await stream.take(1) == [("ADDED", "c")]


async def test_a_watch_from_the_future_ends_by_its_time(client: Client) -> None:
    async with client.watch(f"{MAPS}?watch=1&resourceVersion=99999999&timeoutSeconds=1") as stream:
        assert stream.status == 200
        with pytest.raises(EOFError):
            await stream.next()


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("labelSelector=a%20b%20c", id="selector"),
        pytest.param("fieldSelector=nothing%3D1", id="field"),
        pytest.param("resourceVersionMatch=Exact", id="match"),
    ],
)
async def test_a_bad_watch_from_the_future_is_refused(client: Client, query: str) -> None:
    answer = await client("GET", f"{MAPS}?watch=1&resourceVersion=99999999&{query}")
    assert answer.status in (400, 422)


async def test_a_watch_goes_on_where_it_says(client: Client) -> None:
    """sendInitialEvents=false with a resourceVersion is an ordinary watch from there."""
    made = await client.ok("POST", MAPS, config_map("a"))
    await client.ok("POST", MAPS, config_map("b"))
    more = f"resourceVersion={made['metadata']['resourceVersion']}&sendInitialEvents=false&resourceVersionMatch=NotOlderThan"
    async with client.watch(f"{MAPS}?watch=1&{more}") as stream:
        assert await stream.take(1) == [("ADDED", "b")]


@pytest.mark.parametrize(
    ("query", "streamed", "again"),
    [
        pytest.param("resourceVersion=99999999", False, 1, id="not older than"),
        pytest.param("resourceVersion=99999999&resourceVersionMatch=Exact", False, None, id="exact"),
        pytest.param("resourceVersion=99999999&limit=1", False, None, id="a page"),
        pytest.param(
            "watch=1&resourceVersion=99999999&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=1",
            True,
            1,
            id="watch with initial events",
        ),
    ],
)
async def test_a_resource_version_of_the_future(client: Client, query: str, streamed: bool, again: int | None) -> None:
    answer = await client("GET", f"{MAPS}?{query}")
    status = answer.json()["object"] if streamed else answer.json()
    assert answer.status == (200 if streamed else 504)
    assert (status["code"], status["reason"]) == (504, "Timeout")
    assert status["message"].startswith("Timeout: Too large resource version: 99999999, current: ")
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    assert status["details"]["causes"] == [cause]
    assert status["details"].get("retryAfterSeconds") == again
    assert answer.headers.get("retry-after") == (str(again) if again and not streamed else None)


YAML = "application/yaml"
NOT_ACCEPTABLE = "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml"
NOT_WRITTEN = "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf"


@pytest.mark.parametrize(
    ("accept", "code", "media"),
    [
        pytest.param("", 200, "application/json", id="none"),
        pytest.param("*/*", 200, "application/json", id="any"),
        pytest.param("application/json; charset=utf-8", 200, "application/json", id="parameter"),
        pytest.param("application/json;q=0.1, application/yaml", 200, YAML, id="rather YAML"),
        pytest.param("application/yaml;q=0.1, application/json;q=0.9", 200, "application/json", id="rather JSON"),
        pytest.param("application/vnd.kubernetes.protobuf, application/json", 200, "application/json", id="falls back"),
        pytest.param("application/cbor, application/json", 200, "application/json", id="CBOR falls back"),
        pytest.param("application/cbor", 406, "application/json", id="CBOR"),
        pytest.param("application/vnd.kubernetes.protobuf", 406, "application/json", id="protobuf"),
        pytest.param("application/*", 406, "application/json", id="half a wildcard"),
        pytest.param("text/html", 406, "application/json", id="HTML"),
        pytest.param("nonsense", 406, "application/json", id="nonsense"),
    ],
)
async def test_what_is_accepted(client: Client, accept: str, code: int, media: str) -> None:
    """It is looked at before anything is done, and before anything is looked for."""
    refused = code == 406
    for method, path, body, expected in (
        ("GET", f"{MAPS}/none", None, 404),
        ("POST", MAPS, config_map("a"), 201),
        ("GET", f"{MAPS}/a", None, 200),
        ("GET", MAPS, None, 200),
        ("GET", "/api/v1", None, 200),
        ("GET", "/apis", None, 200),
    ):
        answer = await client(method, path, body, accept=accept)
        assert answer.status == (406 if refused else expected)
        assert answer.headers["content-type"] == media
        if refused:
            assert answer.message == (NOT_WRITTEN if "protobuf" in accept else NOT_ACCEPTABLE)
    assert (await client("GET", f"{MAPS}/a")).status == (404 if refused else 200)


async def test_errors_for_people_are_indented(client: Client) -> None:
    answer = await client("GET", f"{MAPS}/none", user_agent="curl/8.0")
    assert answer.body.startswith(b'{\n  "kind": "Status",\n')


@pytest.mark.parametrize(
    ("accept", "code"),
    [("application/json", 200), ("*/*", 200), ("", 200), ("text/html", 406), ("application/cbor", 406)],
)
async def test_documents_are_json_or_protobuf(client: Client, accept: str, code: int) -> None:
    answer = await client("GET", "/openapi/v2", accept=accept)
    assert (answer.status, answer.headers["vary"]) == (code, "Accept")


SCALE = "/apis/apps/v1/namespaces/default/deployments/web/scale"
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
SCALES = [
    pytest.param("PATCH", MERGE, {"spec": {"replicas": "x"}}, 422, "patch: Invalid value: ", id="merge, type"),
    pytest.param("PATCH", STRATEGIC, {"spec": {"replicas": "x"}}, 422, "patch: Invalid value: ", id="strategic, type"),
    pytest.param("PATCH", MERGE, {"spec": []}, 422, "patch: Invalid value: ", id="a list"),
    pytest.param("PATCH", MERGE, {"kind": "Foo"}, 422, 'no kind "Foo" is registered for version "autoscaling/v1"', id="kind"),
    pytest.param("PATCH", MERGE, {"metadata": {"name": "y"}}, 400, "the name of the object (y) does not match", id="name"),
    pytest.param("PATCH", MERGE, {"metadata": {"uid": "x"}}, 409, 'on deployments/scale.apps "web": Precondition failed', id="uid"),
    pytest.param("PATCH", MERGE, {"spec": {"replicas": -1}}, 422, "must be greater than or equal to 0", id="negative"),
    pytest.param("PATCH", MERGE, None, 400, "error decoding patch: unexpected end of JSON input", id="merge, empty"),
    pytest.param("PATCH", MERGE, b"null", 400, "Invalid JSON Patch", id="merge, null"),
    pytest.param("PATCH", MERGE, b"[]", 400, "error decoding patch: json: cannot unmarshal array into Go value", id="merge, list"),
    pytest.param("PATCH", STRATEGIC, b"[]", 400, "json: cannot unmarshal array into Go value", id="strategic, list"),
    pytest.param("PATCH", STRATEGIC, b"null", 200, "", id="strategic, null"),
    pytest.param("PUT", "application/json", {}, 400, "(web based on URL) was undeterminable", id="no name"),
    pytest.param("PUT", "application/json", {"metadata": {"name": "web", "namespace": "x"}}, 400, "does not match", id="namespace"),
    pytest.param("PUT", "application/json", {"metadata": {"name": "web"}, "spec": {"replicas": 3}}, 200, "", id="put"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "media", "body", "code", "words"), SCALES)
async def test_scales(client: Client, method: str, media: str, body: Any, code: int, words: str) -> None:
    await client.ok("POST", "/apis/apps/v1/namespaces/default/deployments", deployment("web"))
    answer = await client(method, SCALE, b"" if body is None else body, media=media)
    assert (answer.status, words in answer.message) == (code, True)


async def test_a_scale_is_not_forced(client: Client) -> None:
    await client.ok("POST", "/apis/apps/v1/namespaces/default/deployments", deployment("web"))
    answer = await client("PATCH", f"{SCALE}?force=true", {"spec": {"replicas": 2}}, media=MERGE)
    assert (answer.status, "force: Forbidden: may not be specified for non-apply patch" in answer.message) == (
        422,
        True,
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param("a", '"a"', id="text"),
        pytest.param('a"\\\n\x00\u200b', r'"a\"\\\n\x00\u200b"', id="escapes"),
        pytest.param("ü", '"ü"', id="letters"),
        pytest.param(None, '"null"', id="nothing"),
        pytest.param(True, "true", id="boolean"),
        pytest.param(10**12, "1000000000000", id="integer"),
        pytest.param(1.5, "1.5", id="float"),
        pytest.param(1e6, "1e+06", id="a large float"),
        pytest.param(0.00001, "1e-05", id="a small float"),
        pytest.param(-2.0, "-2", id="a whole float"),
        pytest.param(["a", 1], '["a",1]', id="list"),
        pytest.param({"a": {"b": "<c>"}}, r'{"a":{"b":"\u003cc\u003e"}}', id="object"),
    ],
)
def test_values_in_field_errors(value: Any, shown: str) -> None:
    assert field.invalid("spec.x", value, "why").body == f"Invalid value: {shown}: why"


@pytest.mark.parametrize(
    ("method", "origin", "code", "allowed"),
    [
        pytest.param("GET", "https://ui.example.com", 200, True, id="allowed"),
        pytest.param("OPTIONS", "https://ui.example.com", 204, True, id="asked beforehand"),
        pytest.param("GET", "https://ui.example.com.evil", 200, False, id="another"),
        pytest.param("OPTIONS", "https://evil", 405, False, id="another beforehand"),
        pytest.param("GET", "", 200, False, id="no browser"),
    ],
)
async def test_pages_of_other_origins(tmp_path: Path, method: str, origin: str, code: int, allowed: bool) -> None:
    async with running(tmp_path, cors_allowed_origins=(r"^https://ui\.example\.com$",)) as client:
        more = {"authorization": ""} if method == "OPTIONS" and allowed else {}
        answer = await client(method, MAPS, origin=origin, **more)
    assert answer.status == code
    assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)
    assert answer.headers.get("access-control-allow-credentials") == ("true" if allowed else None)


async def test_tls_is_demanded_of_browsers(tmp_path: Path) -> None:
    async with running(
        tmp_path, strict_transport_security_directives=("max-age=31536000", "includeSubDomains")
    ) as client:
        for path in (MAPS, "/version", "/nothing"):
            answer = await client("GET", path)
            assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param({"cors_allowed_origins": ("example.com",)}, id="not pinned"),
        pytest.param({"cors_allowed_origins": ("^(",)}, id="no expression"),
        pytest.param({"strict_transport_security_directives": ("max-age=x",)}, id="no age"),
        pytest.param({"strict_transport_security_directives": ("nonsense",)}, id="no directive"),
    ],
)
def test_flags_for_browsers(flags: dict[str, Any]) -> None:
    with pytest.raises(BadFile):
        browsers.check(Options(**flags))


@pytest.mark.parametrize(
    ("method", "query", "late"),
    [
        pytest.param("POST", b"timeout=10ms", True, id="a change"),
        pytest.param("GET", b"timeout=10ms", True, id="a read that asks"),
        pytest.param("GET", b"timeout=10ms&watch=1", False, id="a stream"),
    ],
)
async def test_who_waits_too_long_is_told_so(client: Client, method: str, query: bytes, late: bool) -> None:
    told: list[tuple[int, bytes]] = []

    def respond(status: int, headers: object, body: bytes) -> bool:
        told.append((status, body))
        done.set()
        return True

    async def following(_: Request) -> None:
        async with asyncio.timeout(10 if late else 0.05):
            await done.wait()

    done = asyncio.Event()
    scope = client._scope(method, MAPS, {}, 0) | {"query_string": query}
    scope["extensions"]["pocketkube.respond"] = respond
    request = Request(scope, None, None)  # type: ignore[arg-type]
    request.info = paths.request_info(request)
    if not late:
        with pytest.raises(TimeoutError):
            await limit_time(client.server.api, following, request)
        assert told == []
        return
    assert await limit_time(client.server.api, following, request) is None
    ((code, body),) = told
    assert (code, b"context deadline exceeded" in body) == (504, True)


async def test_changes_share_a_timer(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those without a time of their own: the late one is answered, the others go on, and one whose answer has begun ends itself."""
    monkeypatch.setattr(deadlines, "LOOK_SECONDS", 0.01)
    told: list[int] = []
    both = asyncio.Event()

    def change(*, answers: bool) -> Request:
        def respond(status: int, headers: object, body: bytes) -> bool:
            told.append(status)
            if len(told) == 2:
                both.set()
            return answers

        scope = client._scope("POST", MAPS, {}, 0)
        scope["extensions"]["pocketkube.respond"] = respond
        return Request(scope, None, None)  # type: ignore[arg-type]

    under_way = deadlines.UnderWay()
    late, begun, early = change(answers=True), change(answers=False), change(answers=True)
    under_way.add(late, 0)
    under_way.add(begun, 0)
    under_way.add(early, 60)
    async with asyncio.timeout(10):
        await both.wait()
    assert [under_way.end(request) for request in (late, begun, early)] == [False, True, True]
    assert told == [504, 504]


@pytest.mark.parametrize(
    ("text", "words"), [("x", 'time: invalid duration "x"'), ("5", 'missing unit in duration "5"')]
)
async def test_a_timeout_that_is_none(client: Client, text: str, words: str) -> None:
    answer = await client("GET", f"{MAPS}?timeout={text}")
    assert (answer.status, answer.message.startswith("invalid timeout specified in the request URL - ")) == (400, True)
    assert words in answer.message


async def test_what_is_no_protobuf_is_shown(client: Client) -> None:
    answer = await client("POST", MAPS, config_map("a"), media="application/vnd.kubernetes.protobuf")
    why = "the object provided is unrecognized (must be of type ConfigMap): provided data does not appear to be a protobuf"
    assert (answer.status, answer.message.startswith(why)) == (400, True)
    assert answer.message.endswith(' ({"apiVersion":"v1","kind":"Con ...)')
