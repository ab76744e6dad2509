from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubelet.network.ipam import AddressesExhausted, AddressPool


def test_addresses_begin_after_the_gateway() -> None:
    pool = AddressPool("10.244.1.0/24")
    assert str(pool.gateway) == "10.244.1.1/24"
    assert [pool.allocate() for _ in range(2)] == ["10.244.1.2", "10.244.1.3"]


def test_a_freed_address_rests() -> None:
    pool = AddressPool("10.244.1.0/29")
    first = pool.allocate()
    pool.release(first)
    assert [pool.allocate() for _ in range(5)] == [f"10.244.1.{n}" for n in (3, 4, 5, 6, 2)]
    with pytest.raises(AddressesExhausted):
        pool.allocate()


@pytest.mark.parametrize("ip", ["10.244.1.1", "10.244.1.7", "10.244.1.0", "10.9.9.9"])
def test_what_cannot_be_claimed(ip: str) -> None:
    assert not AddressPool("10.244.1.0/29").claim(ip)


@given(st.lists(st.one_of(st.just("take"), st.integers(0, 5)), max_size=40))
def test_no_address_is_given_twice(steps: list[str | int]) -> None:
    pool = AddressPool("10.0.0.0/28")
    held: list[str] = []
    for step in steps:
        if step == "take" and len(held) < 13:
            taken = pool.allocate()
            assert taken not in held
            held.append(taken)
        elif isinstance(step, int) and held:
            pool.release(held.pop(step % len(held)))
