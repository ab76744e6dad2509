"""Which fields of built-in kinds are there although they are zero: what Go's types say and the published schemas do not.

Upstream's objects are Go structs: what a client writes is read into them and written anew. A field that is marked to be
left out when empty goes where it is zero, unless it is a pointer: those tell zero from absent. A field that is not marked,
and a struct held by value, is always there. `presence.json` was read out of upstream's own binary by
`apiserver.protobuf.extract`: definition -> the names of fields that stay when they are zero, with "!" those always there.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import cast

import orjson

_APART = {  # of packages that are not in that binary
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.": {
        "CustomResourceColumnDefinition": "name! type! jsonPath!",
        "CustomResourceConversion": "strategy!",
        "CustomResourceDefinition": "metadata! spec! status!",
        "CustomResourceDefinitionCondition": "type! status! lastTransitionTime!",
        "CustomResourceDefinitionNames": "plural! kind!",
        "CustomResourceDefinitionSpec": "group! names! scope! versions",
        "CustomResourceDefinitionStatus": "conditions acceptedNames! storedVersions",
        "CustomResourceDefinitionVersion": "name! served! storage! deprecationWarning",
        "CustomResourceSubresourceScale": "specReplicasPath! statusReplicasPath! labelSelectorPath",
        "JSONSchemaProps": "$ref maximum minimum maxLength minLength maxItems minItems multipleOf maxProperties minProperties "
        "x-kubernetes-preserve-unknown-fields x-kubernetes-list-type x-kubernetes-map-type",
        "SelectableField": "jsonPath!",
        "ServiceReference": "namespace! name! path port",
        "ValidationRule": "rule! reason optionalOldSelf",
        "WebhookClientConfig": "url",
        "WebhookConversion": "conversionReviewVersions",
    },
    "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.": {
        "APIService": "metadata! spec! status!",
        "APIServiceCondition": "type! status! lastTransitionTime!",
        "APIServiceSpec": "groupPriorityMinimum! versionPriority!",
        "ServiceReference": "port",
    },
}


@cache
def _table() -> dict[str, str]:
    found = cast(dict[str, str], orjson.loads(Path(__file__).with_name("presence.json").read_bytes()))
    apart = {prefix + name: fields for prefix, types in _APART.items() for name, fields in types.items()}
    return found | apart


def of(definition: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """(fields that stay when they are zero, fields always there) of a definition; none for one without such fields.

    Versions that are no longer published are as their successors."""
    fields = _table().get(definition) or _table().get(definition.replace(".v1beta1.", ".v1.")) or ""
    names = fields.split()
    return frozenset(name.rstrip("!") for name in names), tuple(name[:-1] for name in names if name[-1] == "!")
