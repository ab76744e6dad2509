"""`x-kubernetes-validations`: expressions that must hold wherever their schema applies, and what is said where one does not.

The rules of a schema become a tree that has only the branches with rules in or below them. Old values are found again by
property, by map key and by the keys of lists of type map; elsewhere there is none, and rules about changes are silent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from pocketkube.api import cel
from pocketkube.api.cel import cost, syntax
from pocketkube.api.meta import field
from pocketkube.api.meta.field import FieldError
from pocketkube.api.schema import paths, values
from pocketkube.api.schema.model import MISSING
from pocketkube.api.schema.validate import by_keys, identity, mentions_rules, plain

Obj = dict[str, Any]

_LONGEST_MESSAGE = 5 * 1024
_OPTIONAL_OLD = "cel.bind(oldSelf, oldSelf.size() > 0 ? optional.of(oldSelf[0]) : optional.none(), {})"
_SCALARS = frozenset(("integer", "number", "boolean", "string"))


class Rule:
    """One rule. Raises cel.CompileError for an expression that is wrong in itself."""

    def __init__(self, spec: Obj, raw: Obj):
        self.text: str = spec["rule"].strip()
        self.optional_old = bool(spec.get("optionalOldSelf"))
        self._message: str = (spec.get("message") or "").strip()
        self._reason: str = spec.get("reason") or "FieldValueInvalid"
        self._path = read_path(spec["fieldPath"], raw) if spec.get("fieldPath") else ""
        self._program = program(spec["rule"], optional_old=self.optional_old)
        said = spec.get("messageExpression")
        self._said = program(said, optional_old=self.optional_old) if said else None
        tree = self._program.tree
        self.uses_old = "oldSelf" in syntax.names(tree)
        self._costly = (
            tree if cost.estimate(tree, {name: cost.OfSchema(raw) for name in cel.SCHEMA}) > cost.CALL_LIMIT else None
        )

    def check(self, place: Place, spent: Spent) -> FieldError | None:
        """What is wrong, if anything. Raises Exhausted where finding out would cost too much."""
        variables = place.variables(optional_old=self.optional_old)
        if self._costly is not None:
            spent.charge(self, place, cost.estimate(self._costly, {k: cost.OfData([v]) for k, v in variables.items()}))
        try:
            if self._program.run(variables) is True:
                return None
        except cel.EvaluationError as failure:
            return _wrong(place.path or "<nil>", place.shown, self._failure(str(failure)))
        return self._broken(place, self._words(variables))

    @property
    def name(self) -> str:
        return self._message or self.text

    def _failure(self, words: str) -> str:
        if words.startswith("no such overload"):
            why = "call arguments did not match a supported operator, function or macro signature"
            return f"'{words}': {why} for rule: {self.name}"
        return f"{words} evaluating rule: {self.name}"

    def _words(self, variables: Obj) -> str:
        if self._said is not None:
            try:
                said = self._said.run(variables)
            except cel.EvaluationError:
                said = None
            if isinstance(said, str) and said.strip() and "\n" not in said and len(said) <= _LONGEST_MESSAGE:
                return said.strip()
        return self._message or f"failed rule: {self.text}"

    def _broken(self, place: Place, words: str) -> FieldError:
        path = place.path + self._path if place.path else self._path.lstrip(".")
        shown = MISSING if self._path else place.shown
        return _ERRORS[self._reason](path or "<nil>", shown, words)


def _wrong(path: str, value: Any, words: str) -> FieldError:
    return FieldError("FieldValueInvalid", path, words) if value is MISSING else field.invalid(path, value, words)


_ERRORS: dict[str, Callable[[str, Any, str], FieldError]] = {
    "FieldValueInvalid": _wrong,
    "FieldValueForbidden": lambda path, value, words: field.forbidden(path, words),
    "FieldValueRequired": lambda path, value, words: field.required(path, words),
    "FieldValueDuplicate": lambda path, value, words: field.duplicate(path, None if value is MISSING else value),
}
REASONS = list(_ERRORS)


class Exhausted(Exception):
    """The budget is spent; `error` says on what."""

    def __init__(self, error: FieldError):
        super().__init__(str(error))
        self.error = error


class Spent:
    """What the rules of one request may still cost."""

    def __init__(self) -> None:
        self._left = cost.REQUEST_LIMIT

    def charge(self, rule: Rule, place: Place, amount: int) -> None:
        self._left -= amount
        if amount > cost.CALL_LIMIT:
            words = "'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost "
            raise Exhausted(_wrong(place.path or "<nil>", place.shown, f"{words}exceeds limit for rule: {rule.name}"))
        if self._left < 0:
            words = "validation failed due to running out of cost budget, no further validation rules will be run"
            raise Exhausted(_wrong(place.path or "<nil>", place.shown, words))


class Place(NamedTuple):
    """A value, where it stands, and what it was."""

    path: str
    value: Any
    old: Any  # MISSING where there was none, or it cannot be told which
    raw: Obj
    read: Callable[[Any], Any]

    @property
    def shown(self) -> Any:
        """Simple values are part of a message, others are not."""
        return self.value if self.raw.get("type") in _SCALARS else MISSING

    def variables(self, *, optional_old: bool) -> Obj:
        given = {"self": self.read(self.value)}
        if optional_old:
            given["oldSelf"] = [] if self.old is MISSING else [self.read(self.old)]
        elif self.old is not MISSING:
            given["oldSelf"] = self.read(self.old)
        return given


def program(source: str, *, optional_old: bool = False) -> cel.Program:
    """An expression of a schema, ready to run. Raises CompileError."""
    if not optional_old:
        return cel.compile_expression(source, cel.SCHEMA)
    cel.compile_expression(source, cel.SCHEMA)  # whose complaints quote the text as it was written
    return cel.compile_expression(_OPTIONAL_OLD.format(f"{source}\n"), cel.SCHEMA)


class Node:
    """The rules of one schema and of what is below it."""

    def __init__(self, raw: Obj):
        self._raw = raw
        self._rules = [Rule(spec, raw) for spec in raw.get("x-kubernetes-validations") or ()]
        self._read = values.reader(raw)
        self._fields = {name: node for name, child in (raw.get("properties") or {}).items() if (node := _made(child))}
        self._items = _made(raw.get("items"))
        self._others = _made(raw.get("additionalProperties"))
        keys = raw.get("x-kubernetes-list-map-keys") if raw.get("x-kubernetes-list-type") == "map" else None
        self._keys = tuple(keys or ())
        self.empty = not (self._rules or self._fields or self._items or self._others)

    def check(self, place: Place, found: Found, *, kept: bool) -> None:
        """`kept`: the nearest value around that can be found again is as it was."""
        value, old = place.value, place.old
        if value is None and self._raw.get("nullable"):
            return
        kept = kept if old is MISSING else found.same(value, old)
        for rule in self._rules:
            if rule.uses_old and not rule.optional_old and old is MISSING:
                continue
            error = rule.check(place._replace(read=self._read, raw=self._raw), found.spent)
            if error is not None:
                found.add(error, tolerated=kept and not rule.uses_old)
        if type(value) is dict:
            self._check_fields(place, found, kept)
        elif type(value) is list and self._items is not None:
            self._check_items(place, self._items, found, kept)

    def _check_fields(self, place: Place, found: Found, kept: bool) -> None:
        olds = place.old if type(place.old) is dict else {}
        below: Iterable[tuple[str, Node]] = self._fields.items()
        if self._others is not None:
            below = [(name, self._others) for name in place.value if name not in self._fields]
        for name, node in below:
            if name in place.value:
                path = field.child(place.path, name) if self._others is None else field.key(place.path, name)
                node.check(Place(path, place.value[name], olds.get(name, MISSING), {}, _as_is), found, kept=kept)

    def _check_items(self, place: Place, node: Node, found: Found, kept: bool) -> None:
        olds = by_keys(place.old, self._keys) if self._keys and type(place.old) is list else {}
        for index, item in enumerate(place.value):
            old = olds.get(identity(item, self._keys), MISSING) if olds else MISSING
            node.check(Place(f"{place.path}[{index}]", item, old, {}, _as_is), found, kept=kept)


class Found:
    """Collects errors; those about what did not change are only told as warnings."""

    def __init__(self, warnings: list[str] | None) -> None:
        self.errors: list[FieldError] = []
        self.spent = Spent()
        self._warnings = warnings

    def add(self, error: FieldError, *, tolerated: bool) -> None:
        if not tolerated:
            self.errors.append(error)
        elif self._warnings is not None:
            self._warnings.append(str(error))

    @staticmethod
    def same(value: Any, old: Any) -> bool:
        return bool(value == old) and plain(value) == plain(old)


def _as_is(value: Any) -> Any:
    return value


def _made(raw: Any) -> Node | None:
    if not isinstance(raw, dict) or not mentions_rules(raw):
        return None
    return Node(raw)


def check(node: Node, obj: Obj, old: Any, warnings: list[str] | None) -> list[FieldError]:
    """Every rule that does not hold for an object; `old` is MISSING for a new one."""
    found = Found(warnings)
    try:
        node.check(Place("", obj, old, {}, _as_is), found, kept=False)
    except Exhausted as exhausted:
        found.errors.append(exhausted.error)
    return found.errors


def read_path(text: str, raw: Obj) -> str:
    """A rule's fieldPath as messages write it: `.spec['a-b'].c` is `.spec[a-b].c` below a map. Raises ValueError."""
    shown, at = "", raw
    for step in paths.steps(text):
        properties = at.get("properties") or {}
        if step in properties:
            shown, at = f"{shown}.{step}", properties[step]
        elif isinstance(at.get("additionalProperties"), dict):
            shown, at = f"{shown}[{step}]", at["additionalProperties"]
        else:
            raise ValueError("does not refer to a valid field")
    return shown
