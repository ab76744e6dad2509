"""The front proxy's headers: a trusted proxy that authenticated the client itself says who it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from apiserver.interfaces import User

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestHeader:
    """--requestheader-*: the CA (PEM) of the proxies, the names allowed (() is any), and the header names, lower case."""

    client_ca: bytes
    allowed_names: tuple[str, ...] = ()
    username_headers: tuple[str, ...] = ("x-remote-user",)
    uid_headers: tuple[str, ...] = ("x-remote-uid",)
    group_headers: tuple[str, ...] = ("x-remote-group",)
    extra_prefixes: tuple[str, ...] = ("x-remote-extra-",)

    def user(self, headers: Headers, proxy: str | None) -> User | None:
        """The subject that `proxy` (its verified common name) vouches for; None where it does not."""
        if proxy is None or (self.allowed_names and proxy not in self.allowed_names):
            return None
        name = _first(headers, self.username_headers)
        if not name:
            return None
        groups = [v for h in self.group_headers for v in values(headers, h.encode())]
        extra: dict[str, tuple[str, ...]] = {}
        for prefix in self.extra_prefixes:
            extra.update(prefixed(headers, prefix.encode()))
        return User(
            name, _first(headers, self.uid_headers), tuple(dict.fromkeys([*groups, "system:authenticated"])), extra
        )


def values(headers: Headers, name: bytes) -> list[str]:
    """Every value of a header, in order."""
    return [v.decode("latin-1") for n, v in headers if n == name]


def prefixed(headers: Headers, prefix: bytes) -> dict[str, tuple[str, ...]]:
    """Values by what follows `prefix` in the header's name, percent-decoded and lower case, as extra keys travel."""
    found: dict[str, tuple[str, ...]] = {}
    for name, value in headers:
        if name.startswith(prefix):
            key = unquote(name[len(prefix) :].decode("latin-1")).lower()
            found[key] = (*found.get(key, ()), value.decode("latin-1"))
    return found


def _first(headers: Headers, names: Sequence[str]) -> str:
    for name in names:
        for value in values(headers, name.encode()):
            if value:
                return value
    return ""
