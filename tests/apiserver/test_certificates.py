"""CertificateSigningRequests over the API: who may decide and sign, and what a decision may look like.

Checks line 77 and line 80 of the behaviours: `approval` and `status` by GET, PUT and PATCH; types of conditions are free.
"""

from __future__ import annotations

import base64
import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.apiserver.server import Client

Obj = dict[str, Any]

CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
SIGNER = "kubernetes.io/kube-apiserver-client"
APPROVED: Obj = {"type": "Approved", "status": "True", "reason": "r", "message": "m"}
DENIED = {**APPROVED, "type": "Denied"}


def request(name: str, *groups: str) -> str:
    """Base64 of a PEM request for a certificate of `name`."""
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    subject = x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, name)])
    built = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = built.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return base64.b64encode(signed.public_bytes(serialization.Encoding.PEM)).decode()


def csr(name: str = "a", **spec: Any) -> Obj:
    wanted = {"request": request("ann"), "signerName": SIGNER, "usages": ["client auth"], **spec}
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {name: value for name, value in wanted.items() if value is not None},
    }


def certificate() -> str:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ann")])
    now = datetime.datetime.now(datetime.UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), 7, now, now + datetime.timedelta(days=1))
    return base64.b64encode(built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)).decode()


async def write(client: Client, subresource: str, **status: Any) -> Any:
    """The answer to a PUT of that status over what is there."""
    found = await client.ok("GET", f"{CSRS}/a/{subresource}")
    found["status"] = {**found.get("status", {}), **status}
    return await client("PUT", f"{CSRS}/a/{subresource}", found)


@pytest.mark.parametrize(
    ("spec", "causes"),
    [
        pytest.param(
            {"request": None, "signerName": None, "usages": None},
            ["spec.request", "spec.usages", "spec.signerName"],
            id="empty",
        ),
        pytest.param({"request": "eA=="}, ["spec.request"], id="no request"),
        pytest.param({"signerName": "x"}, ["spec.signerName"], id="a signer without a domain"),
        pytest.param({"signerName": "a_b/c"}, ["spec.signerName", "spec.signerName"], id="a bad domain"),
        pytest.param({"signerName": "kubernetes.io/legacy-unknown"}, ["spec.signerName"], id="the legacy signer"),
        pytest.param({"usages": ["nope"]}, ["spec.usages[0]"], id="an unknown usage"),
        pytest.param({"usages": ["client auth", "client auth"]}, ["spec.usages[1]"], id="a usage twice"),
        pytest.param({"expirationSeconds": 599}, ["spec.expirationSeconds"], id="too short"),
    ],
)
async def test_bad_requests(client: Client, spec: Obj, causes: list[str]) -> None:
    answer = await client("POST", CSRS, csr(**spec))
    assert (answer.status, answer.json()["reason"]) == (422, "Invalid")
    assert [cause["field"] for cause in answer.json()["details"]["causes"]] == causes


async def test_nobody_asks_for_masters_and_nobody_lies_about_who_asks(client: Client) -> None:
    refused = await client("POST", CSRS, csr(request=request("eve", "system:masters")))
    assert (refused.status, refused.message) == (
        403,
        'certificatesigningrequests.certificates.k8s.io "a" is forbidden: '
        "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed",
    )
    made = await client.ok("POST", CSRS, csr(username="faked", groups=["system:masters"], uid="x"))
    assert (made["spec"]["username"], made["spec"]["uid"]) == ("admin", "1")


@pytest.mark.parametrize(
    ("conditions", "wrong"),
    [
        pytest.param(
            [{**APPROVED, "status": "False"}], 'status.conditions[0].status: Unsupported value: "False"', id="no"
        ),
        pytest.param([{**APPROVED, "status": ""}], "status.conditions[0].status: Required value", id="no status"),
        pytest.param([{"status": "True"}], "status.conditions[0].type: Required value", id="no type"),
        pytest.param([APPROVED, APPROVED], 'status.conditions[1].type: Duplicate value: "Approved"', id="twice"),
        pytest.param(
            [APPROVED, DENIED],
            'status.conditions[1].type: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive',
            id="both",
        ),
    ],
)
async def test_bad_decisions(client: Client, conditions: list[Obj], wrong: str) -> None:
    await client.ok("POST", CSRS, csr())
    answer = await write(client, "approval", conditions=conditions)
    assert answer.status == 422
    assert wrong in answer.message


