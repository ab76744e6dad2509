"""What keeps a CRD's schema from being structural."""

from __future__ import annotations

from typing import Any

import pytest

from pocketkube.api.schema.structure import violations

Obj = dict[str, Any]

STRING: Obj = {"type": "string"}


def root(**prop: Any) -> Obj:
    return {"type": "object", "properties": {"f": prop}}


ITEMS: Obj = {"type": "object", "required": ["n"], "properties": {"n": STRING, "m": STRING}}


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        pytest.param({"type": "object"}, [], id="bare"),
        pytest.param({}, ["s.type: Required value: must not be empty at the root"], id="no-type"),
        pytest.param(
            {"type": "array", "items": STRING},
            ['s.type: Invalid value: "array": must be object at the root'],
            id="array-root",
        ),
        pytest.param(
            root(),
            ["s.properties[f].type: Required value: must not be empty for specified object fields"],
            id="untyped",
        ),
        pytest.param(root(type="text"), ['s.properties[f].type: Unsupported value: "text"'], id="unknown-type"),
        pytest.param(root(**{"x-kubernetes-preserve-unknown-fields": True}), [], id="open"),
        pytest.param(root(**{"x-kubernetes-int-or-string": True}), [], id="int-or-string"),
        pytest.param(
            root(**{"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
            [],
            id="int-or-string-spelt",
        ),
        pytest.param(root(type="array"), ["s.properties[f].items: Required value: must be specified"], id="no-items"),
        pytest.param(
            root(type="array", items={}),
            ["s.properties[f].items.type: Required value: must not be empty for specified array items"],
            id="empty-items",
        ),
        pytest.param(
            root(type="array", items=STRING, uniqueItems=True), ["s.properties[f].uniqueItems: Forbidden"], id="unique"
        ),
        pytest.param(
            root(type="object", properties={"a": STRING}, additionalProperties=STRING),
            [
                "s.properties[f].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"
            ],
            id="both-kinds-of-properties",
        ),
        pytest.param(
            root(type="string", anyOf=[{"type": "string"}]),
            ["s.properties[f].anyOf[0].type: Forbidden: must be empty to be structural"],
            id="type-in-junction",
        ),
        pytest.param(
            root(type="object", oneOf=[{"properties": {"a": {"minimum": 1}}}]),
            ["s.properties[f].oneOf[0].properties[a]: Required value: because it is defined in"],
            id="field-only-in-junction",
        ),
        pytest.param(
            root(type="object", properties={"a": STRING}, oneOf=[{"properties": {"a": {"minLength": 1}}}]),
            [],
            id="narrowing",
        ),
        pytest.param(
            {
                "type": "object",
                "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}},
            },
            ["s.properties[metadata]: Forbidden: must not specify anything other than name and generateName"],
            id="metadata",
        ),
        pytest.param(
            root(type="array", items=ITEMS, **{"x-kubernetes-list-type": "map"}),
            [
                "s.properties[f].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map"
            ],
            id="map-without-keys",
        ),
        pytest.param(
            root(
                type="array",
                items=ITEMS,
                **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n", "m", "z", "n"]},
            ),
            [
                "s.properties[f].items.properties[m].default: Required value: this property is in x-kubernetes-list-map-keys",
                's.properties[f].x-kubernetes-list-map-keys[2]: Invalid value: "z": entries must all be names of item properties',
                's.properties[f].x-kubernetes-list-map-keys[3]: Invalid value: "n": must be unique',
            ],
            id="map-keys",
        ),
        pytest.param(
            root(type="object", **{"x-kubernetes-embedded-resource": True}),
            ["s.properties[f].properties: Required value: must not be empty if x-kubernetes-embedded-resource is true"],
            id="embedded-without-fields",
        ),
        pytest.param(root(type="string", nullable=True, default="x", enum=["x"]), [], id="values"),
    ],
)
def test_violations(raw: Obj, found: list[str]) -> None:
    errors = [str(e) for e in violations(raw, "s")]
    assert len(errors) == len(found)
    assert all(error.startswith(expected) for error, expected in zip(errors, found, strict=True)), errors
