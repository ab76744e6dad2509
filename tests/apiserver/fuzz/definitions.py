"""What a campaign makes first: a service account, and a custom resource with every sort of validation."""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]

_SCHEMA: Obj = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 100, "default": 3},
                "color": {"type": "string", "enum": ["red", "green"], "nullable": True},
                "host": {"type": "string", "format": "hostname", "maxLength": 63, "pattern": "^[a-z.]+$"},
                "since": {"type": "string", "format": "date-time"},
                "share": {"type": "number", "multipleOf": 0.25, "exclusiveMinimum": True, "minimum": 0},
                "port": {"x-kubernetes-int-or-string": True},
                "more": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "template": {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True},
                "parts": {
                    "type": "array",
                    "maxItems": 20,
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": {"type": "string", "maxLength": 20},
                            "count": {"type": "integer", "format": "int32"},
                            "tags": {
                                "type": "array", "maxItems": 9, "x-kubernetes-list-type": "set", "items": {"type": "string", "maxLength": 9}
                            },
                        },
                    },
                },
                "limits": {"type": "object", "maxProperties": 9, "additionalProperties": {"type": "string", "maxLength": 20}},
                "choice": {
                    "type": "object",
                    "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
                    "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
                },
            },
            "x-kubernetes-validations": [
                {"rule": "!has(self.color) || self.size < 50", "message": "colored ones are small"},
                {"rule": "self.size >= oldSelf.size", "message": "never shrinks"},
            ],
        },
        "status": {"type": "object", "properties": {"replicas": {"type": "integer"}, "selector": {"type": "string"}}},
    },
}  # fmt: skip
_VERSION: Obj = {
    "served": True,
    "schema": {"openAPIV3Schema": _SCHEMA},
    "subresources": {
        "status": {},
        "scale": {
            "specReplicasPath": ".spec.size",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        },
    },
    "additionalPrinterColumns": [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {"name": "Part", "type": "string", "jsonPath": ".spec.parts[?(@.count>1)].name"},
        {"name": "Since", "type": "date", "jsonPath": ".spec.since"},
    ],
    "selectableFields": [{"jsonPath": ".spec.color"}],
}
_WIDGETS: Obj = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.fuzz.example.com"},
    "spec": {
        "group": "fuzz.example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget", "categories": ["all"], "shortNames": ["wd"]},
        "versions": [{"name": "v1", "storage": True, **_VERSION}, {"name": "v2", "storage": False, **_VERSION}],
    },
}
_ACCOUNT: Obj = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}

DEFINITIONS: list[tuple[str, Obj]] = [
    ("/api/v1/namespaces/default/serviceaccounts", _ACCOUNT),
    ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", _WIDGETS),
]
