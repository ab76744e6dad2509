"""String formats that a custom resource's schema may demand, as upstream reads them; unknown ones are free."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from pocketkube.api.meta import times


def _parses(read: Callable[[str], Any]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            read(text)
        except (ValueError, binascii.Error):
            return False
        return True

    return check


def _matches(form: str) -> Callable[[str], bool]:
    found = re.compile(form)
    return lambda text: found.fullmatch(text) is not None


def _uri(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme) or text.startswith("/")


def _cidr(text: str) -> None:
    if "/" not in text:
        raise ValueError
    ipaddress.ip_network(text, strict=False)


_HEX = "[0-9a-fA-F]"
_DURATION_UNITS = (
    r"ns|us|µs|μs|ms|s|m|h|d|w|nanos?|micros?|millis?|seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?"
)
_HOST_LABEL = r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"


def _uuid(version: str = "[0-9a-fA-F]", variant: str = "[0-9a-fA-F]") -> Callable[[str], bool]:
    return _matches(rf"{_HEX}{{8}}-?{_HEX}{{4}}-?{version}{_HEX}{{3}}-?{variant}{_HEX}{{3}}-?{_HEX}{{12}}")


STRINGS: dict[str, Callable[[str], bool]] = {
    "bsonobjectid": _matches(rf"{_HEX}{{24}}"),
    "byte": _parses(lambda text: base64.b64decode(text, validate=True)),
    "cidr": _parses(_cidr),
    "date": _parses(lambda text: times.parse(f"{text}T00:00:00Z")),
    "date-time": _parses(times.parse),
    "datetime": _parses(times.parse),
    "duration": _matches(rf"[-+]?([0-9]*\.?[0-9]+\s*({_DURATION_UNITS})\s*)+|0"),
    "email": _matches(r"[^\s@<>]+@[^\s@<>]+"),
    "hexcolor": _matches(rf"#?({_HEX}{{3}}|{_HEX}{{6}})"),
    "hostname": lambda text: len(text) <= 253 and bool(re.fullmatch(rf"{_HOST_LABEL}(\.{_HOST_LABEL})*\.?", text)),
    "ipv4": _parses(ipaddress.IPv4Address),
    "ipv6": _parses(ipaddress.IPv6Address),
    "mac": _matches(rf"{_HEX}{{2}}([:-]{_HEX}{{2}}){{5}}(([:-]{_HEX}{{2}}){{2}})?|{_HEX}{{4}}(\.{_HEX}{{4}}){{2,3}}"),
    "uri": _uri,
    "uuid": _uuid(),
    "uuid3": _uuid("3"),
    "uuid4": _uuid("4", "[89abAB]"),
    "uuid5": _uuid("5", "[89abAB]"),
}
