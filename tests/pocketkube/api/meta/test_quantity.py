"""Quantities: what goes in, what upstream prints, and laws that hold for all."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.api.meta import quantity

SUFFIXES = ["", "n", "u", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "e3", "E-2", "e0"]
texts = st.builds(
    lambda sign, whole, fraction, suffix: f"{sign}{whole}{fraction}{suffix}",
    st.sampled_from(["", "-", "+"]),
    st.integers(0, 10**6),
    st.sampled_from(["", ".5", ".25", ".001", ".1234567891"]),
    st.sampled_from(SUFFIXES),
)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        pytest.param("1024Mi", "1Gi", id="binary-grows"),
        pytest.param("1.5Gi", "1536Mi", id="binary-fraction"),
        pytest.param("1500Ki", "1500Ki", id="binary-stays"),
        pytest.param("0.5Ki", "512", id="below-1024-is-decimal"),
        pytest.param("0.5", "500m", id="milli"),
        pytest.param("1.0", "1", id="whole"),
        pytest.param("1000m", "1", id="milli-grows"),
        pytest.param("100000k", "100M", id="decimal-grows"),
        pytest.param("1e3", "1e3", id="exponent-stays"),
        pytest.param("12000e-3", "12", id="exponent-vanishes"),
        pytest.param("1E", "1E", id="exa"),
        pytest.param("1E3", "1e3", id="exponent-capital"),
        pytest.param("-1500m", "-1500m", id="negative"),
        pytest.param("0.0000000001", "1n", id="rounds-up-to-nano"),
        pytest.param("0Gi", "0", id="zero"),
        pytest.param("99999999999E", "9223372036854775807", id="capped"),
    ],
)
def test_canonical(text: str, canonical: str) -> None:
    assert quantity.canonical(text) == canonical


@pytest.mark.parametrize(
    "text", ["", "x", "1 Gi", "Gi", "1GiB", "1.2.3", "--1", "1i", "1e", "1mm", "0x1", "1e999999999"]
)
def test_malformed(text: str) -> None:
    with pytest.raises(ValueError, match="quantit"):
        quantity.parse(text)
    assert not quantity.is_valid(text)


@pytest.mark.parametrize(
    ("text", "units", "thousandths"),
    [("100m", 1, 100), ("1", 1, 1000), ("1500m", 2, 1500), ("1Ki", 1024, 1024000), ("1n", 1, 1), ("-1500m", -1, -1500)],
)
def test_rounding_up(text: str, units: int, thousandths: int) -> None:
    assert (quantity.value(text), quantity.milli(text)) == (units, thousandths)


@pytest.mark.parametrize(
    ("one", "other", "total"),
    [("1Gi", "512Mi", "1536Mi"), ("0", "1Gi", "1Gi"), ("500m", "1", "1500m"), ("1", "500m", "1500m")],
)
def test_sum_keeps_the_firsts_form(one: str, other: str, total: str) -> None:
    assert quantity.add(one, other) == total
    assert quantity.compare(quantity.sub(total, other), one) == 0


@given(texts)
def test_canonical_is_exact_and_becomes_stable(text: str) -> None:
    canonical = quantity.canonical(text)
    stable = quantity.canonical(canonical)  # 156.25Ki is 160000, which is no longer binary: 160k
    assert quantity.canonical(stable) == stable
    assert quantity.parse(canonical) == quantity.parse(text)


@given(texts, texts)
def test_order_is_that_of_values(one: str, other: str) -> None:
    expected = (quantity.parse(one) > quantity.parse(other)) - (quantity.parse(one) < quantity.parse(other))
    assert quantity.compare(one, other) == expected


@given(texts)
def test_value_is_the_least_integer_not_below(text: str) -> None:
    exact = quantity.parse(text)
    assert Decimal(quantity.value(text) - 1) < exact <= Decimal(quantity.value(text))


@given(st.text(max_size=12))
def test_any_text_is_a_quantity_or_a_value_error(text: str) -> None:
    if quantity.is_valid(text):
        assert quantity.is_valid(quantity.canonical(text))
