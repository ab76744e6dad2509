"""Requests that another server judges: what it is sent, when it is asked, and what holds where it fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from apiserver.asking import settled
from apiserver.authz.webhook import WebhookAuthorizer
from apiserver.interfaces import Decision, RequestInfo, User
from apiserver.remote import Remote
from pocketkube.client import config as clients
from tests.apiserver.https_server import HttpsServer
from tests.apiserver.server import running

Obj = dict[str, Any]
ANN = User("ann", "7", ("dev", "system:authenticated"), {"a/b": ("c",)})
LIST = RequestInfo(
    "list", "/x", True, "apps", "v1", "deployments", "scale", "shop", "web",
    field_selector="metadata.name=web,spec.x!=y", label_selector="a in (c,b),!d",
)  # fmt: skip


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[HttpsServer]:
    async with HttpsServer(tmp_path).serving() as found:
        yield found


def judged_by(server: HttpsServer, status: Obj, *, code: int = 200, **changes: Any) -> WebhookAuthorizer:
    server.replies["/judge"] = lambda call: (code, {**call.json(), "status": status})
    remote = Remote(clients.load(str(server.kubeconfig("/judge"))), first_wait=0.001)
    return WebhookAuthorizer(remote, **{"version": "v1", **changes})


async def decide(authorizer: WebhookAuthorizer, request: RequestInfo = LIST) -> Decision:
    try:
        return await settled(lambda: authorizer.authorize(ANN, request))
    finally:
        await authorizer.close()


async def test_what_is_sent(server: HttpsServer) -> None:
    authorizer = judged_by(server, {"allowed": True, "reason": "why not"})
    assert await decide(authorizer) == Decision(True, "why not")
    sent = server.seen[0].json()
    assert (sent["apiVersion"], sent["kind"]) == ("authorization.k8s.io/v1", "SubjectAccessReview")
    assert sent["spec"] == {
        "user": "ann",
        "uid": "7",
        "groups": ["dev", "system:authenticated"],
        "extra": {"a/b": ["c"]},
        "resourceAttributes": {
            "namespace": "shop",
            "verb": "list",
            "group": "apps",
            "version": "v1",
            "resource": "deployments",
            "subresource": "scale",
            "name": "web",
            "fieldSelector": {
                "requirements": [
                    {"key": "metadata.name", "operator": "In", "values": ["web"]},
                    {"key": "spec.x", "operator": "NotIn", "values": ["y"]},
                ]
            },
            "labelSelector": {
                "requirements": [
                    {"key": "a", "operator": "In", "values": ["b", "c"]},
                    {"key": "d", "operator": "DoesNotExist"},
                ]
            },
        },
    }


async def test_the_older_version_names_groups_otherwise(server: HttpsServer) -> None:
    await decide(judged_by(server, {}, version="v1beta1"), RequestInfo("get", "/version"))
    spec = server.seen[0].json()["spec"]
    assert spec["group"] == ["dev", "system:authenticated"]
    assert spec["nonResourceAttributes"] == {"path": "/version", "verb": "get"}


async def test_decisions_are_kept_for_a_while(server: HttpsServer) -> None:
    now = [0.0]
    authorizer = judged_by(server, {"allowed": True}, authorized_seconds=10, now=lambda: now[0])
    for _ in range(3):
        assert (await decide(authorizer)).allowed
    assert len(server.seen) == 1
    now[0] = 11.0
    await decide(authorizer)
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("status", "code", "policy", "expected"),
    [
        pytest.param({"allowed": False}, 200, False, (False, False, ""), id="no opinion"),
        pytest.param({"denied": True}, 200, False, (False, True, ""), id="denied"),
        pytest.param({"allowed": True, "denied": True}, 200, False, (False, False, "both allow and deny"), id="both"),
        pytest.param({}, 500, False, (False, False, "status code 500"), id="failed"),
        pytest.param({}, 500, True, (False, True, "status code 500"), id="failed and then denied"),
    ],
)
async def test_answers(
    server: HttpsServer, status: Obj, code: int, policy: bool, expected: tuple[bool, bool, str]
) -> None:
    decision = await decide(judged_by(server, status, code=code, denies_on_failure=policy))
    assert (decision.allowed, decision.denied) == expected[:2]
    assert expected[2] in decision.error


@pytest.mark.parametrize(
    ("condition", "asked", "error"),
    [
        pytest.param("request.resourceAttributes.namespace == 'shop'", 1, "", id="holds"),
        pytest.param("has(request.nonResourceAttributes)", 0, "", id="does not"),
        pytest.param("!('dev' in request.groups)", 0, "", id="by group"),
        pytest.param("request.extra.nothing[0] == 'x'", 0, "no such key", id="fails"),
    ],
)
async def test_match_conditions(server: HttpsServer, condition: str, asked: int, error: str) -> None:
    decision = await decide(judged_by(server, {"allowed": True}, conditions=[condition]))
    assert (len(server.seen), decision.allowed) == (asked, bool(asked))
    assert error in decision.error


async def test_a_server_with_the_flags(server: HttpsServer, tmp_path: Path) -> None:
    def judge(call: Any) -> tuple[int, Obj]:
        spec = call.json()["spec"]
        asked = spec.get("resourceAttributes") or {}
        return 200, {"status": {"allowed": spec["user"] == "ann" and asked.get("resource") == "configmaps"}}

    server.replies["/judge"] = judge
    file = server.kubeconfig("/judge")
    flags: dict[str, Any] = {
        "authorization_mode": ("Node", "RBAC", "Webhook"),
        "authorization_webhook_config_file": str(file),
    }
    async with running(tmp_path, **flags) as admin:
        ann = admin.acting_as("user-token")
        assert (await ann("GET", "/api/v1/namespaces/default/configmaps")).status == 200
        refused = await ann("GET", "/api/v1/namespaces/default/secrets")
        assert (refused.status, refused.message) == (
            403,
            'secrets is forbidden: User "ann" cannot list resource "secrets" in API group "" in the namespace "default"',
        )
        # Reviews, impersonation and admission wait for the same answer.
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": "ann", "resourceAttributes": {"verb": "get", "resource": "configmaps"}},
        }
        answer = await admin.ok("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        assert answer["status"] == {"allowed": True}
        assert (await ann("GET", "/api", impersonate_user="bob")).status == 403
        server.replies["/judge"] = lambda call: (403, {})
        broken = await ann("GET", "/api/v1/nodes")
        assert broken.status == 500
        assert broken.body.startswith(b'Internal Server Error: "/api/v1/nodes": the server answered with')
