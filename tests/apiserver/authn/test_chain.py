"""The authenticators together: certificate before token, anonymous last, nothing remembered about a refusal."""

from __future__ import annotations

import base64
import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from apiserver import authn, authz
from apiserver.authn import csr, discovery, reviews
from apiserver.authn.tokens import TokenIssuer
from apiserver.interfaces import PlainFailure, User
from apiserver.memory_cluster import MemoryCluster
from pocketkube.api.meta import errors

ISSUER = "https://kubernetes.default.svc.cluster.local"
ROBOT = {"metadata": {"name": "robot", "namespace": "shop", "uid": "sa-1"}}
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


class Authority:
    """A throwaway CA that issues client certificates."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.pem = self._sign(self._name, self._key.public_key(), ca=True, days=36500).public_bytes(
            serialization.Encoding.PEM
        )

    def client(self, name: str, *groups: str, days: int = 36500) -> bytes:
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, g) for g in groups]
        if name:
            attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, name))
        key = ec.generate_private_key(ec.SECP256R1()).public_key()
        return self._sign(x509.Name(attributes), key, ca=False, days=days).public_bytes(serialization.Encoding.DER)

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, ca: bool, days: int) -> x509.Certificate:
        builder = x509.CertificateBuilder(self._name, subject, key, x509.random_serial_number())
        builder = builder.not_valid_before(START).not_valid_after(START + datetime.timedelta(days=days))
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        return builder.sign(self._key, hashes.SHA256())


CLIENTS, PROXIES = Authority("clients"), Authority("proxies")
ANN = CLIENTS.client("ann", "dev", "ops")


def headers(**given: str) -> list[tuple[bytes, bytes]]:
    found = [(b"host", b"api"), (b"accept", b"application/json"), (b"user-agent", b"kubectl")]
    return found + [(k.replace("_", "-").encode(), v.encode()) for k, v in given.items()]


def build(cluster: MemoryCluster, key: bytes = b"", **changes: object) -> authn.Chain:
    config = {"client_ca": CLIENTS.pem, "issuers": [ISSUER], "service_account_keys": [key] if key else []}
    return authn.build(authn.AuthnConfig(cluster=cluster, **{**config, **changes}))  # type: ignore[arg-type]


async def test_certificate(cluster: MemoryCluster) -> None:
    user = await build(cluster).authenticate(headers(), ANN)
    assert (user.name, user.groups) == ("ann", ("dev", "ops", "system:authenticated"))
    assert user.extra["authentication.kubernetes.io/credential-id"][0].startswith("X509SHA256=")


@pytest.mark.parametrize(
    "der",
    [
        pytest.param(CLIENTS.client("late", days=1), id="expired"),
        pytest.param(b"no certificate", id="unreadable"),
        pytest.param(PROXIES.client("front"), id="of another authority"),
    ],
)
async def test_a_certificate_that_does_not_hold_is_no_login(cluster: MemoryCluster, der: bytes) -> None:
    chain = build(cluster, request_header=authn.RequestHeader(client_ca=PROXIES.pem))
    for given in (headers(), headers(authorization="Basic YTpi")):
        with pytest.raises(errors.Unauthorized):
            await chain.authenticate(given, der)


async def test_a_certificate_without_a_name_is_nobody(cluster: MemoryCluster) -> None:
    chain = build(cluster)
    for _ in range(2):
        assert await chain.authenticate(headers(), CLIENTS.client("", "dev")) is authn.ANONYMOUS


async def test_anonymous(cluster: MemoryCluster) -> None:
    assert await build(cluster).authenticate(headers(), None) == User(
        "system:anonymous", groups=("system:unauthenticated",)
    )
    with pytest.raises(errors.Unauthorized):
        await build(cluster, anonymous=False).authenticate(headers(), None)
    with pytest.raises(errors.Unauthorized):
        await build(cluster, anonymous=False).authenticate(headers(authorization="Basic YTpi"), None)


async def test_token_and_its_end(key: bytes, cluster: MemoryCluster) -> None:
    chain = build(cluster, key)
    token, _ = TokenIssuer(key, ISSUER).issue(ROBOT, bound_object=("Pod", "web", "pod-1"))
    sent = headers(authorization=f"Bearer {token}")
    first = await chain.authenticate(sent, None)
    assert await chain.authenticate(sent, None) is first
    cluster.remove("", "pods", "shop", "web")
    for _ in range(2):
        with pytest.raises(errors.Unauthorized):
            await chain.authenticate(sent, None)
    cluster.put("", "pods", {"metadata": {"name": "web", "namespace": "shop", "uid": "pod-1"}, "spec": {}})
    assert (await chain.authenticate(sent, None)).name == first.name


async def test_bad_token_is_not_anonymous(key: bytes, cluster: MemoryCluster) -> None:
    with pytest.raises(errors.Unauthorized):
        await build(cluster, key).authenticate(headers(authorization="Bearer nonsense"), None)


async def test_certificate_comes_before_token(key: bytes, cluster: MemoryCluster) -> None:
    user = await build(cluster, key).authenticate(headers(authorization="Bearer nonsense"), ANN)
    assert user.name == "ann"


async def test_websocket_token(key: bytes, cluster: MemoryCluster) -> None:
    token, _ = TokenIssuer(key, ISSUER).issue(ROBOT)
    encoded = base64.urlsafe_b64encode(token.encode()).rstrip(b"=").decode()
    offered = f"v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.{encoded}"
    user = await build(cluster, key).authenticate(headers(sec_websocket_protocol=offered), None)
    assert user.name == "system:serviceaccount:shop:robot"


async def test_token_file(cluster: MemoryCluster, tmp_path: Path) -> None:
    path = tmp_path / "tokens.csv"
    path.write_text('# who\ns3cret,eve,7,"a,b"\nt2,bob,8\n')
    chain = build(cluster, token_file=str(path))
    eve = await chain.authenticate(headers(authorization="Bearer s3cret"), None)
    assert eve == User("eve", "7", ("a", "b", "system:authenticated"))
    assert (await chain.authenticate(headers(authorization="bearer t2"), None)).name == "bob"
    path.write_text("only,two\n")
    with pytest.raises(ValueError, match="token file"):
        build(cluster, token_file=str(path))


async def test_front_proxy(cluster: MemoryCluster) -> None:
    proxy = authn.RequestHeader(client_ca=PROXIES.pem, allowed_names=("front",))
    chain = build(cluster, request_header=proxy)
    sent = headers(x_remote_user="kim", x_remote_group="g1", x_remote_extra_scopes="read")
    kim = await chain.authenticate(sent, PROXIES.client("front"))
    assert (kim.name, kim.groups, kim.extra) == ("kim", ("g1", "system:authenticated"), {"scopes": ("read",)})
    assert (await chain.authenticate(sent, ANN)).name == "ann"
    for given, der in ((sent, PROXIES.client("other")), (headers(), PROXIES.client("front"))):
        with pytest.raises(errors.Unauthorized):
            await chain.authenticate(given, der)


def authorizer(cluster: MemoryCluster) -> authz.Chain:
    group = "rbac.authorization.k8s.io"
    rules = [
        {
            "verbs": ["impersonate"],
            "apiGroups": [""],
            "resources": ["users"],
            "resourceNames": ["bob", "system:anonymous"],
        },
        {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["groups"], "resourceNames": ["dev"]},
        {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["serviceaccounts"]},
        {"verbs": ["impersonate"], "apiGroups": ["authentication.k8s.io"], "resources": ["userextras/scopes", "uids"]},
    ]
    cluster.put(group, "clusterroles", {"metadata": {"name": "act"}, "rules": rules})
    binding = {
        "metadata": {"name": "ann-acts"},
        "roleRef": {"kind": "ClusterRole", "name": "act"},
        "subjects": [{"kind": "User", "name": "ann"}],
    }
    cluster.put(group, "clusterrolebindings", binding)
    return authz.build(cluster, ["RBAC"])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"impersonate_user": "bob"}, User("bob", groups=("system:authenticated",)), id="user"),
        pytest.param(
            {"impersonate_user": "bob", "impersonate_group": "dev"},
            User("bob", groups=("dev", "system:authenticated")),
            id="group",
        ),
        pytest.param(
            {"impersonate_user": "bob", "impersonate_uid": "7", "impersonate_extra_scopes": "read"},
            User("bob", "7", ("system:authenticated",), {"scopes": ("read",)}),
            id="uid and extra",
        ),
        pytest.param(
            {"impersonate_user": "system:anonymous"},
            User("system:anonymous", groups=("system:unauthenticated",)),
            id="anonymous",
        ),
        pytest.param(
            {"impersonate_user": "system:serviceaccount:shop:robot"},
            User(
                "system:serviceaccount:shop:robot",
                groups=("system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"),
            ),
            id="service account",
        ),
    ],
)
async def test_impersonation(cluster: MemoryCluster, given: dict[str, str], expected: User) -> None:
    chain = build(cluster, authorizer=authorizer(cluster))
    assert await chain.authenticate(headers(**given), ANN) == expected


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param(
            {"impersonate_user": "root"},
            'users "root" is forbidden: User "ann" cannot impersonate resource "users" in API group "" at the cluster scope',
            id="user",
        ),
        pytest.param(
            {"impersonate_user": "bob", "impersonate_group": "system:masters"},
            'groups "system:masters" is forbidden: User "ann" cannot impersonate resource "groups" in API group "" '
            "at the cluster scope",
            id="group",
        ),
    ],
)
async def test_impersonation_refused(cluster: MemoryCluster, given: dict[str, str], words: str) -> None:
    chain = build(cluster, authorizer=authorizer(cluster))
    with pytest.raises(errors.Forbidden) as refused:
        await chain.authenticate(headers(**given), ANN)
    assert refused.value.message == words


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param(
            {"impersonate_group": "dev"}, "requested [{Group  dev    }] without impersonating a user", id="group"
        ),
        pytest.param(
            {"impersonate_uid": "7"},
            "requested [{UID  7  authentication.k8s.io/v1  }] without impersonating a user",
            id="uid",
        ),
        pytest.param(
            {"impersonate_extra_x": "1"},
            "requested [{UserExtra  1  authentication.k8s.io/v1  x}] without impersonating a user",
            id="extra",
        ),
    ],
)
async def test_impersonation_without_user(cluster: MemoryCluster, given: dict[str, str], words: str) -> None:
    chain = build(cluster, authorizer=authorizer(cluster))
    with pytest.raises(PlainFailure) as failed:
        await chain.authenticate(headers(**given), ANN)
    assert str(failed.value) == words


async def test_impersonating_nobody_is_not_impersonating(cluster: MemoryCluster) -> None:
    chain = build(cluster, authorizer=authorizer(cluster))
    assert (await chain.authenticate(headers(impersonate_user=""), ANN)).name == "ann"


def test_discovery_documents(key: bytes) -> None:
    url = ISSUER + discovery.JWKS_PATH
    configuration = discovery.configuration(ISSUER, [key], jwks_uri=url)
    assert configuration["jwks_uri"] == url
    assert configuration["id_token_signing_alg_values_supported"] == ["RS256"]
    (only,) = discovery.jwks([key, key])["keys"]
    assert only["kty"] == "RSA" and only["e"] == "AQAB" and only["use"] == "sig"


async def test_token_review(key: bytes, cluster: MemoryCluster) -> None:
    chain = build(cluster, key)
    token, _ = TokenIssuer(key, ISSUER).issue(ROBOT, bound_object=("Pod", "web", "pod-1"))
    done = await reviews.token_review(chain, {"spec": {"token": token, "audiences": None}}, api_audiences=(ISSUER,))
    status = done["status"]
    assert status["authenticated"] and status["audiences"] == [ISSUER]
    assert status["user"]["extra"]["authentication.kubernetes.io/pod-name"] == ["web"]
    wrong = await reviews.token_review(
        chain, {"spec": {"token": token, "audiences": ["vault"]}}, api_audiences=(ISSUER,)
    )
    assert not wrong["status"].get("authenticated") and wrong["status"]["error"]
    with pytest.raises(errors.BadRequest):
        await reviews.token_review(chain, {"spec": {}})


def test_self_subject_review() -> None:
    done = reviews.self_subject_review(User("ann", "1", ("dev",), {"k": ("v",)}), {"kind": "SelfSubjectReview"})
    assert done["status"]["userInfo"] == {"username": "ann", "uid": "1", "groups": ["dev"], "extra": {"k": ["v"]}}


def test_csr_subject() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "system:node:n1")])
    made = x509.CertificateSigningRequestBuilder(name).sign(key, hashes.SHA256())
    encoded = base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()
    assert csr.subject(encoded, csr.COMMON_NAME) == ["system:node:n1"]
    assert csr.subject("bm8=", csr.COMMON_NAME) == []


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param("", None, id="empty"),
        pytest.param("Bearer", None, id="no token"),
        pytest.param("Bearer  good", None, id="two spaces hide the token"),
        pytest.param("Basic YTpi", None, id="another scheme"),
        pytest.param("good", None, id="no scheme"),
        pytest.param("Bearer\tgood", None, id="a tab"),
        pytest.param("Bearer bad", 401, id="unknown"),
        pytest.param("Bearer a.b.c", 401, id="no JWT"),
        pytest.param("Bearer good", 200, id="good"),
        pytest.param("bearer good", 200, id="lower case"),
        pytest.param("  Bearer good  ", 200, id="space around"),
        pytest.param("Bearer good and more", 200, id="more words"),
    ],
)
async def test_authorization_headers(cluster: MemoryCluster, tmp_path: Path, sent: str, status: int | None) -> None:
    """None is anonymous."""
    (tmp_path / "tokens.csv").write_text("good,ann,1\n")
    chain = build(cluster, token_file=str(tmp_path / "tokens.csv"))
    if status == 401:
        with pytest.raises(errors.Unauthorized):
            await chain.authenticate(headers(authorization=sent), None)
    else:
        user = await chain.authenticate(headers(authorization=sent), None)
        assert user.name == ("ann" if status else "system:anonymous")
