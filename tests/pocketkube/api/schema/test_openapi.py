"""Published documents: plain types, references that resolve, custom resources by the rules for publishing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pocketkube.api.schema import Schema, openapi

Obj = dict[str, Any]


def walk(value: Any) -> Iterator[Obj]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from walk(item)
    elif isinstance(value, list):
        for item in value:
            yield from walk(item)


@pytest.mark.parametrize(
    ("render", "prefix"), [(openapi.definitions_v2, openapi.V2), (openapi.components_v3, openapi.V3)]
)
def test_every_reference_resolves_and_every_type_is_plain(render: Any, prefix: str) -> None:
    document = render()
    for node in walk(list(document.values())):
        ref = node.get("$ref")
        if isinstance(ref, str):
            assert ref.removeprefix(prefix) in document
        type_ = node.get("type")
        assert not isinstance(type_, list)


def test_special_types() -> None:
    quantity, either = (
        "io.k8s.apimachinery.pkg.api.resource.Quantity",
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
    )
    two, three = openapi.definitions_v2([quantity, either]), openapi.components_v3([quantity, either])
    assert two[quantity]["type"] == "string" and two[either]["format"] == "int-or-string"
    assert three[quantity]["oneOf"] == [{"type": "string"}, {"type": "number"}]


def test_a_kind_is_rendered_with_its_extensions() -> None:
    document = openapi.components_v3(["io.k8s.api.core.v1.Pod"])
    pod = document["io.k8s.api.core.v1.Pod"]
    assert pod["x-kubernetes-group-version-kind"] == [{"group": "", "kind": "Pod", "version": "v1"}]
    assert "enum" not in pod["properties"]["kind"] and pod["properties"]["kind"]["type"] == "string"
    assert pod["properties"]["spec"]["allOf"] == [{"$ref": "#/components/schemas/io.k8s.api.core.v1.PodSpec"}]
    containers = document["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name" and containers["type"] == "array"
    assert "io.k8s.api.apps.v1.Deployment" not in document
    assert Schema.of("io.k8s.api.core.v1.Pod").openapi_v3() == pod


def test_custom_resources() -> None:
    raw: Obj = {
        "type": "object",
        "properties": {
            "n": {"type": "string", "nullable": True, "default": "x"},
            "i": {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True},
            "p": {
                "type": "object",
                "x-kubernetes-preserve-unknown-fields": True,
                "properties": {"a": {"type": "string"}},
            },
            "f": {"type": "object", "x-kubernetes-preserve-unknown-fields": False},
        },
    }
    assert openapi.v2(raw, custom=True)["properties"] == {
        "n": {},
        "i": {"x-kubernetes-int-or-string": True},
        "p": {"x-kubernetes-preserve-unknown-fields": True},
        "f": {"type": "object"},
    }
    three = openapi.v3(raw, custom=True)["properties"]
    assert three["n"] == {"type": "string", "nullable": True, "default": "x"} and three["f"] == {"type": "object"}
    assert Schema.from_openapi(raw).openapi_v3() == openapi.v3(raw, custom=True)
    assert Schema.from_openapi({}).openapi_v2() == {"type": "object"}
