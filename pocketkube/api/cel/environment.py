"""Two environments of the evaluator: one checks expressions by their types, the other runs them without.

Values of Kubernetes' types are maps when an expression runs, but message types of their own when it is checked: so
`quantity("1") == 1` is refused when it is written, in upstream's words. What was checked goes over as a serialized tree.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from pocketkube.api.cel import literals, rewriting, validators
from pocketkube.api.cel.library.catalogue import FUNCTIONS
from pocketkube.api.cel.library.function import OPAQUE, Function, parameters, result
from pocketkube.api.cel.schematypes import Types
from pocketkube.api.cel.words import CompileError, complaint

Obj = dict[str, Any]

_CONFIG = "name: kubernetes\nextensions:\n" + "".join(
    f"- name: {name}\n"
    for name in ("bindings", "encoders", "lists", "math", "optional", "sets", "strings", "two-var-comprehensions")
)
_MAP = "map<dyn, dyn>"
_NUMBERS = ("int", "uint", "double")
_ORDERS = ("_<_", "_<=_", "_>_", "_>=_")
# What gives an optional to the checker gives something or something empty to us, which is made an optional in the tree.
OPTIONAL = frozenset(f.name.lstrip(".") for f in FUNCTIONS if any("-> optional_type" in s for s in f.signatures))


@lru_cache(maxsize=1)
def _config() -> Any:
    from cel_expr_python import cel

    return cel.NewEnvConfigFromYaml(_CONFIG)


class Checker:
    """Compiles expressions over variables, each of a type of CEL or of an OpenAPI schema."""

    def __init__(self, variables: Mapping[str, str | Obj]):
        from cel_expr_python import cel

        types = Types()
        named = {name: given if isinstance(given, str) else types.of(given) for name, given in variables.items()}
        pool = types.pool()
        self._env = cel.NewEnv(
            config=_config(),
            descriptor_pool=pool,
            variables={name: cel.Type(text) for name, text in named.items()},
            extensions=[cel.CelExtension("kubernetes", list(_declared()))],
        )

    def compile(self, source: str) -> Any:
        """The evaluator's checked expression. Raises CompileError."""
        text = literals.as_maps(source)
        try:
            checked = self._env.compile(text)
        except RuntimeError as failure:
            raise CompileError(f"compilation failed: {complaint(str(failure), text)}") from failure
        if why := "" if text != source else validators.fault(checked.serialize(), source):
            raise CompileError(f"compilation failed: {why}")
        return checked


@lru_cache(maxsize=1)
def _running() -> Any:
    from cel_expr_python import cel

    return cel.NewEnv(config=_config(), extensions=[cel.CelExtension("kubernetes", list(_implemented()))])


def runnable(checked: Any, optional: frozenset[str]) -> Any:
    """What was checked, as the expression that is run. `optional`: variables that hold a list of one value or none."""
    return _running().deserialize(rewriting.with_optionals(checked.serialize(), OPTIONAL, optional))


def _declared() -> Iterator[Any]:
    """Functions as expressions are checked by."""
    from cel_expr_python import cel

    count = itertools.count()
    overloads: dict[tuple[str, bool], list[Any]] = {}
    for function in FUNCTIONS:
        if "@" in function.name:
            continue  # of a macro of the evaluator, which declares it
        is_member = function.name.startswith(".")
        for signature in function.signatures:
            overloads.setdefault((function.name.lstrip("."), is_member), []).append(
                cel.Overload(
                    f"declared_{next(count)}",
                    return_type=cel.Type(result(signature)),
                    parameters=[cel.Type(text) for text in parameters(signature)],
                    is_member=is_member,
                    impl=_never,
                )
            )
    yield from _merged(overloads)
    for order in _ORDERS:  # numbers of different types have an order
        pairs = itertools.permutations(_NUMBERS, 2)
        yield cel.FunctionDecl(
            order,
            [
                cel.Overload(
                    f"declared_{next(count)}",
                    return_type=cel.Type.BOOL,
                    parameters=[cel.Type(one), cel.Type(other)],
                    impl=_never,
                )
                for one, other in pairs
            ],
        )


def _implemented() -> Iterator[Any]:
    """Functions as they are run: one overload for each number of parameters."""
    from cel_expr_python import cel

    overloads: dict[tuple[str, bool], list[Any]] = {}
    for number, function in enumerate(FUNCTIONS):
        is_member = function.name.startswith(".")
        for size, kinds in _kinds(function).items():
            overloads.setdefault((function.name.lstrip("."), is_member), []).append(
                cel.Overload(
                    f"implemented_{number}_{size}",
                    return_type=cel.Type.DYN,
                    parameters=[cel.Type(kind) for kind in kinds],
                    is_member=is_member,
                    impl=function.run,
                )
            )
    yield from _merged(overloads)


def _merged(overloads: Mapping[tuple[str, bool], list[Any]]) -> Iterator[Any]:
    """A name may be a method and a function, as `ip` is."""
    from cel_expr_python import cel

    by_name: dict[str, list[Any]] = {}
    for (name, _), found in overloads.items():
        by_name.setdefault(name, []).extend(found)
    return (cel.FunctionDecl(name, found) for name, found in by_name.items())


def _kinds(function: Function) -> dict[int, list[str]]:
    """By number of parameters, the types that values have when it is run."""
    by_size: dict[int, list[list[str]]] = {}
    for signature in function.signatures:
        given = parameters(signature)
        by_size.setdefault(len(given), []).append(given)
    return {size: [_kind(set(column)) for column in zip(*given, strict=True)] for size, given in by_size.items()}


def _kind(types: set[str]) -> str:
    if all(text.startswith("list<") for text in types):
        return "list<dyn>"
    if all(text in OPAQUE or text.startswith("map<") for text in types):
        return _MAP
    return next(iter(types)) if len(types) == 1 else "dyn"


def _never(*given: Any) -> Any:
    raise AssertionError("only checked")
