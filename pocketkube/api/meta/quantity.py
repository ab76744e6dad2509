"""Resource quantities: `500m`, `1.5Gi`, `2e3`. Exact decimals in, upstream's canonical text out. Every result is cached."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Context, Decimal, localcontext

from pocketkube.base.kept import remembered

FORMAT_WRONG = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
SUFFIX_WRONG = "unable to parse quantity's suffix"
NUMBER_WRONG = "unable to parse numeric part of quantity"

_FORM = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)")
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_EXPONENT = re.compile(r"[eE]([-+]?[0-9]+)")
_DECIMAL_NAMES = {exponent: name for name, exponent in _DECIMAL.items()}
_BINARY_NAMES = {power: name for name, power in _BINARY.items()}

_LONGEST = 1000  # characters; no sum of real amounts needs as many digits
_MOST = Decimal(2**63 - 1)
_NANO = Decimal("1e-9")
_EXACT = Context(prec=120, Emax=10_000, Emin=-10_000)


def _split(text: str) -> tuple[Decimal, str]:
    """(value, suffix). Raises ValueError in upstream's words."""
    if len(text) > _LONGEST:
        raise ValueError(NUMBER_WRONG)
    match = _FORM.fullmatch(text)
    if not text or match is None:
        raise ValueError(FORMAT_WRONG)
    sign, whole, fraction, suffix = match.groups()
    if not whole and not fraction:
        raise ValueError(FORMAT_WRONG if not suffix or fraction is None else NUMBER_WRONG)
    with localcontext(_EXACT):
        value = Decimal(f"{sign}{whole or '0'}.{fraction or '0'}")
        if suffix in _DECIMAL:
            return value.scaleb(_DECIMAL[suffix]), suffix
        if suffix in _BINARY:
            return value * (1 << _BINARY[suffix]), suffix
        exponent = _EXPONENT.fullmatch(suffix)
        if exponent is None or abs(int(exponent[1])) > 1000:
            raise ValueError(SUFFIX_WRONG)
        return value.scaleb(int(exponent[1])), suffix


@remembered(65536, longest=64)
def parse(text: str) -> Decimal:
    """The exact value; finer than a nano is rounded up, beyond 2**63-1 is capped, both away from zero as upstream."""
    value, _ = _split(text)
    return _bounded(value)


def _bounded(value: Decimal) -> Decimal:
    with localcontext(_EXACT):
        if abs(value) > _MOST:
            return _MOST.copy_sign(value)
        if value % _NANO:
            return (abs(value) / _NANO).to_integral_value(ROUND_CEILING).copy_sign(value) * _NANO
        return value


def _ceil(value: Decimal) -> int:
    """Up to a whole number: towards plus infinity."""
    return int(value.to_integral_value(ROUND_CEILING))


@remembered(65536, longest=64)
def milli(text: str) -> int:
    """Thousandths, rounded up: `100m` is 100, `1` is 1000."""
    with localcontext(_EXACT):
        return _ceil(parse(text) * 1000)


@remembered(65536, longest=64)
def value(text: str) -> int:
    """Units, rounded up: `1Ki` is 1024, `1500m` is 2."""
    return _ceil(parse(text))


def _format(text: str) -> str:
    """binary, decimal or exponent: how a quantity written so is printed."""
    suffix = _split(text)[1]
    if suffix in _BINARY:
        return "binary"
    return "decimal" if suffix in _DECIMAL else "exponent"


@remembered(65536, longest=64)
def canonical(text: str) -> str:
    """As upstream prints it: `1024Mi` is `1Gi`, `0.5` is `500m`, `1e3` is `1e3`. Raises ValueError in upstream's words."""
    return render(parse(text), form=_format(text))


def render(amount: Decimal | int, *, form: str = "decimal") -> str:
    """Text of a value. Forms: decimal (`2500m`), binary (`1Gi`), exponent (`1e3`)."""
    amount = _bounded(Decimal(amount))
    if not amount:
        return "0"
    if form == "binary":
        if abs(amount) >= 1024 and amount == int(amount):
            return _binary(int(amount))
        form = "decimal"
    return _decimal(amount, form)


def _binary(amount: int) -> str:
    power = min((abs(amount) & -abs(amount)).bit_length() - 1, 60) // 10 * 10
    return f"{amount >> power if amount > 0 else -(-amount >> power)}{_BINARY_NAMES.get(power, '')}"


def _decimal(amount: Decimal, form: str) -> str:
    with localcontext(_EXACT):
        sign, digits, exponent = amount.normalize().as_tuple()
    assert isinstance(exponent, int)
    number = int("".join(map(str, digits)))
    step = exponent // 3 * 3 if form == "exponent" else min(max(exponent // 3 * 3, -9), 18)
    number *= 10 ** (exponent - step)
    suffix = _DECIMAL_NAMES[step] if form == "decimal" else f"e{step}" if step else ""
    return f"{'-' if sign else ''}{number}{suffix}"


def add(one: str, other: str) -> str:
    """The sum, printed in the first's form, or the other's where the first is zero."""
    with localcontext(_EXACT):
        return render(parse(one) + parse(other), form=_format(one if parse(one) else other))


def sub(one: str, other: str) -> str:
    """The difference, printed in the first's form, or the other's where the first is zero."""
    with localcontext(_EXACT):
        return render(parse(one) - parse(other), form=_format(one if parse(one) else other))


def compare(one: str, other: str) -> int:
    """-1, 0 or 1."""
    left, right = parse(one), parse(other)
    return (left > right) - (left < right)


def is_valid(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True
