"""Admission webhooks and policies: what both configurations, and the policies' match rules, share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from pocketkube.api.kinds import checks, columns, expressions
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.meta import field

Obj = dict[str, Any]

COLUMNS = (columns.NAME, columns.number("Webhooks", "How many webhooks it names."), columns.AGE)
_OPERATIONS = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"]
_SCOPES = ["*", "Cluster", "Namespaced"]
_VERSIONS = ("v1", "v1beta1")


def fill_match(found: Obj, rules: str) -> None:
    """Match rules: equivalent versions, all namespaces and objects, any scope."""
    for name, value in (("matchPolicy", "Equivalent"), ("namespaceSelector", {}), ("objectSelector", {})):
        if found.get(name) is None:
            found[name] = {} if value == {} else value
    fill_scopes(found.get(rules) or ())


def fill_scopes(rules: Iterable[Obj]) -> None:
    for rule in rules:
        if rule.get("scope") is None:
            rule["scope"] = "*"


def default(obj: Obj, *, reinvoked: bool) -> None:
    """A configuration; `reinvoked`: its webhooks mutate."""
    for webhook in obj.get("webhooks") or ():
        fill_match(webhook, "rules")
        for name, value in (("failurePolicy", "Fail"), ("timeoutSeconds", 10)):
            if webhook.get(name) is None:
                webhook[name] = value
        if reinvoked and webhook.get("reinvocationPolicy") is None:
            webhook["reinvocationPolicy"] = "Never"
        service = (webhook.get("clientConfig") or {}).get("service")
        if service is not None and service.get("port") is None:
            service["port"] = 443


def validate(obj: Obj, *, reinvoked: bool) -> Errors:
    webhooks = obj.get("webhooks") or []
    wrong = checks.unique("webhooks", [webhook.get("name", "") for webhook in webhooks], "name")
    for at, webhook in enumerate(webhooks):
        wrong += _webhook(webhook, f"webhooks[{at}]", reinvoked=reinvoked)
    return wrong


def _webhook(webhook: Obj, path: str, *, reinvoked: bool) -> Errors:
    wrong = qualified_domain(webhook.get("name", ""), f"{path}.name")
    versions = webhook.get("admissionReviewVersions") or []
    if not versions:
        wrong.append(field.required(f"{path}.admissionReviewVersions", "must specify one of v1, v1beta1"))
    elif not set(versions) & set(_VERSIONS):
        why = "must include at least one of v1, v1beta1"
        wrong.append(field.invalid(f"{path}.admissionReviewVersions", versions, why))
    for at, version in enumerate(versions):
        if version in versions[:at]:
            where = f"{path}.admissionReviewVersions[{at}]"
            wrong.append(field.invalid(where, version, "duplicate version"))
    for at, rule in enumerate(webhook.get("rules") or ()):
        wrong += validate_rule(rule, f"{path}.rules[{at}]")
    wrong += _choices(webhook, path, reinvoked=reinvoked)
    seconds = webhook["timeoutSeconds"]
    if not 1 <= seconds <= 30:
        why = "the timeout value must be between 1 and 30 seconds"
        wrong.append(field.invalid(f"{path}.timeoutSeconds", seconds, why))
    for name in ("namespaceSelector", "objectSelector"):
        wrong += checks.selector(f"{path}.{name}", webhook.get(name))
    wrong += match_conditions(webhook.get("matchConditions") or [], f"{path}.matchConditions")
    return wrong + client_config(webhook.get("clientConfig") or {}, f"{path}.clientConfig")


def _choices(webhook: Obj, path: str, *, reinvoked: bool) -> Errors:
    wrong: Errors = []
    allowed = {"failurePolicy": ["Fail", "Ignore"], "matchPolicy": ["Equivalent", "Exact"]}
    if reinvoked:
        allowed["reinvocationPolicy"] = ["IfNeeded", "Never"]
    for name, values in allowed.items():
        if webhook.get(name) not in values:
            wrong.append(field.not_supported(f"{path}.{name}", webhook.get(name), values))
    effects = webhook.get("sideEffects")
    if effects is None:
        return [*wrong, field.required(f"{path}.sideEffects", "must specify one of None, NoneOnDryRun")]
    if effects not in ("None", "NoneOnDryRun"):
        wrong.append(field.not_supported(f"{path}.sideEffects", effects, ["None", "NoneOnDryRun"]))
    return wrong


def qualified_domain(name: str, path: str) -> Errors:
    """A webhook's name: three segments at least."""
    if not name:
        return [field.required(path)]
    if faults := checks.dns_subdomain(name):
        return [field.invalid(path, name, why) for why in faults]
    if name.count(".") < 2:
        return [field.invalid(path, name, "should be a domain with at least three segments separated by dots")]
    return []


