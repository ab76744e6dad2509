"""API versions in the order of preference."""

from __future__ import annotations

import itertools

import pytest

from pocketkube.api.meta import versions

ORDERED = ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10"]


@pytest.mark.parametrize(("one", "other"), list(itertools.pairwise(ORDERED)))
def test_order(one: str, other: str) -> None:
    assert versions.order(one) < versions.order(other)