async def test_a_decision_is_made_by_approval_alone_and_stays(client: Client) -> None:
    """line 77."""
    await client.ok("POST", CSRS, csr())
    by_status = await write(client, "status", conditions=[APPROVED])
    assert by_status.message.endswith(
        'status.conditions: Forbidden: updates may not add a condition of type "Approved"'
    )
    free = {"type": "Anything", "status": "Unknown"}
    done = (await write(client, "approval", conditions=[free, APPROVED], certificate="eA==")).json()
    assert "certificate" not in done["status"]
    assert [c["type"] for c in done["status"]["conditions"]] == ["Anything", "Approved"]
    assert all(c["lastUpdateTime"] and c["lastTransitionTime"] for c in done["status"]["conditions"])
    for subresource in ("approval", "status"):
        gone = await write(client, subresource, conditions=[free])
        assert gone.message.endswith('Forbidden: updates may not remove a condition of type "Approved"')
    for subresource in ("approval", "status"):
        assert (await client.ok("GET", f"{CSRS}/a/{subresource}"))["status"] == done["status"]
    patch = {"status": {"conditions": [*done["status"]["conditions"], {"type": "Failed", "status": "True"}]}}
    media = "application/merge-patch+json"
    for subresource in ("status", "approval"):
        patched = await client("PATCH", f"{CSRS}/a/{subresource}", patch, media=media)
        assert (patched.status, patched.json()["status"]["conditions"][2]["type"]) == (200, "Failed")


async def test_a_certificate_is_written_once(client: Client) -> None:
    await client.ok("POST", CSRS, csr())
    for broken, why in (
        ("eA==", "must contain at least one CERTIFICATE PEM block"),
        (request("ann"), 'only CERTIFICATE PEM blocks are allowed, found "CERTIFICATE REQUEST"'),
    ):
        answer = await write(client, "status", certificate=broken)
        assert answer.message.endswith(f'status.certificate: Invalid value: "<certificate data>": {why}')
    first = certificate()
    assert (await write(client, "status", certificate=first)).json()["status"]["certificate"] == first
    changed = await write(client, "status", certificate=certificate())
    assert changed.message.endswith(
        "status.certificate: Forbidden: updates may not modify existing certificate content"
    )


RBAC = "/apis/rbac.authorization.k8s.io/v1"


async def test_a_signer_is_asked_for_by_its_name(client: Client) -> None:
    """line 80: the right to write approvals is not enough, there is one for each signer."""
    await client.ok("POST", CSRS, csr())
    parts = ["certificatesigningrequests/approval", "certificatesigningrequests/status"]
    whole = [{"verbs": ["*"], "apiGroups": ["certificates.k8s.io"], "resources": parts}]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "csrs"}}
    await client.ok("POST", f"{RBAC}/clusterroles", {**role, "rules": whole})
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "csrs"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "csrs"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ann"}],
    }
    await client.ok("POST", f"{RBAC}/clusterrolebindings", binding)
    await client.ok("GET", f"{RBAC}/clusterrolebindings/csrs")  # as new as the write, and so is what decides
    ann = client.acting_as("user-token")
    for subresource, status, verb in (
        ("approval", {"conditions": [APPROVED]}, "approve"),
        ("status", {"certificate": certificate()}, "sign"),
    ):
        refused = await write(ann, subresource, **status)
        assert (refused.status, refused.message) == (
            403,
            'certificatesigningrequests.certificates.k8s.io "a" is forbidden: '
            f'user not permitted to {verb} requests with signerName "{SIGNER}"',
        )
    signers = {
        "verbs": ["approve", "sign"],
        "apiGroups": ["certificates.k8s.io"],
        "resources": ["signers"],
        "resourceNames": ["kubernetes.io/*"],
    }
    await client.ok("PUT", f"{RBAC}/clusterroles/csrs", {**role, "rules": [*whole, signers]})
    await client.ok("GET", f"{RBAC}/clusterroles/csrs")
    assert (await write(ann, "approval", conditions=[APPROVED])).status == 200
    assert (await write(ann, "status", certificate=certificate())).status == 200
