"""Addresses of one node's pods. Which are taken is learnt from the sandboxes' labels at start; nothing is stored."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network


class AddressesExhausted(LookupError):
    """Every address of the pod CIDR is in use."""


class AddressPool:
    """Hands out addresses round robin, so that one just freed rests as long as it can.

    The network's first host address is the gateway (the bridge).
    """

    def __init__(self, cidr: str) -> None:
        self.network = IPv4Network(cidr)
        if self.network.prefixlen > 29:
            raise ValueError(f"pod CIDR {cidr} is too small: a /29 or larger is needed")
        self._first = int(self.network.network_address) + 2
        self._last = int(self.network.broadcast_address) - 1
        self._next = self._first
        self._taken: set[int] = set()

    @property
    def gateway(self) -> IPv4Interface:
        return IPv4Interface((int(self.network.network_address) + 1, self.network.prefixlen))

    def interface(self, ip: str) -> IPv4Interface:
        return IPv4Interface((ip, self.network.prefixlen))

    def claim(self, ip: str) -> bool:
        """Mark one address as taken; False if it already was or is not of this network."""
        value = int(IPv4Address(ip))
        if value in self._taken or not self._first <= value <= self._last:
            return False
        self._taken.add(value)
        if value >= self._next:
            self._next = value + 1
        return True

    def allocate(self) -> str:
        """A free address. Raises AddressesExhausted."""
        count = self._last - self._first + 1
        if len(self._taken) >= count:
            raise AddressesExhausted(f"no free address in the pod CIDR {self.network}")
        value = self._next
        while value in self._taken or not self._first <= value <= self._last:
            value = value + 1 if self._first <= value < self._last else self._first
        self._taken.add(value)
        self._next = value + 1
        return str(IPv4Address(value))

    def release(self, ip: str) -> None:
        self._taken.discard(int(IPv4Address(ip)))
