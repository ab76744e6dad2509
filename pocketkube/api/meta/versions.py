"""The order of API versions by their names: v2 before v1 before v1beta2 before v1alpha1, and what is named otherwise last."""

from __future__ import annotations


def order(version: str) -> tuple[int, int, int, str]:
    """Sorts the version first that is to be preferred."""
    digits, stage, level = version.removeprefix("v"), 3, ""
    for at, name in ((2, "beta"), (1, "alpha")):
        if name in digits:
            digits, level = digits.split(name, 1)
            stage = at
    if not digits.isdigit():
        return (0, 0, 0, version)
    return (-stage, -int(digits), -int(level or 0), "")
