"""Protobuf bodies: what kubectl sends is read as its JSON would be."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.protobuf import wire
from pocketkube.api.meta.errors import BadRequest
from tests.apiserver.server import Client
from tests.apiserver.test_custom import CRDS, WIDGETS, condition, crd

MEDIA = "application/vnd.kubernetes.protobuf"
POD = "io.k8s.api.core.v1.Pod"


def number(value: int) -> bytes:
    out = bytearray()
    value &= (1 << 64) - 1
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(at: int, value: Any) -> bytes:
    if isinstance(value, int):
        return number(at << 3) + number(value)
    data = value.encode() if isinstance(value, str) else value
    return number(at << 3 | 2) + number(len(data)) + data


def message(**fields: Any) -> bytes:
    """Fields by `f1`, `f2`; a list repeats one."""
    parts = [(int(name[1:]), value) for name, value in fields.items()]
    return b"".join(field(at, v) for at, value in parts for v in (value if isinstance(value, list) else [value]))


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    return b"k8s\x00" + message(f1=message(f1=api_version, f2=kind), f2=raw)


METADATA = message(f1="web", f2="", f3="default", f7=0, f8=b"", f11=[message(f1="app", f2="x")])


@pytest.mark.parametrize(
    ("definition", "raw", "expected"),
    [
        pytest.param(
            POD, message(f1=METADATA), {"metadata": {"name": "web", "namespace": "default", "labels": {"app": "x"}}}, id="metadata"
        ),
        pytest.param(
            POD,
            message(f2=message(f2=[message(f1="c", f2="busybox", f3=["sleep", "1"])], f4=30, f21=0, f11=0)),
            {"spec": {
                "containers": [{"name": "c", "image": "busybox", "command": ["sleep", "1"]}],
                "terminationGracePeriodSeconds": 30,
                "automountServiceAccountToken": False,
            }},
            id="zero is kept behind a pointer alone",
        ),
        pytest.param(
            POD,
            message(f2=message(f1=[message(f1="v", f2=message(f2=message(f1="Memory")))])),
            {"spec": {"volumes": [{"name": "v", "emptyDir": {"medium": "Memory"}}]}},
            id="inlined",
        ),
        pytest.param(
            "io.k8s.api.core.v1.Secret", message(f2=[message(f1="k", f2=b"\x00\xff")]), {"data": {"k": "AP8="}}, id="bytes"
        ),
        pytest.param(
            "io.k8s.api.core.v1.ResourceRequirements",
            message(f1=[message(f1="cpu", f2=message(f1="100m"))]),
            {"limits": {"cpu": "100m"}},
            id="quantity",
        ),
        pytest.param(
            "io.k8s.api.core.v1.ServicePort",
            message(f3=80, f4=message(f1=1, f2=0, f3="http")),
            {"port": 80, "targetPort": "http"},
            id="name or number",
        ),
        pytest.param(
            "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
            message(f8=message(f1=1_700_000_000, f2=0)),
            {"creationTimestamp": "2023-11-14T22:13:20Z"},
            id="time",
        ),
        pytest.param(
            "io.k8s.api.core.v1.Toleration", message(f5=-1 & (1 << 64) - 1), {"tolerationSeconds": -1}, id="negative"
        ),
        pytest.param("io.k8s.api.core.v1.Pod", message(f99="new"), {}, id="unknown field"),
        pytest.param(
            "io.k8s.api.discovery.v1beta1.EndpointSlice",
            message(f2=[message(f1=["10.0.0.1"], f5=message(f1="zone", f2="z"))]),
            {"endpoints": [{"addresses": ["10.0.0.1"], "topology": {"zone": "z"}}]},
            id="a version that is no more",
        ),
    ],
)  # fmt: skip
def test_messages(definition: str, raw: bytes, expected: Any) -> None:
    assert wire.decode(envelope("v1", "X", raw), definition) == {"apiVersion": "v1", "kind": "X", **expected}


@pytest.mark.parametrize(
    "body",
    [b"", b"k8s", b"{}", b"k8s\x00\xff", envelope("v1", "Pod", b"\x0a\xff\xff"), b"k8s\x00" + struct.pack("<Q", 2**63)],
)
def test_broken_messages(body: bytes) -> None:
    with pytest.raises(BadRequest):
        wire.decode(body, POD)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_break_it(raw: bytes) -> None:
    with contextlib.suppress(BadRequest):
        wire.decode(envelope("v1", "Pod", raw), POD)


async def test_create_by_protobuf(client: Client) -> None:
    """line 20: a body in protobuf's envelope."""
    raw = message(f1=message(f1="made", f2="", f3=""), f2=[message(f1="a", f2="1")])
    answer = await client(
        "POST", "/api/v1/namespaces/default/configmaps", envelope("v1", "ConfigMap", raw), media=MEDIA
    )
    assert (answer.status, answer.json()["data"]) == (201, {"a": "1"})
    other = await client("POST", "/api/v1/namespaces/default/configmaps", envelope("v1", "Secret", raw), media=MEDIA)
    assert other.status == 400


