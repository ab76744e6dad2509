"""Kinds of the last releases: what their creation, change and status may say."""

from __future__ import annotations

import base64
import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pocketkube.api import scheme
from pocketkube.api.kinds import conditions
from pocketkube.api.kinds.certificates import _issued

Obj = dict[str, Any]
KINDS = scheme.builtin()
NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def pem(*, authority: bool = True, hours: float = 24, key: Any = KEY) -> str:
    name = x509.Name([])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(NOW).not_valid_after(NOW + timedelta(hours=hours))
    builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    from cryptography.hazmat.primitives.hashes import SHA256

    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


CA = pem()
LEAF = pem(authority=False)


def kind(plural: str) -> Any:
    return next(k for k in KINDS.kinds() if k.plural == plural and k.version == k.storage_version)


def faults(found: list[Any]) -> list[str]:
    return [f"{fault.field}: {fault.detail}" if fault.detail else fault.field for fault in found]


@pytest.mark.parametrize(
    ("bundle", "why"),
    [
        pytest.param(CA, "", id="one"),
        pytest.param(f"a comment\n{CA}", "", id="text between"),
        pytest.param("", "at least one trust anchor must be provided", id="empty"),
        pytest.param(CA + CA, "duplicate trust anchor (indices [0 1])", id="twice"),
        pytest.param(LEAF, "entry 0 does not have the CA bit set", id="no authority"),
        pytest.param(CA.replace("CERTIFICATE", "KEY"), "entry 0 has bad block type: KEY", id="type"),
        pytest.param(CA.replace("-----\n", "-----\nA: b\n\n", 1), "entry 0 has PEM block headers", id="headers"),
        pytest.param(
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
            "entry 0 does not parse as X.509",
            id="no certificate",
        ),
        pytest.param("x" * (1024 * 1024 + 1), "may not be more than 1048576 bytes", id="too long"),
    ],
)
def test_trust_bundles(bundle: str, why: str) -> None:
    obj = {"metadata": {"name": "a"}, "spec": {"trustBundle": bundle}}
    assert faults(kind("clustertrustbundles").validate(obj)) == ([f"spec.trustBundle: {why}"] if why else [])
    assert faults(kind("clustertrustbundles").validate_update(obj, obj)) == [], "what stays is not judged again"


def outcome(name: str, **more: Any) -> Obj:
    when = "2026-11-21T03:00:00Z"
    found = {"type": name, "status": "True", "reason": "R", "lastTransitionTime": when}
    return {"conditions": [{**found, **more}]}


def issued(**status: Any) -> Obj:
    times = {
        "notBefore": "2026-11-21T03:00:00Z",
        "notAfter": "2026-11-22T03:00:00Z",
        "beginRefreshAt": "2026-11-21T20:00:00Z",
    }
    return {**outcome("Issued"), "certificateChain": LEAF, **times, **status}


