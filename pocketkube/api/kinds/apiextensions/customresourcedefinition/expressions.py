"""The rules of a CRD's schema: each must compile against the schema, give a boolean, and not cost too much.

Checked when a schema is new or changed; what an update leaves as it was is not compiled again.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

from pocketkube.api.meta import field
from pocketkube.api.meta.field import FieldError
from pocketkube.api.schema.validate import mentions_rules

if TYPE_CHECKING:
    from pocketkube.api.cel.declared import Declared
    from pocketkube.api.cel.syntax import Node

Obj = dict[str, Any]

_RULES = "x-kubernetes-validations"
_REASONS = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"]


def found(schema: Obj, path: str) -> list[FieldError]:
    """Everything wrong with the rules in a schema that is structural."""
    if not mentions_rules(schema):
        return []
    check = _Check()
    wrong = list(check.node(schema, path, count=1, correlates=True, root=True))
    return wrong + list(check.total(path))


class _Check:
    """One walk over a schema, which adds up what its rules may cost."""

    def __init__(self) -> None:
        self._cost = 0

    def node(self, raw: Obj, path: str, *, count: int, correlates: bool, root: bool = False) -> Iterator[FieldError]:
        """`count`: how often the schema may apply in one object. `correlates`: old values are found again here."""
        from pocketkube.api.cel import cost

        if not mentions_rules(raw):
            return
        if raw.get(_RULES):
            yield from self._rules(raw, f"{path}.{_RULES}", count=count, correlates=correlates, root=root)
        for name, child in (raw.get("properties") or {}).items():
            yield from self.node(child, f"{path}.properties[{name}]", count=count, correlates=correlates)
        for name in ("items", "additionalProperties"):
            if isinstance(child := raw.get(name), dict):
                keyed = name == "additionalProperties" or raw.get("x-kubernetes-list-type") == "map"
                below = min(count * cost.most(raw), 2**63)
                yield from self.node(child, f"{path}.{name}", count=below, correlates=correlates and keyed)

    def _rules(self, raw: Obj, path: str, *, count: int, correlates: bool, root: bool) -> Iterator[FieldError]:
        from pocketkube.api.cel.declared import Declared

        whole = root or bool(raw.get("x-kubernetes-embedded-resource"))
        declared = Declared(raw, root=whole)
        for at, rule in enumerate(raw[_RULES]):
            wrong = list(_form(rule, raw, f"{path}[{at}]"))
            yield from wrong
            if not wrong:
                yield from self._compiled(rule, raw, f"{path}[{at}]", declared, count=count, correlates=correlates)

    def _compiled(
        self, rule: Obj, raw: Obj, path: str, declared: Declared, *, count: int, correlates: bool
    ) -> Iterator[FieldError]:
        optional = rule.get("optionalOldSelf")
        tree = yield from _expression(rule["rule"], "BOOL", f"{path}.rule", declared, optional=bool(optional))
        if tree is not None:
            yield from self._costs(tree, raw, f"{path}.rule", "estimated rule cost", count)
            yield from _transition(rule, tree, path, correlates=correlates)
        if rule.get("messageExpression"):
            place = f"{path}.messageExpression"
            said = yield from _expression(rule["messageExpression"], "STRING", place, declared, optional=bool(optional))
            if said is not None:
                yield from self._costs(said, raw, place, "estimated messageExpression cost", count)

    def _costs(self, tree: Node, raw: Obj, path: str, what: str, count: int) -> Iterator[FieldError]:
        from pocketkube.api.cel import SCHEMA, cost

        estimated = cost.estimate(tree, {name: cost.OfSchema(raw) for name in SCHEMA}) * count
        self._cost += estimated
        if estimated > cost.RULE_LIMIT:
            yield field.forbidden(path, cost.exceeds(what, estimated, cost.RULE_LIMIT))

    def total(self, path: str) -> Iterator[FieldError]:
        from pocketkube.api.cel import cost

        if self._cost > cost.SCHEMA_LIMIT:
            what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
            yield field.forbidden(path, cost.exceeds(what, self._cost, cost.SCHEMA_LIMIT))


def _form(rule: Obj, raw: Obj, path: str) -> Iterator[FieldError]:
    """All but the expressions themselves."""
    text, message = (rule.get("rule") or "").strip(), rule.get("message") or ""
    if not text:
        yield field.required(f"{path}.rule", "rule is not specified")
    if message and not message.strip():
        yield field.invalid(f"{path}.message", message, "message must be non-empty if specified")
    elif _breaks(message.strip()):
        yield field.invalid(f"{path}.message", message, "message must not contain line breaks")
    elif _breaks(text) and not message.strip():
        yield field.required(f"{path}.message", "message must be specified if rule contains line breaks")
    said = rule.get("messageExpression") or ""
    if said and not said.strip():
        yield field.required(f"{path}.messageExpression", "messageExpression must be non-empty if specified")
    if (reason := rule.get("reason")) is not None and reason not in _REASONS:
        yield field.not_supported(f"{path}.reason", reason, _REASONS)
    if rule.get("fieldPath"):
        yield from _field_path(rule["fieldPath"], raw, f"{path}.fieldPath")


def _breaks(text: str) -> bool:
    return "\n" in text or "\r" in text


def _field_path(text: str, raw: Obj, path: str) -> Iterator[FieldError]:
    from pocketkube.api.schema.rules import read_path

    if not text.strip():
        yield field.invalid(path, text, "fieldPath must be non-empty if specified")
        return
    if _breaks(text):
        yield field.invalid(path, text, "fieldPath must not contain line breaks")
        return
    try:
        read_path(text, raw)
    except ValueError as wrong:
        yield field.invalid(path, text, f"fieldPath must be a valid path: {wrong}")


def _expression(
    source: str, wanted: str, path: str, declared: Declared, *, optional: bool
) -> Generator[FieldError, None, Node | None]:
    """Yields what is wrong with an expression; returns its tree, or None."""
    from pocketkube.api import cel
    from pocketkube.api.schema.rules import program

    try:
        tree = program(source).tree
        given = declared.check(source, optional_old=optional)
    except cel.CompileError as wrong:
        yield field.invalid(path, source, str(wrong))
        return None
    if given not in (wanted, "DYN"):
        shown = {"BOOL": "a bool", "STRING": "a string"}[wanted]
        subject = "messageExpression must" if wanted == "STRING" else "must"
        yield field.invalid(path, source, f"{subject} evaluate to {shown}")
        return None
    return tree


def _transition(rule: Obj, tree: Node, path: str, *, correlates: bool) -> Iterator[FieldError]:
    """Rules about changes need an old value that can be told."""
    from pocketkube.api.cel import syntax

    optional = rule.get("optionalOldSelf")
    uses_old = "oldSelf" in syntax.names(tree)
    if optional is not None and not uses_old:
        yield field.invalid(f"{path}.optionalOldSelf", optional, "may not be set if oldSelf is not used in rule")
    elif uses_old and not correlates:
        why = "oldSelf cannot be used on the uncorrelatable portion of the schema"
        yield field.invalid(f"{path}.rule", rule["rule"], why)