def validate_rule(rule: Obj, path: str) -> Errors:
    """Operations, groups, versions and resources that a webhook or policy is called for."""
    wrong: Errors = []
    operations = rule.get("operations") or []
    if not operations:
        wrong.append(field.required(f"{path}.operations"))
    if "*" in operations and len(operations) > 1:
        why = "if '*' is present, must not specify other operations"
        wrong.append(field.invalid(f"{path}.operations", operations, why))
    for at, operation in enumerate(operations):
        if operation not in _OPERATIONS:
            wrong.append(field.not_supported(f"{path}.operations[{at}]", operation, _OPERATIONS))
    for name in ("apiGroups", "apiVersions", "resources"):
        values = rule.get(name) or []
        if not values:
            wrong.append(field.required(f"{path}.{name}"))
        elif "*" in values and len(values) > 1 and name != "resources":
            words = {"apiGroups": "API groups", "apiVersions": "API versions"}[name]
            why = f"if '*' is present, must not specify other {words}"
            wrong.append(field.invalid(f"{path}.{name}", values, why))
        if name != "apiGroups":
            wrong += [field.required(f"{path}.{name}[{at}]") for at, value in enumerate(values) if not value]
    wrong += _resources(rule.get("resources") or [], f"{path}.resources")
    if rule.get("scope") not in (None, *_SCOPES):
        wrong.append(field.not_supported(f"{path}.scope", rule["scope"], _SCOPES))
    return wrong


def _resources(found: list[str], path: str) -> Errors:
    """`*/*` stands alone; `pods/*` beside no `pods/log`, `*/log` beside no `pods/log`."""
    wrong: Errors = []
    wild_resources: set[str] = set()
    wild_parts: set[str] = set()
    for at, each in enumerate(found):
        resource, slash, part = each.partition("/")
        if each == "*/*" and len(found) > 1:
            wrong.append(field.invalid(path, found, "if '*/*' is present, must not specify other resources"))
        if not slash:
            continue
        if part in wild_parts and resource != "*":
            wrong.append(field.invalid(f"{path}[{at}]", each, f"if '*/{part}' is present, must not specify {each}"))
        if resource in wild_resources and part != "*":
            wrong.append(field.invalid(f"{path}[{at}]", each, f"if '{resource}/*' is present, must not specify {each}"))
        if resource == "*":
            wild_parts.add(part)
        if part == "*":
            wild_resources.add(resource)
    return wrong


def match_conditions(found: list[Obj], path: str, variables: tuple[str, ...] = expressions.CONDITION) -> Errors:
    wrong: Errors = []
    if len(found) > 64:
        return [field.too_many(path, len(found), 64)]
    for at, condition in enumerate(found):
        name = condition.get("name", "")
        if not (condition.get("expression") or "").strip():
            wrong.append(field.required(f"{path}[{at}].expression"))
        wrong += expressions.compiled(
            f"{path}[{at}].expression", condition.get("expression") or "", variables, gives=("bool",)
        )
        if not name:
            wrong.append(field.required(f"{path}[{at}].name"))
        wrong += [field.invalid(f"{path}[{at}].name", name, why) for why in checks.qualified(name) if name]
    return wrong + checks.unique(path, [condition.get("name", "") for condition in found], "name")


def variables(found: list[Obj], path: str, seen: expressions.OfPolicy) -> Errors:
    """Named expressions of a policy, each usable in those after it, and added to what is seen."""
    wrong: Errors = []
    for at, variable in enumerate(found):
        name, text = variable.get("name") or "", variable.get("expression") or ""
        if not name.strip():
            wrong.append(field.required(f"{path}[{at}].name", "name is not specified"))
        elif not _IDENTIFIER.fullmatch(name):
            wrong.append(field.invalid(f"{path}[{at}].name", name, "name is not a valid CEL identifier"))
        if not text.strip():
            wrong.append(field.required(f"{path}[{at}].expression", "expression is not specified"))
        wrong += seen.add(f"{path}[{at}].expression", name, text)
    return wrong + checks.unique(path, [variable.get("name") or "" for variable in found], "name")


_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")


def client_config(config: Obj, path: str) -> Errors:
    """Exactly one of url and service."""
    url, service = config.get("url"), config.get("service")
    if url is not None and service is None:
        return _url(url, f"{path}.url")
    if url is not None or service is None:
        return [field.required(path, "exactly one of url or service is required")]
    wrong = [
        field.required(f"{path}.service.{x}", f"service {x} is required")
        for x in ("name", "namespace")
        if not service.get(x)
    ]
    port = service.get("port", 443)
    if not 1 <= port <= 65535:
        why = "port is not valid: must be between 1 and 65535, inclusive"
        wrong.append(field.invalid(f"{path}.service.port", port, why))
    wrong += _url_path(f"{path}.service.path", service.get("path") or "/")
    return wrong


