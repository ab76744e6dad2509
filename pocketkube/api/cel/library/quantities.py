"""Amounts of resources: `quantity("1.5Gi")`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pocketkube.api.cel.library.function import QUANTITY, Function, Marked, succeeds
from pocketkube.api.meta import quantity


def _parse(text: str) -> Marked:
    return _made(quantity.parse(text))


def _made(amount: Decimal) -> Marked:
    return {"~quantity": f"{amount.normalize():f}"}  # one text for one amount: 1 equals 1000m


def amount(value: Any) -> Decimal:
    """Of a quantity or a number."""
    return quantity.parse(value["~quantity"]) if isinstance(value, dict) else Decimal(value)


def _fits(value: Marked) -> bool:
    """Amounts above the largest integer were cut down to it when they were parsed."""
    found = amount(value)
    return found == int(found) and abs(found) < 2**63 - 1


def _integer(value: Marked) -> int:
    if not _fits(value):
        raise ValueError("cannot convert value to integer")
    return int(amount(value))


def _sign(value: Marked) -> int:
    found = amount(value)
    return int(found > 0) - int(found < 0)


_ARITHMETIC = (f"{QUANTITY}, {QUANTITY} -> {QUANTITY}", f"{QUANTITY}, int -> {QUANTITY}")

FUNCTIONS = (
    Function("quantity", (f"string -> {QUANTITY}",), _parse),
    Function("isQuantity", ("string -> bool",), succeeds(quantity.parse)),
    Function(".sign", (f"{QUANTITY} -> int",), _sign),
    Function(".add", _ARITHMETIC, lambda one, other: _made(amount(one) + amount(other))),
    Function(".sub", _ARITHMETIC, lambda one, other: _made(amount(one) - amount(other))),
    Function(".isInteger", (f"{QUANTITY} -> bool",), _fits),
    Function(".asInteger", (f"{QUANTITY} -> int",), _integer),
    Function(".asApproximateFloat", (f"{QUANTITY} -> double",), lambda value: float(amount(value))),
)
