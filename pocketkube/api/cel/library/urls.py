"""URLs, absolute or a path: `url("https://example.com/a?b=c").getHost()`."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from pocketkube.api.cel.library.function import URL, Function, Marked, succeeds

_FAILED = "URL parse error during conversion from string: parse"


def _parse(text: str) -> Marked:
    """As Go's ParseRequestURI: absolute, or a path from the root."""
    if not text:
        raise ValueError(f'{_FAILED} "": empty url')
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as wrong:
        raise ValueError(f'{_FAILED} "{text}": {wrong}') from None
    if not text.startswith("/") and not (parts.scheme and text[len(parts.scheme) + 1 :].startswith("/")):
        raise ValueError(f'{_FAILED} "{text}": invalid URI for request')
    if any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in text) or " " in parts.netloc:
        raise ValueError(f'{_FAILED} "{text}": net/url: invalid control character in URL')
    return {"~url": text}


def _split(value: Marked) -> Any:
    return urlsplit(value["~url"])


def _host(value: Marked) -> str:
    return str(_split(value).netloc.rpartition("@")[2])


def _hostname(value: Marked) -> str:
    host = _host(value)
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _port(value: Marked) -> str:
    port = _split(value).port
    return "" if port is None else str(port)


def _path(value: Marked) -> str:
    return (
        quote(unquote(_split(value).path), safe="/:@!$&'()*+,;=-._~%")
        if "%" not in _split(value).path
        else str(_split(value).path)
    )


FUNCTIONS = (
    Function("url", (f"string -> {URL}",), _parse),
    Function("isURL", ("string -> bool",), succeeds(_parse)),
    Function(".getScheme", (f"{URL} -> string",), lambda value: _split(value).scheme),
    Function(".getHost", (f"{URL} -> string",), _host),
    Function(".getHostname", (f"{URL} -> string",), _hostname),
    Function(".getPort", (f"{URL} -> string",), _port),
    Function(".getEscapedPath", (f"{URL} -> string",), _path),
    Function(
        ".getQuery",
        (f"{URL} -> map<string, list<string>>",),
        lambda value: parse_qs(_split(value).query, keep_blank_values=True),
    ),
)