SCHEMA = message(
    f5="object",
    f23="size",
    f29=[
        message(f1="size", f2=message(f5="integer", f8=message(f1=b"3"), f9=struct.pack("<d", 5.0), f11=struct.pack("<d", 0.5))),
        message(f1="kind", f2=message(f5="string", f20=[message(f1=b'"a"'), message(f1=b'"b"')])),
        message(f1="more", f2=message(f5="object", f30=message(f1=0, f2=message(f5="string")))),
        message(f1="all", f2=message(f5="object", f30=message(f1=1))),
        message(f1="list", f2=message(f5="array", f24=message(f1=message(f5="string")), f42="set")),
        message(f1="any", f2=message(f38=1)),
        message(f1="cel", f2=message(f5="string", f44=message(f1="self != ''", f2="say it"))),
    ],
)  # fmt: skip


async def test_a_definition_by_protobuf(client: Client) -> None:
    names = message(f1="widgets", f2="widget", f4="Widget", f5="WidgetList")
    version = message(f1="v1", f2=1, f3=1, f4=message(f1=message(f5="object", f29=message(f1="spec", f2=SCHEMA))))
    spec = message(f1="example.com", f3=names, f4="Namespaced", f7=version)
    raw = message(f1=message(f1="widgets.example.com"), f2=spec)
    answer = await client(
        "POST", CRDS, envelope("apiextensions.k8s.io/v1", "CustomResourceDefinition", raw), media=MEDIA
    )
    assert answer.status == 201, answer.body
    made = answer.json()["spec"]
    assert made["names"]["kind"] == "Widget"
    schema = made["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert schema["required"] == ["size"]
    assert schema["properties"] == {
        "size": {"type": "integer", "default": 3, "maximum": 5, "minimum": 0.5},
        "kind": {"type": "string", "enum": ["a", "b"]},
        "more": {"type": "object", "additionalProperties": {"type": "string"}},
        "all": {"type": "object", "additionalProperties": True},
        "list": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "any": {"x-kubernetes-preserve-unknown-fields": True},
        "cel": {"type": "string", "x-kubernetes-validations": [{"rule": "self != ''", "message": "say it"}]},
    }


async def test_a_custom_kind_has_no_protobuf(client: Client) -> None:
    await client.ok("POST", CRDS, crd())
    await condition(client, "widgets.example.com", "Established")
    answer = await client("POST", WIDGETS, envelope("example.com/v1", "Widget", b""), media=MEDIA)
    assert answer.status == 415


def test_a_message_without_fields() -> None:
    """That it is there is all that it says."""
    assert wire._message(message(f1=1), "io.k8s.api.scheduling.v1beta1.BasicSchedulingPolicy", 0) == {}
