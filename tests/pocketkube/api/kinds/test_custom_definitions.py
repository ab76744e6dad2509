"""What is wrong with a CustomResourceDefinition, in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from pocketkube.api.kinds.apiextensions.customresourcedefinition import KIND

Obj = dict[str, Any]

STRING: Obj = {"type": "string"}
ITEMS: Obj = {"type": "object", "required": ["n"], "properties": {"n": STRING, "m": STRING}}
RULES = "x-kubernetes-validations"
EMBEDDED: Obj = {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}
LABELS: Obj = {
    "type": "object",
    "additionalProperties": {"x-kubernetes-preserve-unknown-fields": True},
    "default": {"x": 1},
}


def definition(*versions: Obj, **spec: Any) -> Obj:
    return {
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "conversion": {"strategy": "None"},
            "versions": list(versions) or [version({"type": "object"})],
            **spec,
        },
    }


def version(schema: Obj | None, name: str = "v1", *, storage: bool = True, **more: Any) -> Obj:
    found = {"name": name, "served": True, "storage": storage, **more}
    return found if schema is None else {**found, "schema": {"openAPIV3Schema": schema}}


def told(obj: Obj) -> list[str]:
    assert KIND.validate is not None
    return [str(error) for error in KIND.validate(obj)]


def root(**prop: Any) -> Obj:
    return {"type": "object", "properties": {"f": prop}}


def ruled(*rules: Obj, **more: Any) -> Obj:
    return root(type="object", properties={"a": {"type": "integer"}, "s": STRING}, **{RULES: list(rules)}, **more)


S = "spec.validation.openAPIV3Schema"  # what all versions share
F = f"{S}.properties[f]"


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        pytest.param({"type": "object"}, [], id="bare"),
        pytest.param({}, [f"{S}.type: Required value: must not be empty at the root"], id="no-type"),
        pytest.param(
            {"type": "array", "items": STRING},
            [f'{S}.type: Invalid value: "array": must be object at the root'],
            id="array-root",
        ),
        pytest.param(
            {"type": "object", "nullable": True},
            [f"{S}.nullable: Forbidden: nullable cannot be true at the root"],
            id="nullable-root",
        ),
        pytest.param(
            {"type": "object", "additionalProperties": STRING},
            [f"{S}.additionalProperties: Forbidden: must not be used at the root"],
            id="map-root",
        ),
        pytest.param(
            root(), [f"{F}.type: Required value: must not be empty for specified object fields"], id="untyped"
        ),
        pytest.param(root(type="text"), [f'{F}.type: Unsupported value: "text": supported values'], id="unknown-type"),
        pytest.param(
            root(type="null"),
            [
                f"{F}.type: Forbidden: type cannot be set to null, use nullable as an alternative",
                f'{F}.type: Unsupported value: "null": supported values: "array", "boolean"',
            ],
            id="null-type",
        ),
        pytest.param(
            root(**{"$ref": "#/x", "type": "string"}), [f"{F}.$ref: Forbidden: $ref is not supported"], id="ref"
        ),
        pytest.param(
            root(type="string", pattern="("),
            [f'{F}.pattern: Invalid value: "(": must be a valid regular expression, but isn\'t: '],
            id="pattern",
        ),
        pytest.param(root(**{"x-kubernetes-preserve-unknown-fields": True}), [], id="open"),
        pytest.param(
            root(type="object", **{"x-kubernetes-preserve-unknown-fields": False}),
            [f"{F}.x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined"],
            id="not-open",
        ),
        pytest.param(root(**{"x-kubernetes-int-or-string": True}), [], id="int-or-string"),
        pytest.param(
            root(**{"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
            [],
            id="int-or-string-spelt",
        ),
        pytest.param(
            root(
                **{
                    "x-kubernetes-int-or-string": True,
                    "allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}]}, {"pattern": "x"}],
                }
            ),
            [],
            id="int-or-string-in-all-of",
        ),
        pytest.param(root(type="string", **{"x-kubernetes-int-or-string": True}), [], id="typed-int-or-string"),
        pytest.param(root(type="array"), [f"{F}.items: Required value: must be specified"], id="no-items"),
        pytest.param(
            root(type="array", items=[STRING]),
            [f"{F}.items: Forbidden: items must be a schema object and not an array"],
            id="tuple",
        ),
        pytest.param(
            root(type="array", items={}),
            [f"{F}.items.type: Required value: must not be empty for specified array items"],
            id="empty-items",
        ),
        pytest.param(
            root(type="array", items=STRING, uniqueItems=True),
            [f"{F}.uniqueItems: Forbidden: uniqueItems cannot be set to true"],
            id="unique",
        ),
        pytest.param(
            root(type="object", properties={"a": STRING}, additionalProperties=STRING),
            [f"{F}.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"],
            id="both-kinds-of-properties",
        ),
        pytest.param(
            root(type="string", anyOf=[{"type": "string"}]),
            [f"{F}.anyOf[0].type: Forbidden: must be empty to be structural"],
            id="type-in-junctor",
        ),
        pytest.param(
            root(type="string", allOf=[{"default": "x"}]),
            [f"{F}.allOf[0].default: Forbidden: must be undefined to be structural"],
            id="default-in-junctor",
        ),
        pytest.param(
            root(type="string", **{"not": {"nullable": True}}),
            [f"{F}.not.nullable: Forbidden: must be false to be structural"],
            id="nullable-in-not",
        ),
        pytest.param(
            root(type="object", oneOf=[{"properties": {"a": {"minimum": 1}}}]), [], id="field-only-in-a-junctor-below"
        ),
        pytest.param(
            {"type": "object", "oneOf": [{"properties": {"a": {"minimum": 1}}}]},
            [f"{S}.properties[a]: Required value: because it is defined in {S}.oneOf[0].properties[a]"],
            id="field-only-in-junctor",
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
            [f"{S}.properties[metadata]: Forbidden: must not specify anything other than name and generateName"],
            id="metadata",
        ),
        pytest.param(
            {
                "type": "object",
                "properties": {
                    "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 5}}}
                },
            },
            [],
            id="name-restricted",
        ),
        pytest.param(
            {"type": "object", "properties": {"kind": {"type": "integer"}}},
            [f'{S}.properties[kind].type: Invalid value: "integer": must be string'],
            id="kind",
        ),
        pytest.param(
            root(type="array", items=ITEMS, **{"x-kubernetes-list-type": "map"}),
            [f"{F}.x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map"],
            id="map-without-keys",
        ),
        pytest.param(
            root(type="array", items=ITEMS, **{"x-kubernetes-list-map-keys": ["n"]}),
            [f"{F}.x-kubernetes-list-type: Required value: must be map if x-kubernetes-list-map-keys is non-empty"],
            id="keys-without-map",
        ),
        pytest.param(
            root(
                type="array",
                items=ITEMS,
                **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n", "m", "z", "n"]},
            ),
            [
                f"{F}.items.properties[m].default: Required value: this property is in x-kubernetes-list-map-keys",
                f'{F}.x-kubernetes-list-map-keys: Invalid value: ["n","m","z","n"]: entries must all be names of item properties',
                f'{F}.x-kubernetes-list-map-keys: Invalid value: ["n","m","z","n"]: must not contain duplicate entries',
            ],
            id="map-keys",
        ),
        pytest.param(
            root(type="array", items={"type": "object"}, **{"x-kubernetes-list-type": "set"}),
            [
                f'{F}.items.x-kubernetes-map-type: Invalid value: "null": must be atomic as item of a list with x-kubernetes-list-type=set'
            ],
            id="set-of-objects",
        ),
        pytest.param(
            root(type="array", items={"type": "string", "nullable": True}, **{"x-kubernetes-list-type": "set"}),
            [f"{F}.items.nullable: Forbidden: cannot be nullable when x-kubernetes-list-type is set"],
            id="set-of-nulls",
        ),
        pytest.param(
            root(type="object", **{"x-kubernetes-list-type": "atomic"}),
            [f'{F}.type: Invalid value: "object": must be array if x-kubernetes-list-type is specified'],
            id="list-type-of-object",
        ),
        pytest.param(
            root(type="object", **{"x-kubernetes-embedded-resource": True}),
            [f"{F}.properties: Required value: must not be empty if x-kubernetes-embedded-resource is true"],
            id="embedded-without-fields",
        ),
        pytest.param(root(type="string", nullable=True, default="x", enum=["x"]), [], id="values"),
        pytest.param(
            root(type="integer", default="x"),
            [f'{F}.default: Invalid value: "string": {F}.default in body must be of type integer: "string"'],
            id="default-of-another-type",
        ),
        pytest.param(
            root(type="object", default={"x": 1}),
            [f'{F}.default: Invalid value: {{"x":1}}: must not have unknown fields'],
            id="default-not-pruned",
        ),
        pytest.param(
            root(**EMBEDDED, default={"apiVersion": "v1", "kind": "X", "metadata": {"name": "n", "unknown": 1}}),
            [],
            id="default-of-an-embedded-object",
        ),
        pytest.param(
            root(**EMBEDDED, properties={"metadata": {"type": "object", "default": {"name": "n", "unknown": 1}}}),
            [],
            id="default-of-embedded-metadata",
        ),
        pytest.param(
            root(**EMBEDDED, default={"apiVersion": "v1", "kind": "X", "metadata": {"name": 5}}),
            [
                f'{F}.default: Invalid value: {{"apiVersion":"v1","kind":"X","metadata":{{"name":5}}}}: '
                "json: cannot unmarshal number into Go struct field ObjectMeta.name of type string"
            ],
            id="default-with-wrong-metadata",
        ),
        pytest.param(
            root(**EMBEDDED, properties={"metadata": {"type": "object", "properties": {"labels": LABELS}}}),
            [
                f'{F}.properties[metadata].properties[labels].default: Invalid value: {{"x":1}}: must result in valid '
                "metadata: json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string"
            ],
            id="default-of-wrong-labels",
        ),
        pytest.param(
            root(**EMBEDDED, properties={"kind": {"type": "string", "default": ""}}),
            [
                f'{F}.properties[kind].default: Invalid value: "": must result in valid metadata: '
                'kind: Invalid value: "": must not be empty'
            ],
            id="default-of-an-empty-kind",
        ),
        pytest.param(
            root(**{"type": "array", "items": STRING, "not": {"items": [{"minLength": 1}]}}),
            [f"{F}.not.items: Forbidden: items must be a schema object and not an array"],
            id="several-items-in-a-junctor",
        ),
        pytest.param(
            {"type": "object", "properties": {"metadata": {"type": "object", "default": {}}}},
            [f"{S}.properties[metadata].default: Forbidden: must not be set in top-level metadata"],
            id="default-of-metadata",
        ),
    ],
)
def test_schemas(raw: Obj, found: list[str]) -> None:
    errors = sorted(told(definition(version(raw))))
    assert len(errors) == len(found), errors
    assert all(error.startswith(expected) for error, expected in zip(errors, found, strict=True)), errors


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        pytest.param(ruled({"rule": "self.a > 1"}), [], id="good"),
        pytest.param(ruled({"rule": " "}), ["[0].rule: Required value: rule is not specified"], id="empty"),
        pytest.param(
            ruled({"rule": "self.b > 1"}),
            [
                "[0].rule: Invalid value: \"self.b > 1\": compilation failed: ERROR: <input>:1:5: undefined field 'b'\n"
                " | self.b > 1\n | ....^"
            ],
            id="undefined-field",
        ),
        pytest.param(
            ruled({"rule": "self.a == 's'"}),
            [
                "[0].rule: Invalid value: \"self.a == 's'\": compilation failed: ERROR: <input>:1:8: "
                "found no matching overload for '_==_' applied to '(int, string)'"
            ],
            id="types",
        ),
        pytest.param(
            ruled({"rule": "self.a >"}),
            ['[0].rule: Invalid value: "self.a >": compilation failed: ERROR: <input>:1:9: Syntax error: '],
            id="syntax",
        ),
        pytest.param(
            ruled({"rule": "self.a"}), ['[0].rule: Invalid value: "self.a": must evaluate to a bool'], id="no-bool"
        ),
        pytest.param(
            ruled({"rule": "self.a > 1", "messageExpression": "self.a"}),
            ['[0].messageExpression: Invalid value: "self.a": messageExpression must evaluate to a string'],
            id="no-string",
        ),
        pytest.param(
            ruled({"rule": "self.a > 1 &&\nself.a < 5"}),
            ["[0].message: Required value: message must be specified if rule contains line breaks"],
            id="lines-without-message",
        ),
        pytest.param(
            ruled({"rule": "self.a > 1", "message": "a\nb"}),
            ['[0].message: Invalid value: "a\\nb": message must not contain line breaks'],
            id="message-of-lines",
        ),
        pytest.param(
            ruled({"rule": "self.a > 1", "reason": "Bad"}),
            ['[0].reason: Unsupported value: "Bad": supported values: "FieldValueDuplicate"'],
            id="reason",
        ),
        pytest.param(
            ruled({"rule": "self.a > 1", "fieldPath": ".z"}),
            ['[0].fieldPath: Invalid value: ".z": fieldPath must be a valid path: does not refer to a valid field'],
            id="path",
        ),
        pytest.param(
            ruled({"rule": "self.a > 1", "optionalOldSelf": True}),
            ["[0].optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule"],
            id="optional-without-old",
        ),
        pytest.param(ruled({"rule": "self.s.matches('^(a|b)*$')"}), [], id="costs-little-enough"),
    ],
)
def test_rules(raw: Obj, found: list[str]) -> None:
    errors = told(definition(version(raw)))
    assert len(errors) == len(found), errors
    for error, expected in zip(errors, found, strict=True):
        assert error.startswith(f"{F}.{RULES}{expected}"), error


def test_rules_in_lists() -> None:
    """Old items of plain lists cannot be told, and rules over what has no limits may cost too much."""
    items = {"type": "string", RULES: [{"rule": "self == oldSelf"}]}
    errors = told(definition(version(root(type="array", items=items))))
    assert (
        f"{F}.items.{RULES}[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x"
        in errors[0]
    )
    assert errors[1].endswith("oldSelf cannot be used on the uncorrelatable portion of the schema")
    assert "estimated rule cost total for entire OpenAPIv3 schema exceeds budget" in errors[2]
    bounded = {"type": "string", "maxLength": 10, RULES: [{"rule": "self.contains('a')"}]}
    assert told(definition(version(root(type="array", items=bounded, maxItems=10)))) == []


def test_rules_are_not_allowed_in_junctors() -> None:
    raw = root(type="string", anyOf=[{RULES: [{"rule": "true"}]}])
    assert told(definition(version(raw))) == [f"{F}.anyOf[0].{RULES}: Forbidden: must be empty to be structural"]


@pytest.mark.parametrize(
    ("obj", "found"),
    [
        pytest.param(
            definition(version(None)),
            ["spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required"],
            id="no-schema",
        ),
        pytest.param(
            definition(version({"type": "object"}), version({"type": "object"}, "v2")),
            ["spec.versions: Invalid value: "],
            id="two-stored",
        ),
        pytest.param(
            definition(version({"type": "object"}), version({"type": "object"}, storage=False)),
            ["spec.versions: Invalid value: "],
            id="two-of-a-name",
        ),
        pytest.param(
            definition(group="example"),
            [
                'metadata.name: Invalid value: "widgets.example.com": must be spec.names.plural+"."+spec.group',
                'spec.group: Invalid value: "example": should be a domain with at least one dot',
            ],
            id="group",
        ),
        pytest.param(
            definition(preserveUnknownFields=True),
            ["spec.preserveUnknownFields: Invalid value: true: cannot set to true"],
            id="preserve",
        ),
        pytest.param(
            definition(
                version(
                    {"type": "object"}, additionalPrinterColumns=[{"name": "A", "type": "date", "jsonPath": "spec"}]
                )
            ),
            ['spec.additionalPrinterColumns[0].jsonPath: Invalid value: "spec"'],
            id="column",
        ),
        pytest.param(
            definition(
                version(
                    {"type": "object"},
                    subresources={"scale": {"specReplicasPath": ".replicas", "statusReplicasPath": ".status.replicas"}},
                )
            ),
            ['spec.subresources.scale.specReplicasPath: Invalid value: ".replicas": should be a json path under .spec'],
            id="scale",
        ),
        pytest.param(
            definition(version(root(type="string"), selectableFields=[{"jsonPath": ".f"}])), [], id="selectable"
        ),
        pytest.param(
            definition(version(root(type="string"), selectableFields=[{"jsonPath": ".g"}])),
            ['spec.versions[0].selectableFields[0].jsonPath: Invalid value: ".g": does not refer to a valid field'],
            id="selectable-unknown",
        ),
        pytest.param(
            definition(version(root(type="object"), selectableFields=[{"jsonPath": ".f"}])),
            [
                'spec.versions[0].selectableFields[0].jsonPath: Invalid value: ".f": must point to a field of type string'
            ],
            id="selectable-object",
        ),
        pytest.param(
            definition(version(root(type="string"), selectableFields=[{"jsonPath": ".f"}, {"jsonPath": ".f"}])),
            ['spec.versions[0].selectableFields[1].jsonPath: Duplicate value: ".f"'],
            id="selectable-twice",
        ),
        pytest.param(
            definition(version({"type": "object"}, deprecationWarning="x")),
            ['spec.versions[0].deprecationWarning: Invalid value: "x": can only be set for deprecated versions'],
            id="warning-of-no-deprecation",
        ),
        pytest.param(
            definition(
                conversion={"strategy": "Webhook", "webhook": {"clientConfig": {}, "conversionReviewVersions": ["v1"]}}
            ),
            ["spec.conversion.webhookClientConfig: Required value: exactly one of url or service is required"],
            id="webhook-nowhere",
        ),
        pytest.param(
            definition(
                conversion={
                    "strategy": "Webhook",
                    "webhook": {"clientConfig": {"url": "https://x.example/"}, "conversionReviewVersions": ["v9"]},
                }
            ),
            [
                'spec.conversion.conversionReviewVersions: Invalid value: ["v9"]: must include at least one of v1, v1beta1'
            ],
            id="webhook-versions",
        ),
        pytest.param(
            definition(conversion={"strategy": "Webhook"}),
            [
                "spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook",
                "spec.conversion.conversionReviewVersions: Required value",
            ],
            id="webhook-without-any",
        ),
        pytest.param(
            definition(version({"type": "object", "anyOf": [{"required": ["a"]}]}, subresources={"status": {}})),
            ["spec.validation.openAPIV3Schema: Invalid value: "],
            id="root-beside-status",
        ),
    ],
)
def test_definitions(obj: Obj, found: list[str]) -> None:
    errors = told(obj)
    assert len(errors) == len(found), errors
    assert all(error.startswith(expected) for error, expected in zip(errors, found, strict=True)), errors
