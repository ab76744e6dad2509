"""Checks of a CRD: its names, versions, schemas, conversion, columns and subresources."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pocketkube.api.kinds import checks, webhooks
from pocketkube.api.kinds.apiextensions.customresourcedefinition import defaults, expressions, structural
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.meta import field, names
from pocketkube.api.schema import paths

Obj = dict[str, Any]

_COLUMN_TYPES = ["boolean", "date", "integer", "number", "string"]
_COLUMN_FORMATS = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"]
_PATH = re.compile(r"(\.[A-Za-z_][-\w]*|\[['\"][^'\"]+['\"]\])+").fullmatch
_MOST_SELECTABLE = 8
_SHARED = ("schema", "subresources")
# As messages name what may stand at the root of a schema beside a status -> as schemas do.
_AT_ROOT = {
    "Description": "description", "Type": "type", "Format": "format", "Title": "title", "Maximum": "maximum",
    "ExclusiveMaximum": "exclusiveMaximum", "Minimum": "minimum", "ExclusiveMinimum": "exclusiveMinimum",
    "MaxLength": "maxLength", "MinLength": "minLength", "Pattern": "pattern", "MaxItems": "maxItems", "MinItems": "minItems",
    "UniqueItems": "uniqueItems", "MultipleOf": "multipleOf", "Required": "required", "Items": "items",
    "Properties": "properties", "ExternalDocs": "externalDocs", "Example": "example",
    "XPreserveUnknownFields": "x-kubernetes-preserve-unknown-fields", "XValidations": "x-kubernetes-validations",
}  # fmt: skip
PROTECTED = ("k8s.io", "kubernetes.io")
APPROVED = "api-approved.kubernetes.io"
_WHY_APPROVED = "https://github.com/kubernetes/enhancements/pull/1111"


def validate(obj: Obj) -> Errors:
    spec, name = obj["spec"], obj["metadata"].get("name", "")
    group, plural = spec.get("group", ""), (spec.get("names") or {}).get("plural", "")
    wrong: Errors = []
    if name != f"{plural}.{group}":
        wrong.append(field.invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group'))
    return wrong + _approved(obj, group) + validate_spec(spec)


def _approved(obj: Obj, group: str) -> Errors:
    """Groups below k8s.io belong to the community."""
    if not any(group == domain or group.endswith(f".{domain}") for domain in PROTECTED):
        return []
    value = (obj["metadata"].get("annotations") or {}).get(APPROVED, "")
    if value.startswith(("unapproved", "https://", "http://")):
        return []
    path = f"metadata.annotations[{APPROVED}]"
    return [
        field.invalid(path, value, approval_needed(value)) if value else field.required(path, approval_needed(value))
    ]


def approval_needed(value: str) -> str:
    """What is wrong with an annotation that approves nothing."""
    needed = f'protected groups must have approval annotation "{APPROVED}"'
    how = ' with either a URL or a reason starting with "unapproved"' if value else ""
    return f"{needed}{how}, see {_WHY_APPROVED}"


def validate_spec(spec: Obj, known: Sequence[Obj] = ()) -> Errors:
    """`known`: schemas that are stored already."""
    group = spec.get("group", "")
    wrong: Errors = []
    if not group:
        wrong.append(field.required("spec.group"))
    elif faults := checks.dns_subdomain(group):
        wrong += [field.invalid("spec.group", group, why) for why in faults]
    elif "." not in group:
        wrong.append(field.invalid("spec.group", group, "should be a domain with at least one dot"))
    wrong += checks.one_of("spec.scope", spec.get("scope"), ["Cluster", "Namespaced"])
    wrong += _versions(spec.get("versions") or [], list(known))
    wrong += _names(spec.get("names") or {}, "spec.names")
    if spec.get("preserveUnknownFields"):
        why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        wrong.append(field.invalid("spec.preserveUnknownFields", True, why))
    return wrong + _conversion(spec.get("conversion") or {}, "spec.conversion")


def _names(found: Obj, path: str) -> Errors:
    wrong: Errors = []
    for name in ("plural", "singular", "kind", "listKind"):
        value = found.get(name, "")
        if not value:
            if name != "singular":
                wrong.append(field.required(f"{path}.{name}"))
            continue
        wrong += [field.invalid(f"{path}.{name}", value, why) for why in names.is_dns1035(value.lower())]
    for name in ("shortNames", "categories"):
        for at, value in enumerate(found.get(name) or ()):
            wrong += [field.invalid(f"{path}.{name}[{at}]", value, why) for why in names.is_dns1035(value)]
    if found.get("kind") and found.get("kind") == found.get("listKind"):
        why = "kind and listKind may not be the same"
        wrong.append(field.invalid(f"{path}.listKind", found["listKind"], why))
    return wrong


def _versions(versions: list[Obj], known: list[Obj]) -> Errors:
    wrong: Errors = []
    if len({version.get("name", "") for version in versions}) < len(versions):
        wrong.append(field.invalid("spec.versions", versions, "must contain unique version names"))
    for at, version in enumerate(versions):
        wrong += _version(version, f"spec.versions[{at}]")
    for name, place, check in (
        ("schema", "validation", lambda schema, path: _schema(schema, path, known)),
        ("additionalPrinterColumns", "additionalPrinterColumns", _columns),
        ("subresources", "subresources", _subresources),
    ):
        # What all versions share is told of once, as if it were said of all.
        if all(version.get(name) == versions[0].get(name) for version in versions):
            wrong += check(versions[0].get(name), f"spec.{place}") if versions else []
        else:
            for at, version in enumerate(versions):
                wrong += check(version.get(name), f"spec.versions[{at}].{name}")
    wrong += _beside_status(versions, known)
    stored = [version for version in versions if version.get("storage")]
    if len(stored) != 1:
        why = "must have exactly one version marked as storage version"
        wrong.append(field.invalid("spec.versions", versions, why))
    return wrong


def _beside_status(versions: list[Obj], known: list[Obj]) -> Errors:
    """At the root of a schema whose status is written by itself nothing may be said that only the whole object tells."""
    shared = all(version.get(part) == versions[0].get(part) for version in versions for part in _SHARED)
    for at, version in enumerate(versions[:1] if shared else versions):
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if not schema or schema in known or "status" not in (version.get("subresources") or {}):
            continue
        if any(value and name not in _AT_ROOT.values() for name, value in schema.items()):
            path = "spec.validation" if shared else f"spec.versions[{at}].schema"
            why = (
                f"only [{' '.join(_AT_ROOT)}] fields are allowed at the root of the schema "
                "if the status subresource is enabled"
            )
            return [field.invalid(f"{path}.openAPIV3Schema", schema, why)]
    return []


def _version(version: Obj, path: str) -> Errors:
    """What each version says for itself."""
    name = version.get("name", "")
    wrong = [field.invalid(f"{path}.name", name, why) for why in names.is_dns1035(name)]
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    if schema is None:
        wrong.append(field.required(f"{path}.schema.openAPIV3Schema", "schemas are required"))
    else:
        wrong += _selectable(version.get("selectableFields") or [], schema, f"{path}.selectableFields")
    if version.get("deprecationWarning") is not None and not version.get("deprecated"):
        why = "can only be set for deprecated versions"
        wrong.append(field.invalid(f"{path}.deprecationWarning", version["deprecationWarning"], why))
    return wrong


def _selectable(fields: list[Obj], schema: Obj, path: str) -> Errors:
    """Fields that clients may select by: each a simple path to one text, number or truth."""
    wrong: Errors = []
    if len(fields) > _MOST_SELECTABLE:
        wrong.append(field.too_many(path, len(fields), _MOST_SELECTABLE))
    seen: set[str] = set()
    for at, selectable in enumerate(fields):
        text, place = selectable.get("jsonPath") or "", f"{path}[{at}].jsonPath"
        if text in seen:
            wrong.append(field.duplicate(place, text))
            continue
        seen.add(text)
        if not text:
            wrong.append(field.required(place))
        elif why := _unselectable(text, schema):
            wrong.append(field.invalid(place, text, why))
    return wrong


def _unselectable(text: str, schema: Obj) -> str:
    """Why a field cannot be selected by, "" if it can."""
    try:
        steps = paths.steps(text)
    except ValueError as wrong:
        return f"is an invalid path: {wrong}"
    if not steps or steps[0] == "metadata":
        return "must not point to fields in metadata" if steps else "is an invalid path: expected [ or . but got EOF"
    found: Obj | None = schema
    for name in steps:
        found = (found.get("properties") or {}).get(name) if found else None
    if found is None:
        return "does not refer to a valid field"
    if found.get("type") not in ("string", "boolean", "integer"):
        return (
            "must point to a field of type string, boolean or integer. "
            "Enum string fields and strings with formats are allowed."
        )
    return ""


def _schema(found: Obj | None, path: str, known: list[Obj]) -> Errors:
    """`known`: schemas that are stored already, and so need not be looked at again."""
    schema, path = (found or {}).get("openAPIV3Schema"), f"{path}.openAPIV3Schema"
    if schema is None or any(schema == before for before in known):
        return []
    wrong = structural.root(schema, path)
    return wrong or [*defaults.found(schema, path), *expressions.found(schema, path)]


def _columns(found: list[Obj] | None, path: str) -> Errors:
    return [wrong for at, column in enumerate(found or ()) for wrong in _column(column, f"{path}[{at}]")]


def _column(column: Obj, path: str) -> Errors:
    wrong: Errors = [] if column.get("name") else [field.required(f"{path}.name")]
    kind = column.get("type", "")
    if not kind:
        wrong.append(field.required(f"{path}.type", f"must be one of {','.join(_COLUMN_TYPES)}"))
    elif kind not in _COLUMN_TYPES:
        why = f"must be one of {','.join(_COLUMN_TYPES)}"
        wrong.append(field.invalid(f"{path}.type", kind, why))
    if (form := column.get("format")) and form not in _COLUMN_FORMATS:
        why = f"must be one of {','.join(_COLUMN_FORMATS)}"
        wrong.append(field.invalid(f"{path}.format", form, why))
    where = column.get("jsonPath", "")
    if not where:
        wrong.append(field.required(f"{path}.jsonPath"))
    elif not where.startswith("."):
        why = "must be a simple json path starting with ."
        wrong.append(field.invalid(f"{path}.jsonPath", where, why))
    return wrong


def _subresources(found: Obj | None, path: str) -> Errors:
    scale = (found or {}).get("scale")
    if scale is None:
        return []
    wrong: Errors = []
    for name, head in (("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")):
        value, where = scale.get(name, ""), f"{path}.scale.{name}"
        if not value:
            wrong.append(field.required(where))
        elif not _PATH(value) or not value.startswith(f"{head}."):
            wrong.append(field.invalid(where, value, f"should be a json path under {head}"))
    label = scale.get("labelSelectorPath")
    if label and (not _PATH(label) or not label.startswith((".spec.", ".status."))):
        why = "should be a json path under either .spec or .status"
        wrong.append(field.invalid(f"{path}.scale.labelSelectorPath", label, why))
    return wrong


def _conversion(conversion: Obj, path: str) -> Errors:
    """Faults are named as in the internal form, which upstream judges: without `webhook` in between."""
    strategy, webhook = conversion.get("strategy"), conversion.get("webhook")
    wrong = checks.one_of(f"{path}.strategy", strategy, ["None", "Webhook"])
    if strategy != "Webhook":
        if webhook is not None:
            why = "should not be set when strategy is not set to Webhook"
            wrong.append(field.forbidden(f"{path}.webhookClientConfig", why))
        return wrong
    config = (webhook or {}).get("clientConfig")
    if config is None:
        wrong.append(field.required(f"{path}.webhookClientConfig", "required when strategy is set to Webhook"))
    else:
        wrong += webhooks.client_config(config, f"{path}.webhookClientConfig")
    versions = (webhook or {}).get("conversionReviewVersions") or []
    if not versions:
        wrong.append(field.required(f"{path}.conversionReviewVersions"))
    elif not set(versions) & {"v1", "v1beta1"}:
        why = "must include at least one of v1, v1beta1"
        wrong.append(field.invalid(f"{path}.conversionReviewVersions", versions, why))
    return wrong


def validate_update(obj: Obj, old: Obj) -> Errors:
    spec, before = obj["spec"], old["spec"]
    stored = [(version.get("schema") or {}).get("openAPIV3Schema") for version in before.get("versions") or ()]
    wrong = validate_spec(spec, [schema for schema in stored if schema is not None])
    established = any(
        c.get("type") == "Established" and c.get("status") == "True"
        for c in (old.get("status") or {}).get("conditions") or ()
    )
    if established:
        wrong += checks.immutable("spec.scope", spec.get("scope"), before.get("scope"))
        wrong += checks.immutable("spec.names.kind", spec["names"].get("kind"), before["names"].get("kind"))
    wrong += checks.immutable("spec.group", spec.get("group"), before.get("group"))
    wrong += checks.immutable("spec.names.plural", spec["names"].get("plural"), before["names"].get("plural"))
    offered = {version.get("name") for version in spec.get("versions") or ()}
    for at, name in enumerate((old.get("status") or {}).get("storedVersions") or ()):
        if name not in offered:
            why = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions "
                f"until a storage migration ensures no data remains persisted in {name} and removes {name} from "
                "status.storedVersions"
            )
            wrong.append(field.invalid(f"status.storedVersions[{at}]", name, why))
    return wrong


def validate_status(obj: Obj, old: Obj) -> Errors:
    offered = {version.get("name"): version for version in obj["spec"].get("versions") or ()}
    stored = (obj.get("status") or {}).get("storedVersions") or []
    wrong = [
        field.invalid(f"status.storedVersions[{at}]", name, "must appear in spec.versions")
        for at, name in enumerate(stored)
        if name not in offered
    ]
    for name, version in offered.items():
        if version.get("storage") and name not in stored:
            wrong.append(field.invalid("status.storedVersions", stored, f"must have the storage version {name}"))
    return wrong