def _url_path(path: str, value: str) -> Errors:
    """Each segment is a DNS subdomain; one slash may end it."""
    if value == "/":
        return []
    if not value.startswith("/"):
        return [field.invalid(path, value, "must start with a '/'")]
    wrong: Errors = []
    for at, segment in enumerate(value[1:].removesuffix("/").split("/")):
        faults = [f": {why}" for why in checks.dns_subdomain(segment)] if segment else [" may not be empty"]
        wrong += [field.invalid(path, value, f"segment[{at}]{fault}") for fault in faults]
    return wrong


def _url(url: str, path: str) -> Errors:
    form = "; desired format: https://host[/path]"
    try:
        parts = urlsplit(url)
    except ValueError as error:
        return [field.required(path, f"url must be a valid URL: {error}{form}")]
    wrong: Errors = []
    if parts.scheme != "https":
        shown = f"'https' is the only allowed URL scheme{form}"
        wrong.append(field.invalid(path, parts.scheme, shown))
    if not parts.netloc:
        wrong.append(field.invalid(path, parts.netloc, f"host must be specified{form}"))
    if "@" in parts.netloc:
        wrong.append(field.invalid(path, parts.netloc, "user information is not permitted in the URL"))
    if parts.fragment:
        wrong.append(field.invalid(path, parts.fragment, "fragments are not permitted in the URL"))
    if parts.query:
        wrong.append(field.invalid(path, parts.query, "query parameters are not permitted in the URL"))
    return wrong


def row(obj: Obj, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], len(obj.get("webhooks") or ()), columns.age(obj, now)]


def default_policy(obj: Obj) -> None:
    """A validating or mutating policy."""
    spec = obj.get("spec")
    if spec is None:
        spec = obj["spec"] = {}
    if spec.get("failurePolicy") is None:
        spec["failurePolicy"] = "Fail"
    _fill_resources(spec.get("matchConstraints"))


def default_binding(obj: Obj) -> None:
    _fill_resources((obj.get("spec") or {}).get("matchResources"))


def _fill_resources(found: Obj | None) -> None:
    if found is not None:
        fill_match(found, "resourceRules")
        fill_scopes(found.get("excludeResourceRules") or ())


def validate_match(found: Obj | None, path: str, *, needed: bool) -> Errors:
    """matchConstraints of a policy, matchResources of a binding."""
    if found is None:
        return [field.required(path)] if needed else []
    wrong: Errors = []
    for name in ("namespaceSelector", "objectSelector"):
        wrong += checks.selector(f"{path}.{name}", found.get(name))
    if needed and not found.get("resourceRules"):
        wrong.append(field.required(f"{path}.resourceRules"))
    for name in ("resourceRules", "excludeResourceRules"):
        for at, rule in enumerate(found.get(name) or ()):
            wrong += validate_rule(rule, f"{path}.{name}[{at}]")
    return wrong


def validate_binding(obj: Obj) -> Errors:
    """What bindings of both sorts of policies share."""
    spec = obj.get("spec") or {}
    wrong: Errors = [] if spec.get("policyName") else [field.required("spec.policyName")]
    if (reference := spec.get("paramRef")) is not None:
        name, selector = reference.get("name"), reference.get("selector")
        if bool(name) == (selector is not None):
            why = "name and selector are mutually exclusive" if name else "one of name or selector must be specified"
            make = field.forbidden if name else field.required
            wrong.append(make("spec.paramRef.name" if name else "spec.paramRef", why))
        wrong += checks.selector("spec.paramRef.selector", selector)
        if reference.get("parameterNotFoundAction") not in ("Allow", "Deny"):
            wrong.append(field.required("spec.paramRef.parameterNotFoundAction"))
    return wrong + validate_match(spec.get("matchResources"), "spec.matchResources", needed=False)


def param_kind(obj: Obj) -> str:
    found = (obj.get("spec") or {}).get("paramKind")
    return f"{found.get('apiVersion', '')}/{found.get('kind', '')}" if found else "<unset>"


def binding_row(obj: Obj, now: datetime) -> list[Any]:
    spec = obj.get("spec") or {}
    reference = spec.get("paramRef") or {}
    shown = "<unset>"
    if reference.get("name"):
        shown = (
            f"{reference['namespace']}/{reference['name']}" if reference.get("namespace") else f"*/{reference['name']}"
        )
    elif reference.get("selector") is not None:
        shown = columns.selector(reference["selector"])
    return [obj["metadata"]["name"], spec.get("policyName", ""), shown, columns.age(obj, now)]


POLICY_BINDING_COLUMNS = (
    columns.NAME,
    columns.text("PolicyName", "The policy it puts in force."),
    columns.text("ParamRef", "The parameters it gives."),
    columns.AGE,
)
