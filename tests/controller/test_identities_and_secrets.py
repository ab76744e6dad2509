"""Certificates, tokens, service accounts and the cluster's CA: the plans that hand out identity."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from controller import bootstrap_tokens, certificates, token_secrets
from controller.loops import (
    bootstrap_signer,
    csr_approving,
    csr_cleaner,
    csr_signing,
    namespace,
    root_ca_publisher,
    serviceaccount,
    serviceaccount_secret,
    serviceaccount_token,
)
from controller.options import Options
from pocketkube.base.certificates import self_signed
from tests.controller.cluster_objects import NOW, STAMP

Obj = dict[str, Any]

KEY = ec.generate_private_key(ec.SECP256R1())
CLIENT_USAGES = ("digital signature", "client auth")


def csr(
    name: str = "system:node:n1",
    group: str = "system:nodes",
    *,
    signer: str = certificates.KUBELET_CLIENT,
    usages: tuple[str, ...] = CLIENT_USAGES,
    dns: str = "",
    username: str = "system:node:n1",
    conditions: tuple[str, ...] = (),
    **spec: Any,
) -> Obj:
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)]
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if dns:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(dns)]), critical=False)
    request = builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    body = {
        "request": base64.b64encode(request).decode(),
        "signerName": signer,
        "usages": list(usages),
        "username": username,
    }
    found = [{"type": t, "status": "True", "lastUpdateTime": STAMP} for t in conditions]
    metadata = {"name": "csr", "creationTimestamp": STAMP}
    return {"metadata": metadata, "spec": {**body, **spec}, "status": {"conditions": found} if found else {}}


@pytest.mark.parametrize(
    ("found", "asked"),
    [
        pytest.param(csr(), ["selfnodeclient", "nodeclient"], id="a node renews its own"),
        pytest.param(csr(username="system:bootstrap:abcdef"), ["nodeclient"], id="a bootstrapper asks for a node"),
        pytest.param(csr("alice"), [], id="no node"),
        pytest.param(csr(group="system:masters"), [], id="another group"),
        pytest.param(csr(dns="n1"), [], id="names that only servers have"),
        pytest.param(csr(usages=("server auth",)), [], id="wrong usages"),
        pytest.param(csr(signer=certificates.KUBELET_SERVING), [], id="another signer"),
        pytest.param(csr(conditions=("Denied",)), [], id="decided already"),
        pytest.param({**csr(), "spec": {**csr()["spec"], "request": "bm9wZQ=="}}, [], id="not a request"),
    ],
)
def test_who_may_be_approved(found: Obj, asked: list[str]) -> None:
    assert [s for s, _ in csr_approving.recognized(found)] == asked


@pytest.fixture
def signer(tmp_path: Path) -> csr_signing.Signer:
    certificate, key = self_signed("ca")
    (tmp_path / "ca.crt").write_bytes(certificate)
    (tmp_path / "ca.key").write_bytes(key)
    return csr_signing.Signer(str(tmp_path / "ca.crt"), str(tmp_path / "ca.key"))


def test_an_approved_request_is_signed(signer: csr_signing.Signer) -> None:
    found = csr(conditions=("Approved",), expirationSeconds=3600)
    assert csr_signing.is_due(found)
    now = datetime.now(UTC)
    signed = csr_signing.plan(found, signer, 86400.0, now)
    made = x509.load_pem_x509_certificate(base64.b64decode(signed["status"]["certificate"]))
    assert made.subject == certificates.parse(found).subject
    assert made.not_valid_after_utc - now == pytest.approx(timedelta(hours=1), abs=timedelta(seconds=2))
    assert made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert not csr_signing.is_due(signed)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        pytest.param(csr("alice", conditions=("Approved",)), "does not begin with system:node:", id="name"),
        pytest.param(csr(group="a", conditions=("Approved",)), "organization is not system:nodes", id="group"),
        pytest.param(
            csr(
                signer=certificates.KUBELET_SERVING,
                usages=("server auth", "digital signature"),
                conditions=("Approved",),
            ),
            "subjectAltName is required",
            id="a server without a name",
        ),
    ],
)
def test_what_a_signer_refuses_has_failed(signer: csr_signing.Signer, found: Obj, message: str) -> None:
    refused = csr_signing.plan(found, signer, 86400.0, NOW)
    last = refused["status"]["conditions"][-1]
    assert (last["type"], last["reason"]) == ("Failed", "SignerValidationFailure")
    assert message in last["message"]
    assert "certificate" not in refused["status"]


@pytest.mark.parametrize(
    ("found", "due"),
    [
        (csr(), False),
        (csr(conditions=("Approved",)), True),
        (csr(conditions=("Approved", "Denied")), False),
        (csr(conditions=("Approved", "Failed")), False),
        (csr(signer="example.com/own", conditions=("Approved",)), False),
    ],
)
def test_what_is_due_for_signing(found: Obj, due: bool) -> None:
    assert csr_signing.is_due(found) == due


GENERAL = {"cluster_signing_cert_file": "ca.crt", "cluster_signing_key_file": "ca.key"}
SERVING = {"cluster_signing_kubelet_serving_cert_file": "s.crt", "cluster_signing_kubelet_serving_key_file": "s.key"}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        pytest.param({}, {}, id="none"),
        pytest.param(SERVING, {certificates.KUBELET_SERVING: ("s.crt", "s.key")}, id="one of its own"),
        pytest.param({"cluster_signing_cert_file": "ca.crt"}, {}, id="no key"),
    ],
)
def test_which_authority_signs(flags: dict[str, str], expected: dict[str, tuple[str, str]]) -> None:
    assert csr_signing.authorities(Options(**flags)) == expected  # type: ignore[arg-type]


def test_one_authority_signs_all_or_each_has_its_own() -> None:
    everyone = csr_signing.authorities(Options(**GENERAL))  # type: ignore[arg-type]
    assert set(everyone.values()) == {("ca.crt", "ca.key")}
    assert len(everyone) == 4
    with pytest.raises(ValueError, match="cannot specify default and per controller certs at the same time"):
        csr_signing.authorities(Options(**GENERAL, **SERVING))  # type: ignore[arg-type]


def test_old_requests_go() -> None:
    later = NOW + timedelta(hours=2)
    assert csr_cleaner.expires_in(csr(), later) == 22 * 3600
    assert csr_cleaner.expires_in(csr(conditions=("Approved",)), later) == -3600


# --- bootstrap tokens


def token(**data: str) -> Obj:
    fields = {"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-signing": "true", **data}
    encoded = {k.replace("_", "-"): base64.b64encode(v.encode()).decode() for k, v in fields.items()}
    return {"metadata": {"name": "bootstrap-token-abcdef", "namespace": "kube-system"}, "data": encoded}


def test_cluster_info_is_signed_by_each_living_token() -> None:
    config_map = {"metadata": {}, "data": {"kubeconfig": "text", "jws-kubeconfig-oldold": "x"}}
    data = bootstrap_signer.plan(config_map, [token(), token(expiration="2026-11-21T02:00:00Z")], NOW)
    assert data is not None
    assert data.keys() == {"kubeconfig", "jws-kubeconfig-abcdef"}
    header, payload, signature = data["jws-kubeconfig-abcdef"].split(".")
    assert payload == ""
    signed = f"{header}.{base64.urlsafe_b64encode(b'text').rstrip(b'=').decode()}".encode()
    expected = hmac.new(b"0123456789abcdef", signed, hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(signature + "==") == expected
    assert bootstrap_signer.plan({"metadata": {}, "data": data}, [token()], NOW) is None


@pytest.mark.parametrize(
    ("found", "left"),
    [
        (token(), None),
        (token(expiration="2026-11-21T03:01:00Z"), 60.0),
        (token(expiration="2026-11-21T02:59:00Z"), -60.0),
        (token(expiration="soon"), 0.0),
    ],
)
def test_token_expiry(found: Obj, left: float | None) -> None:
    assert bootstrap_tokens.expires_in(found, NOW) == left


# --- service accounts


def living(name: str = "ns", **metadata: Any) -> Obj:
    return {
        "metadata": {"name": name, **metadata},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }


def test_every_living_namespace_has_an_account_and_the_ca() -> None:
    """line 33: kube-root-ca.crt is in each namespace."""
    account = serviceaccount.plan(living(), None)
    assert account is not None
    assert account["metadata"] == {"name": "default", "namespace": "ns"}
    assert serviceaccount.plan(living(), account) is None
    assert serviceaccount.plan(living(deletionTimestamp=STAMP), None) is None
    assert serviceaccount.plan(None, None) is None
    published = root_ca_publisher.plan(living(), None, "PEM")
    assert published is not None
    assert root_ca_publisher.plan(living(), published, "PEM") is None
    altered = {**published, "metadata": {**published["metadata"], "resourceVersion": "1"}, "data": {"ca.crt": "other"}}
    restored = root_ca_publisher.plan(living(), altered, "PEM")
    assert restored is not None
    assert restored["data"] == {"ca.crt": "PEM"}


def secret(**notes: str) -> Obj:
    annotations = {token_secrets.ACCOUNT_NAME: "robot", **notes}
    return {
        "metadata": {"name": "s", "namespace": "ns", "uid": "s", "annotations": annotations},
        "type": token_secrets.TYPE,
    }


ACCOUNT = {"metadata": {"name": "robot", "namespace": "ns", "uid": "robot-1"}}


def test_a_token_secret_is_filled_once() -> None:
    import jwt

    key = rsa.generate_private_key(65537, 2048)

    def sign(payload: Obj) -> str:
        return jwt.encode(payload, key, algorithm="RS256")

    made = serviceaccount_token.plan(secret(), ACCOUNT, "PEM", sign).update
    assert made is not None
    assert base64.b64decode(made["data"]["ca.crt"]) == b"PEM"
    said = jwt.decode(base64.b64decode(made["data"]["token"]), key.public_key(), algorithms=["RS256"])
    assert said["sub"] == "system:serviceaccount:ns:robot"
    assert said["kubernetes.io/serviceaccount/secret.name"] == "s"
    assert made["metadata"]["annotations"][token_secrets.ACCOUNT_UID] == "robot-1"
    assert serviceaccount_token.plan(made, ACCOUNT, "PEM", sign) == serviceaccount_token.Plan()


@pytest.mark.parametrize("account", [None, {"metadata": {**ACCOUNT["metadata"], "uid": "robot-2"}}])
def test_a_token_secret_dies_with_its_account(account: Obj | None) -> None:
    found = secret(**{token_secrets.ACCOUNT_UID: "robot-1"})
    assert serviceaccount_token.plan(found, account, "PEM", lambda payload: "").delete


def test_the_signing_key_is_named_by_its_public_half(tmp_path: Path) -> None:
    import jwt

    private = KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "sa.key").write_bytes(private)
    text = serviceaccount_token.signer(str(tmp_path / "sa.key"))({"sub": "x"})
    public = KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    kid = base64.urlsafe_b64encode(hashlib.sha256(public).digest()).rstrip(b"=").decode()
    assert jwt.get_unverified_header(text) == {"alg": "ES256", "kid": kid, "typ": "JWT"}


# --- namespaces


def test_a_namespace_tells_what_is_in_the_way() -> None:
    """line 32: conditions say what blocks."""
    content = namespace.Content()
    content.remaining["pods."] = 2
    content.finalizers["example.com/held"] = 1
    found = {c["type"]: (c["status"], c["reason"], c["message"]) for c in namespace.with_conditions([], content, STAMP)}
    assert found["NamespaceContentRemaining"] == (
        "True", "SomeResourcesRemain", "Some resources are remaining: pods. has 2 resource instances",
    )  # fmt: skip
    assert found["NamespaceFinalizersRemaining"][2].endswith("example.com/held in 1 resource instances")
    assert found["NamespaceDeletionDiscoveryFailure"][0] == "False"
    assert not content.empty


def test_an_empty_namespace_has_five_fine_conditions() -> None:
    content = namespace.Content()
    first = namespace.with_conditions([], content, STAMP)
    assert [c["status"] for c in first] == ["False"] * 5
    assert content.empty
    assert namespace.with_conditions(first, content, "later") == first


@pytest.mark.parametrize(
    ("version", "waits"),
    [
        pytest.param({"major": "1", "minor": "20"}, True, id="1.20"),
        pytest.param({"major": "1", "minor": "23+"}, True, id="1.23+"),
        pytest.param({"major": "1", "minor": "24"}, False, id="1.24"),
        pytest.param({}, False, id="unknown"),
    ],
)
def test_servers_that_wait_for_secrets(version: Obj, waits: bool) -> None:
    assert serviceaccount_secret.waits_for_secrets(version) is waits


def test_an_account_gets_one_secret_and_names_it() -> None:
    account: Obj = {"metadata": {"name": "default", "namespace": "ns", "uid": "u1"}}
    made, update = serviceaccount_secret.plan(account, [])
    assert made is not None and update is None
    assert made["metadata"]["name"].startswith("default-token-")
    another = {"metadata": {"name": "x", "annotations": {token_secrets.ACCOUNT_NAME: "other"}}}
    again, named = serviceaccount_secret.plan(account, [another, made])
    assert again is None and named is not None
    assert named["secrets"] == [{"name": made["metadata"]["name"]}]
    assert serviceaccount_secret.plan(named, [made]) == (None, None)
    replaced = {"metadata": {**account["metadata"], "uid": "u2"}}
    assert serviceaccount_secret.plan(replaced, [made])[0] is not None
