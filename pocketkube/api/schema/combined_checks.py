"""Checks that combine schemas: allOf, anyOf, oneOf, not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pocketkube.api.meta import field
from pocketkube.api.meta.field import FieldError
from pocketkube.api.schema.model import MISSING
from pocketkube.api.schema.value_checks import ROOT, Check, Errors

Obj = dict[str, Any]


def combinations(raw: Obj, build: Callable[[Obj], Check]) -> Iterable[Check]:
    """Of `raw`; `build` makes the check of one of its schemas."""
    if raw.get("allOf"):
        parts = [build(part) for part in raw["allOf"]]
        yield lambda value, path, found, old: _all_of(parts, value, path, found)
    if raw.get("anyOf"):
        choices = [build(part) for part in raw["anyOf"]]
        yield lambda value, path, found, old: _any_of(choices, value, path, found)
    if raw.get("oneOf"):
        exact = [build(part) for part in raw["oneOf"]]
        yield lambda value, path, found, old: _one_of(exact, value, path, found)
    if raw.get("not"):
        never = build(raw["not"])
        yield lambda value, path, found, old: _none_of(never, value, path, found)


def _fails(check: Check, value: Any, path: str) -> Errors:
    found: Errors = []
    check(value, path, found, MISSING)
    return found


def _whole(path: str, words: str) -> FieldError:
    return field.invalid(ROOT, "", f'"{path}" {words}')


def _shortest(failed: list[Errors]) -> Errors:
    """The alternative that came closest: the one to tell about."""
    return min(failed, key=lambda errors: len(errors))


def _all_of(parts: list[Check], value: Any, path: str, found: Errors) -> None:
    failed = [errors for part in parts if (errors := _fails(part, value, path))]
    if failed:
        none = ". None validated" if len(failed) == len(parts) else ""
        found.append(_whole(path, f"must validate all the schemas (allOf){none}"))
        found.extend(error for errors in failed for error in errors)


def _any_of(choices: list[Check], value: Any, path: str, found: Errors) -> None:
    failed = [_fails(choice, value, path) for choice in choices]
    if all(failed):
        found.append(_whole(path, "must validate at least one schema (anyOf)"))
        found.extend(_shortest(failed))


def _one_of(choices: list[Check], value: Any, path: str, found: Errors) -> None:
    failed = [_fails(choice, value, path) for choice in choices]
    valid = sum(not errors for errors in failed)
    if valid == 1:
        return
    why = "Found none valid" if not valid else f"Found {valid} valid alternatives"
    found.append(_whole(path, f"must validate one and only one schema (oneOf). {why}"))
    if not valid:
        found.extend(_shortest(failed))


def _none_of(never: Check, value: Any, path: str, found: Errors) -> None:
    if not _fails(never, value, path):
        found.append(_whole(path, "must not validate the schema (not)"))
