"""Where a pod may run: node selectors, affinity, tolerations, taints and topology spread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pocketkube.api.kinds import checks
from pocketkube.api.kinds.checks import Errors
from pocketkube.api.meta import field

Obj = dict[str, Any]

TAINT_EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"]
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_WEIGHT = "must be in the range 1-100"


def affinity(found: Mapping[str, Any], path: str) -> Errors:
    wrong: Errors = []
    if node := found.get("nodeAffinity"):
        wrong += _node_affinity(node, f"{path}.nodeAffinity")
    for name in ("podAffinity", "podAntiAffinity"):
        if pods := found.get(name):
            wrong += _pod_affinity(pods, f"{path}.{name}")
    return wrong


def _node_affinity(found: Obj, path: str) -> Errors:
    wrong: Errors = []
    if (required := found.get(_REQUIRED)) is not None:
        wrong += node_selector(required, f"{path}.{_REQUIRED}")
    for at, term in enumerate(found.get(_PREFERRED) or ()):
        where = f"{path}.{_PREFERRED}[{at}]"
        wrong += _weight(term, where)
        wrong += _node_term(term.get("preference") or {}, f"{where}.preference", strict=False)
    return wrong


def _weight(term: Obj, path: str) -> Errors:
    weight = term.get("weight", 0)
    return [] if 1 <= weight <= 100 else [field.invalid(f"{path}.weight", weight, _WEIGHT)]


def node_selector(found: Mapping[str, Any], path: str) -> Errors:
    """A NodeSelector: terms of which one must hold."""
    terms = found.get("nodeSelectorTerms") or []
    if not terms:
        return [field.required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")]
    wrong: Errors = []
    for at, term in enumerate(terms):
        wrong += _node_term(term, f"{path}.nodeSelectorTerms[{at}]", strict=True)
    return wrong


def _node_term(term: Obj, path: str, *, strict: bool) -> Errors:
    wrong: Errors = []
    for at, requirement in enumerate(term.get("matchExpressions") or ()):
        wrong += _node_requirement(requirement, f"{path}.matchExpressions[{at}]", strict=strict)
    for at, requirement in enumerate(term.get("matchFields") or ()):
        wrong += _field_requirement(requirement, f"{path}.matchFields[{at}]")
    return wrong


def _node_requirement(requirement: Obj, path: str, *, strict: bool) -> Errors:
    operator, values, key = requirement.get("operator", ""), requirement.get("values") or [], requirement.get("key", "")
    wrong: Errors = []
    if operator in ("In", "NotIn"):
        if not values:
            wrong.append(field.required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            wrong.append(field.forbidden(f"{path}.values", why))
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            why = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            wrong.append(field.required(f"{path}.values", why))
    else:
        wrong.append(field.invalid(f"{path}.operator", operator, "not a valid selector operator"))
    wrong += [field.invalid(f"{path}.key", key, why) for why in checks.qualified(key)]
    for at, value in enumerate(values if strict else ()):
        wrong += [field.invalid(f"{path}.values[{at}]", value, why) for why in checks.label_value(value)]
    return wrong


def _field_requirement(requirement: Obj, path: str) -> Errors:
    operator, values, key = requirement.get("operator", ""), requirement.get("values") or [], requirement.get("key", "")
    wrong: Errors = []
    if operator not in ("In", "NotIn"):
        wrong.append(field.invalid(f"{path}.operator", operator, "not a valid selector operator"))
    elif len(values) != 1:
        why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        wrong.append(field.required(f"{path}.values", why))
    if key != "metadata.name":
        return [*wrong, field.invalid(f"{path}.key", key, "not a valid field selector key")]
    for at, value in enumerate(values):
        wrong += [field.invalid(f"{path}.values[{at}]", value, why) for why in checks.dns_subdomain(value)]
    return wrong


def _pod_affinity(found: Obj, path: str) -> Errors:
    wrong: Errors = []
    for at, term in enumerate(found.get(_REQUIRED) or ()):
        wrong += _pod_term(term, f"{path}.{_REQUIRED}[{at}]")
    for at, weighted in enumerate(found.get(_PREFERRED) or ()):
        where = f"{path}.{_PREFERRED}[{at}]"
        wrong += _weight(weighted, where)
        wrong += _pod_term(weighted.get("podAffinityTerm") or {}, f"{where}.podAffinityTerm")
    return wrong


def _pod_term(term: Obj, path: str) -> Errors:
    wrong = checks.selector(f"{path}.labelSelector", term.get("labelSelector"))
    wrong += checks.selector(f"{path}.namespaceSelector", term.get("namespaceSelector"))
    for name in term.get("namespaces") or ():
        wrong += [field.invalid(f"{path}.namespace", name, why) for why in checks.dns_label(name)]
    wrong += _label_keys(term, path)
    key = term.get("topologyKey", "")
    if not key:
        wrong.append(field.required(f"{path}.topologyKey", "can not be empty"))
    return wrong + [field.invalid(f"{path}.topologyKey", key, why) for why in checks.qualified(key)]


def _label_keys(term: Obj, path: str) -> Errors:
    wrong: Errors = []
    both = set(term.get("matchLabelKeys") or ()) & set(term.get("mismatchLabelKeys") or ())
    for name in ("matchLabelKeys", "mismatchLabelKeys"):
        keys = term.get(name) or ()
        if keys and not term.get("labelSelector"):
            wrong.append(field.forbidden(f"{path}.{name}", "must not be specified when labelSelector is not set"))
        for at, key in enumerate(keys):
            wrong += [field.invalid(f"{path}.{name}[{at}]", key, why) for why in checks.qualified(key)]
            if key in both and name == "matchLabelKeys":
                wrong.append(
                    field.invalid(f"{path}.{name}[{at}]", key, "exists in both matchLabelKeys and mismatchLabelKeys")
                )
    return wrong


def taint_effect(effect: str, path: str) -> Errors:
    return [] if effect in TAINT_EFFECTS else [field.not_supported(path, effect, TAINT_EFFECTS)]


def tolerations(found: list[Obj], path: str) -> Errors:
    wrong: Errors = []
    for at, toleration in enumerate(found):
        if _fine(toleration):
            continue
        wrong += _toleration(toleration, f"{path}[{at}]")
    return wrong


def _fine(toleration: Obj) -> bool:
    """The common form, which every pod has twice: an existing key that holds pods for a time."""
    return (
        toleration.get("operator") == "Exists"
        and toleration.get("effect") == "NoExecute"
        and toleration.get("key") in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
        and not toleration.get("value")
    )


def _toleration(toleration: Obj, path: str) -> Errors:
    key, operator, value = toleration.get("key", ""), toleration.get("operator", ""), toleration.get("value", "")
    effect = toleration.get("effect", "")
    wrong: Errors = []
    if key:
        wrong += [field.invalid(f"{path}.key", key, why) for why in checks.qualified(key)]
    elif operator != "Exists":
        why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        wrong.append(field.invalid(f"{path}.operator", operator, why))
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        why = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        wrong.append(field.invalid(f"{path}.effect", effect, why))
    if operator in ("", "Equal"):
        if faults := checks.label_value(value):
            wrong.append(field.invalid(f"{path}.operator", value, ";".join(faults)))
    elif operator == "Exists":
        if value:
            wrong.append(field.invalid(f"{path}.operator", value, "value must be empty when `operator` is 'Exists'"))
    else:
        wrong.append(field.not_supported(f"{path}.operator", operator, ["Equal", "Exists"]))
    return wrong + (taint_effect(effect, f"{path}.effect") if effect else [])


def topology_spread(found: list[Obj], path: str) -> Errors:
    wrong: Errors = []
    pairs = [(c.get("topologyKey", ""), c.get("whenUnsatisfiable", "")) for c in found]
    for at, constraint in enumerate(found):
        where = f"{path}[{at}]"
        wrong += _spread(constraint, where)
        if pairs[at] in pairs[at + 1 :]:
            shown = "{" + ", ".join(pairs[at]) + "}"
            wrong.append(field.duplicate(f"{where}.{{topologyKey, whenUnsatisfiable}}", shown))
    return wrong


def _spread(constraint: Obj, path: str) -> Errors:
    wrong: Errors = []
    skew, key, action = (
        constraint.get("maxSkew", 0),
        constraint.get("topologyKey", ""),
        constraint.get("whenUnsatisfiable"),
    )
    if skew <= 0:
        wrong.append(field.invalid(f"{path}.maxSkew", skew, checks.POSITIVE))
    if not key:
        wrong.append(field.required(f"{path}.topologyKey", "can not be empty"))
    else:
        wrong += [field.invalid(f"{path}.topologyKey", key, why) for why in checks.qualified(key)]
    if action not in ("DoNotSchedule", "ScheduleAnyway"):
        wrong.append(
            field.not_supported(f"{path}.whenUnsatisfiable", action or "", ["DoNotSchedule", "ScheduleAnyway"])
        )
    if (domains := constraint.get("minDomains")) is not None:
        if domains <= 0:
            wrong.append(field.invalid(f"{path}.minDomains", domains, checks.POSITIVE))
        if action != "DoNotSchedule":
            why = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
            wrong.append(field.invalid(f"{path}.minDomains", domains, why))
    for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
        if (policy := constraint.get(name)) not in (None, "Honor", "Ignore"):
            wrong.append(field.not_supported(f"{path}.{name}", policy, ["Honor", "Ignore"]))
    return wrong + checks.selector(f"{path}.labelSelector", constraint.get("labelSelector"))


def taints(found: list[Obj], path: str) -> Errors:
    """Taints of a node."""
    wrong: Errors = []
    seen: set[tuple[str, str]] = set()
    for at, taint in enumerate(found):
        key, value, effect = taint.get("key", ""), taint.get("value", ""), taint.get("effect", "")
        wrong += [field.invalid(f"{path}[{at}].key", key, why) for why in checks.qualified(key)]
        if faults := checks.label_value(value):
            wrong.append(field.invalid(f"{path}[{at}].value", value, ";".join(faults)))
        wrong += taint_effect(effect, f"{path}[{at}].effect") if effect else [field.required(f"{path}[{at}].effect")]
        if (key, effect) in seen:
            why = "taints must be unique by key and effect pair"
            wrong.append(field.FieldError("FieldValueDuplicate", f"{path}[{at}]", why, taint, True))
        seen.add((key, effect))
    return wrong