TERMINAL = "status: immutable after PodCertificateRequest is issued, denied, or failed"
CHAIN = "status.certificateChain: "


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param({}, {}, [], id="nothing"),
        pytest.param({}, issued(), [], id="issued"),
        pytest.param({}, outcome("Denied"), [], id="denied"),
        pytest.param(issued(), issued(), [], id="the same"),
        pytest.param(issued(), outcome("Failed"), [TERMINAL], id="final"),
        pytest.param({}, outcome("Ready"), ["status.conditions[0].type"], id="unknown condition"),
        pytest.param({}, outcome("Denied", status="False"), ["status.conditions[0].status"], id="not true"),
        pytest.param(
            {},
            {**outcome("Denied"), "notAfter": "2026-11-21T03:00:00Z"},
            ["status: non-condition status fields must be empty when denying or failing the PodCertificateRequest"],
            id="denied with more",
        ),
        pytest.param(
            {},
            {"notAfter": "2026-11-21T03:00:00Z"},
            ['status: status is immutable unless transitioning to "Issued", "Denied", or "Failed"'],
            id="no outcome",
        ),
        pytest.param(
            {},
            issued(certificateChain=""),
            [CHAIN + "issued certificate chain must contain at least one certificate"],
            id="no chain",
        ),
        pytest.param(
            {},
            issued(certificateChain=pem(key=ec.generate_private_key(ec.SECP256R1()))),
            [CHAIN + "leaf certificate was not issued to the requested public key"],
            id="another key",
        ),
        pytest.param(
            {},
            issued(notAfter=None),
            ["status.notAfter: must be present and consistent with the issued certificate"],
            id="no end",
        ),
        pytest.param(
            {},
            issued(notBefore="2026-11-21T03:00:01Z"),
            ["status.notBefore: must be set to the NotBefore time encoded in the leaf certificate"],
            id="another begin",
        ),
        pytest.param(
            {},
            issued(beginRefreshAt="2026-11-21T03:01:00Z"),
            ["status.beginRefreshAt: must be at least 10 minutes after status.notBefore"],
            id="early refresh",
        ),
        pytest.param(
            {},
            issued(certificateChain=pem(hours=0.5), notAfter="2026-11-21T03:30:00Z"),
            [CHAIN + "leaf certificate lifetime must be >= 1 hour"],
            id="too short",
        ),
        pytest.param(
            {},
            issued(certificateChain=pem(hours=48), notAfter="2026-11-23T03:00:00Z"),
            [CHAIN + "leaf certificate lifetime must be <= spec.maxExpirationSeconds (86400)"],
            id="too long",
        ),
    ],
)
def test_outcomes_of_pod_certificates(old: Obj, new: Obj, expected: list[str]) -> None:
    spec = {"pkixPublicKey": base64.b64encode(PUBLIC).decode(), "maxExpirationSeconds": 86400}
    found = _issued.validate_status({"spec": spec, "status": new}, {"spec": spec, "status": old}, now=NOW)
    assert [f.split(":")[0] if ".conditions" in f else f for f in faults(found)] == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({}, [], id="good"),
        pytest.param({"type": "a b"}, ["type"], id="type"),
        pytest.param({"status": "Maybe"}, ["status"], id="status"),
        pytest.param({"reason": ""}, ["reason"], id="no reason"),
        pytest.param({"reason": "not one"}, ["reason"], id="reason"),
        pytest.param({"lastTransitionTime": None}, ["lastTransitionTime"], id="no time"),
        pytest.param({"observedGeneration": -1}, ["observedGeneration"], id="generation"),
        pytest.param({"message": "x" * 32769}, ["message"], id="message"),
    ],
)
def test_conditions(change: Obj, expected: list[str]) -> None:
    good: Obj = outcome("Ready")["conditions"][0]
    assert [f.field for f in conditions.validate([{**good, **change}], "c")] == [f"c[0].{name}" for name in expected]
    assert [f.field for f in conditions.validate([good, good], "c")] == ["c[1].type"]


def migration(**status: Any) -> Obj:
    return {"metadata": {"name": "m"}, "spec": {"resource": {"resource": "pods"}}, "status": status}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param({}, {"resourceVersion": "5", **outcome("Running")}, [], id="running"),
        pytest.param(
            {"resourceVersion": "5"},
            {"resourceVersion": "6"},
            ["status.resourceVersion: cannot be updated"],
            id="version",
        ),
        pytest.param(
            {}, {"resourceVersion": "-1"}, ["status.resourceVersion: must be greater than or equal to 0"], id="negative"
        ),
        pytest.param(
            {},
            {"conditions": outcome("Succeeded")["conditions"] + outcome("Running")["conditions"]},
            ["status.conditions: Running condition cannot be true when success condition is true"],
            id="running and done",
        ),
        pytest.param(
            outcome("Failed"),
            {},
            ["status.conditions: Failed condition cannot be set to false once it is true"],
            id="no more failed",
        ),
    ],
)
def test_migrations(old: Obj, new: Obj, expected: list[str]) -> None:
    found = kind("storageversionmigrations").validate_status(migration(**new), migration(**old))
    assert faults(found) == expected


USER: Obj = {"resource": "pods", "name": "p", "uid": "u"}


