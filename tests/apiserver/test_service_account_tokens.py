"""Service-account tokens from their request to their end, over the API (line 76)."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from tests.apiserver.server import Client, eventually, pod

Obj = dict[str, Any]

ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"
PODS = "/api/v1/namespaces/default/pods"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
ISSUER = "https://kubernetes.default.svc.cluster.local"
PREFIX = "authentication.kubernetes.io/"


def asking(**spec: Any) -> Obj:
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}


async def review(client: Client, token: str, audiences: list[str] | None = None) -> Obj:
    """The status of a TokenReview; its audiences are null where none are given."""
    spec = {"token": token, "audiences": audiences}
    question = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
    answered: Obj = (await client.ok("POST", REVIEWS, question))["status"]
    return answered


async def test_a_token_of_a_pod(tokens_client: Client) -> None:
    """line 76: anyone can verify it by what the server publishes, and a review tells whose it is."""
    client = tokens_client
    node = await client.ok("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
    made = await client.ok("POST", PODS, pod("web", nodeName="n1"))
    account = await client.ok("GET", ACCOUNT)
    bound = {"kind": "Pod", "apiVersion": "v1", "name": "web", "uid": made["metadata"]["uid"]}
    token = (await client.ok("POST", f"{ACCOUNT}/token", asking(boundObjectRef=bound, audiences=None)))["status"][
        "token"
    ]
    documents = await client.ok("GET", "/.well-known/openid-configuration")
    assert documents["issuer"] == ISSUER
    (key,) = (await client.ok("GET", "/openid/v1/jwks"))["keys"]
    assert jwt.get_unverified_header(token) == {"alg": "RS256", "kid": key["kid"]}
    claims = jwt.decode(token, jwt.PyJWK(key), algorithms=["RS256"], audience=ISSUER, issuer=ISSUER)
    assert claims["sub"] == "system:serviceaccount:default:default"
    assert claims["kubernetes.io"] == {
        "namespace": "default",
        "serviceaccount": {"name": "default", "uid": account["metadata"]["uid"]},
        "pod": {"name": "web", "uid": made["metadata"]["uid"]},
        "node": {"name": "n1", "uid": node["metadata"]["uid"]},
    }
    assert await review(client, token) == {
        "authenticated": True,
        "user": {
            "username": "system:serviceaccount:default:default",
            "uid": account["metadata"]["uid"],
            "groups": ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"],
            "extra": {
                PREFIX + "credential-id": [f"JTI={claims['jti']}"],
                PREFIX + "pod-name": ["web"],
                PREFIX + "pod-uid": [made["metadata"]["uid"]],
                PREFIX + "node-name": ["n1"],
                PREFIX + "node-uid": [node["metadata"]["uid"]],
            },
        },
        "audiences": [ISSUER],
    }


async def test_a_token_ends_with_what_it_is_bound_to(tokens_client: Client) -> None:
    client = tokens_client
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    secrets = "/api/v1/namespaces/default/secrets"
    await client.ok("POST", secrets, secret)
    bound = {"kind": "Secret", "apiVersion": "v1", "name": "s"}
    token = (await client.ok("POST", f"{ACCOUNT}/token", asking(boundObjectRef=bound)))["status"]["token"]
    own = client.acting_as(token)
    assert (await own("GET", "/api")).status == 200
    await client.ok("DELETE", f"{secrets}/s")

    async def refused() -> bool:
        return (await own("GET", "/api")).status == 401

    await eventually(refused)
    await client.ok("POST", secrets, secret)  # of the same name, and another one
    assert await refused()


@pytest.mark.parametrize(
    ("wanted", "matched", "error"),
    [
        pytest.param(None, ["vault", "other"], "", id="the API is not among them"),
        pytest.param(["vault"], ["vault"], "", id="one of them"),
        pytest.param(
            ["x"], [], 'token audiences ["vault" "other"] is invalid for the target audiences ["x"]', id="none"
        ),
    ],
)
async def test_audiences(tokens_client: Client, wanted: list[str] | None, matched: list[str], error: str) -> None:
    answer = await tokens_client.ok("POST", f"{ACCOUNT}/token", asking(audiences=["vault", "other"]))
    assert answer["spec"]["audiences"] == ["vault", "other"]
    found = await review(tokens_client, answer["status"]["token"], wanted)
    if wanted is None:  # for the API itself, which the token is not for
        assert not found.get("authenticated")
    elif error:
        assert found == {"user": {}, "error": f"[invalid bearer token, {error}]"}
    else:
        assert (found["authenticated"], found["audiences"]) == (True, matched)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        pytest.param(asking(expirationSeconds=0), 422, "may not specify a duration less than 10 minutes", id="zero"),
        pytest.param(asking(expirationSeconds=599), 422, "may not specify a duration less than 10 minutes", id="short"),
        pytest.param(asking(expirationSeconds=1 << 33), 422, "larger than 2^32 seconds", id="long"),
        pytest.param(asking(boundObjectRef={}), 400, "cannot bind token to object of type /, Kind=", id="to nothing"),
        pytest.param(
            asking(boundObjectRef={"kind": "ConfigMap", "apiVersion": "v1", "name": "c"}),
            400,
            "cannot bind token to object of type /v1, Kind=ConfigMap",
            id="to a ConfigMap",
        ),
        pytest.param(
            asking(boundObjectRef={"kind": "Pod", "apiVersion": "v1", "name": "c"}),
            404,
            'pods "c" not found',
            id="no pod",
        ),
        pytest.param(
            asking(boundObjectRef={"kind": "Pod", "apiVersion": "v1"}), 400, "Name parameter required.", id="no name"
        ),
        pytest.param({**asking(), "metadata": {"name": "x"}}, 422, "must match the service account name", id="name"),
        pytest.param(
            {**asking(), "metadata": {"namespace": "x"}},
            422,
            "must match the service account namespace",
            id="namespace",
        ),
    ],
)
async def test_bad_requests(tokens_client: Client, body: Obj, status: int, message: str) -> None:
    answer = await tokens_client("POST", f"{ACCOUNT}/token", body)
    assert answer.status == status
    assert message in answer.message


@pytest.mark.parametrize("token", ["x", "a.b.c", "abcdef.0123456789abcdef", ""])
async def test_what_is_no_token(tokens_client: Client, token: str) -> None:
    if token:
        assert await review(tokens_client, token) == {"user": {}, "error": "invalid bearer token"}
    else:
        spec = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        answer = await tokens_client("POST", REVIEWS, spec)
        assert (answer.status, answer.message) == (400, "token is required for TokenReview in authentication")
