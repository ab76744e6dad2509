"""IP addresses and networks: `ip("10.0.0.1")`, `cidr("10.0.0.0/8").containsIP("10.1.2.3")`."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from pocketkube.api.cel.library.function import CIDR, IP, Function, Marked, succeeds

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface

_PREFIX = re.compile(r"([^/]*)/(0|[1-9]\d{0,2})")
_FAILED = "network address parse error during conversion from string:"
_NOWHERE = frozenset(("0.0.0.0", "255.255.255.255", "::"))
_LOCAL_MULTICAST = ipaddress.ip_network("224.0.0.0/24")


def _address(value: Any) -> Address:
    """Of an IP or its text. Raises ValueError in upstream's words."""
    text = value["~ip"] if isinstance(value, dict) else value
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        shown = f'"{text}" parse error during conversion from string: ParseAddr("{text}"): unable to parse IP'
        raise ValueError(f"IP Address {shown}") from None
    if "%" in text:
        raise ValueError(f'IP address "{text}" with zone value is not allowed')
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        raise ValueError(f'IPv4-mapped IPv6 address "{text}" is not allowed')
    return found


def _network(value: Any) -> Interface:
    """Of a CIDR or its text; bits below the prefix are kept."""
    text = value["~cidr"] if isinstance(value, dict) else value
    found = _PREFIX.fullmatch(text)
    if found is None:
        bits = text.rpartition("/")[2]
        why = f'bad bits after slash: "{bits}"' if "/" in text else "no '/'"
        raise ValueError(f'{_FAILED} {_FAILED} netip.ParsePrefix("{text}"): {why}')
    _address(found[1])
    try:
        return ipaddress.ip_interface(text)
    except ValueError:
        raise ValueError(f'{_FAILED} {_FAILED} netip.ParsePrefix("{text}"): prefix length out of range') from None


def _contains_network(outer: Marked, inner: Any) -> bool:
    one, other = _network(outer).network, _network(inner).network
    return one.version == other.version and other.subnet_of(one)  # type: ignore[arg-type]


def _is_local_multicast(value: Marked) -> bool:
    found = _address(value)
    if isinstance(found, ipaddress.IPv4Address):
        return found in _LOCAL_MULTICAST
    return found.packed[0] == 0xFF and found.packed[1] & 0x0F == 0x02


def _is_global(value: Marked) -> bool:
    found = _address(value)
    return not (str(found) in _NOWHERE or found.is_loopback or found.is_multicast or found.is_link_local)


def _ip(address: Address) -> Marked:
    return {"~ip": str(address)}


def _cidr(interface: Any) -> Marked:
    return {"~cidr": str(interface)}


FUNCTIONS = (
    Function("ip", (f"string -> {IP}",), lambda text: _ip(_address(text))),
    Function("isIP", ("string -> bool",), succeeds(_address)),
    Function("ip.isCanonical", ("string -> bool",), lambda text: str(_address(text)) == text),
    Function(".family", (f"{IP} -> int",), lambda value: _address(value).version),
    Function(".isUnspecified", (f"{IP} -> bool",), lambda value: _address(value).is_unspecified),
    Function(".isLoopback", (f"{IP} -> bool",), lambda value: _address(value).is_loopback),
    Function(".isLinkLocalUnicast", (f"{IP} -> bool",), lambda value: _address(value).is_link_local),
    Function(".isLinkLocalMulticast", (f"{IP} -> bool",), _is_local_multicast),
    Function(".isGlobalUnicast", (f"{IP} -> bool",), _is_global),
    Function("cidr", (f"string -> {CIDR}",), lambda text: _cidr(_network(text))),
    Function("isCIDR", ("string -> bool",), succeeds(_network)),
    Function(
        ".containsIP",
        (f"{CIDR}, {IP} -> bool", f"{CIDR}, string -> bool"),
        lambda value, address: _address(address) in _network(value).network,
    ),
    Function(".containsCIDR", (f"{CIDR}, {CIDR} -> bool", f"{CIDR}, string -> bool"), _contains_network),
    Function(".ip", (f"{CIDR} -> {IP}",), lambda value: _ip(_network(value).ip)),
    Function(".prefixLength", (f"{CIDR} -> int",), lambda value: _network(value).network.prefixlen),
    Function(".masked", (f"{CIDR} -> {CIDR}",), lambda value: _cidr(_network(value).network)),
    Function("string", (f"{IP} -> string", f"{CIDR} -> string"), lambda value: next(iter(value.values()))),
)