@pytest.mark.parametrize(
    ("old", "new", "deleted", "expected"),
    [
        pytest.param({}, {"allocation": {}, "reservedFor": [USER]}, False, [], id="reserved"),
        pytest.param(
            {},
            {"reservedFor": [USER]},
            False,
            ["status.reservedFor: may not be specified when `allocated` is not set"],
            id="not allocated",
        ),
        pytest.param(
            {}, {"allocation": {}, "reservedFor": [USER, USER]}, False, ["status.reservedFor[1].uid"], id="twice"
        ),
        pytest.param(
            {},
            {"allocation": {}, "reservedFor": [{}]},
            False,
            [f"status.reservedFor[0].{name}" for name in ("resource", "name", "uid")],
            id="nobody",
        ),
        pytest.param(
            {"allocation": {}},
            {"allocation": {"devices": {}}},
            False,
            ["status.allocation: field is immutable"],
            id="allocated anew",
        ),
        pytest.param({"allocation": {}}, {}, False, [], id="given back"),
        pytest.param(
            {"allocation": {}},
            {"allocation": {}, "reservedFor": [USER]},
            True,
            [
                "status.reservedFor: new entries may not be added while "
                "`deallocationRequested` or `deletionTimestamp` are set"
            ],
            id="deleted",
        ),
    ],
)
def test_claims_of_devices(old: Obj, new: Obj, deleted: bool, expected: list[str]) -> None:
    metadata = {"name": "c", **({"deletionTimestamp": "2026-11-21T03:00:00Z"} if deleted else {})}
    check = kind("resourceclaims").validate_status
    assert faults(check({"metadata": metadata, "status": new}, {"metadata": metadata, "status": old})) == expected


CANDIDATE: Obj = {
    "leaseName": "l",
    "binaryVersion": "1.37.0",
    "emulationVersion": "1.36.0",
    "strategy": "OldestEmulationVersion",
}
SEMANTIC = "must be a valid semantic version"


@pytest.mark.parametrize(
    ("plural", "obj", "expected"),
    [
        pytest.param("leasecandidates", {"spec": CANDIDATE}, [], id="candidate"),
        pytest.param(
            "leasecandidates",
            {"spec": {**CANDIDATE, "binaryVersion": "1.37"}},
            [f"spec.binaryVersion: {SEMANTIC}"],
            id="version",
        ),
        pytest.param(
            "leasecandidates",
            {"spec": {**CANDIDATE, "binaryVersion": "1.35.0"}},
            ["spec.binaryVersion: must be greater than or equal to `emulationVersion`"],
            id="older than it behaves",
        ),
        pytest.param("leasecandidates", {"spec": {**CANDIDATE, "strategy": ""}}, ["spec.strategy"], id="no strategy"),
        pytest.param(
            "ipaddresses",
            {
                "metadata": {"name": "10.0.0.1"},
                "spec": {"parentRef": {"resource": "services", "name": "a", "namespace": "b"}},
            },
            [],
            id="address",
        ),
        pytest.param(
            "ipaddresses",
            {"metadata": {"name": "10.0.0.1"}, "spec": {"parentRef": {"resource": "a/b", "group": "A", "name": ".."}}},
            ["spec.parentRef.group", "spec.parentRef.resource", "spec.parentRef.name"],
            id="parent",
        ),
        pytest.param(
            "servicecidrs", {"spec": {"cidrs": ["10.0.0.0/8", "11.0.0.0/8"]}}, ["spec.cidrs"], id="one family"
        ),
        pytest.param(
            "servicecidrs",
            {"spec": {"cidrs": ["10.0.0.0/8", "fd00::/64", "fd01::/64"]}},
            ["spec.cidrs: may only hold up to 2 values"],
            id="three ranges",
        ),
        pytest.param(
            "volumeattributesclasses", {"driverName": "a b", "parameters": {"a": "b"}}, ["driverName"], id="driver"
        ),
    ],
)
def test_creation(plural: str, obj: Obj, expected: list[str]) -> None:
    found = kind(plural).validate(copy.deepcopy({"metadata": {"name": "a"}, **obj}))
    assert [text if text in expected else text.split(":")[0] for text in faults(found)] == expected


def test_classes_of_volume_attributes_stay() -> None:
    old = {"metadata": {"name": "a"}, "driverName": "a.b", "parameters": {"a": "b"}}
    new = {**old, "driverName": "c.d", "parameters": {}}
    assert faults(kind("volumeattributesclasses").validate_update(new, old)) == [
        "driverName: updates to driverName are forbidden.",
        "parameters: updates to parameters are forbidden.",
    ]
