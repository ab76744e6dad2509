"""What Kubernetes adds to CEL: quantities, URLs, IP addresses, regular expressions, lists, sets and the authorizer.

Values of these types are maps with one marked key, `{"~quantity": "1Gi"}`: the evaluator passes maps through unchanged.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import re2

from pocketkube.api.cel import authorizer, versions
from pocketkube.api.meta import quantity

_MOST_COUNTED = 1_000_000
Marked = dict[str, Any]
Function = tuple[str, tuple[str, ...], str, Callable[..., Any]]


def _quantity(text: str) -> Marked:
    return _quantity_of(quantity.parse(text))


def _amount(value: Any) -> Decimal:
    return quantity.parse(value["~quantity"]) if isinstance(value, dict) else Decimal(value)


def _quantity_of(amount: Decimal) -> Marked:
    return {"~quantity": f"{amount.normalize():f}"}  # one text for one amount: 1 equals 1000m


def _succeeds(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return check


def _compare(one: Any, other: Any) -> int:
    left: Any
    right: Any
    if isinstance(one, dict) and "~semver" in one:
        left, right = versions.of(one), versions.of(other)
    else:
        left, right = _amount(one), _amount(other)
    return int(left > right) - int(left < right)


def _integer(value: Marked) -> int:
    amount = _amount(value)
    if amount != int(amount) or abs(amount) >= 2**63:
        raise ValueError("cannot convert value to integer")
    return int(amount)


def _url(text: str) -> Marked:
    parts = urlsplit(text)
    if not (parts.scheme and (parts.netloc or parts.path)) and not text.startswith("/"):
        raise ValueError(f"URL parse error during conversion from string: parse {text!r}: invalid URI for request")
    return {"~url": text}


def _split(value: Marked) -> Any:
    return urlsplit(value["~url"])


def _ip(value: Any) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    text = value["~ip"] if isinstance(value, dict) else value
    found = ipaddress.ip_address(text)
    if "%" in text or (isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped):
        raise ValueError(f"IP Address {text!r} has a zone or is an IPv4-mapped IPv6 address")
    return found


def _network(value: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(value["~cidr"] if isinstance(value, dict) else value, strict=False)


def _contains_cidr(outer: Marked, inner: Any) -> bool:
    one, other = _network(outer), _network(inner)
    return one.version == other.version and other.subnet_of(one)  # type: ignore[arg-type]


def _index_of(items: list[Any], item: Any) -> int:
    return items.index(item) if item in items else -1


def _last_index_of(items: list[Any], item: Any) -> int:
    return len(items) - 1 - items[::-1].index(item) if item in items else -1


def _find(text: str, pattern: str) -> str:
    found = re2.search(pattern, text)
    return found[0] if found else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [m[0] for m in re2.finditer(pattern, text)]
    return found if limit < 0 else found[:limit]


def _distinct(items: list[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if item not in found:
            found.append(item)
    return found


def _flatten(items: list[Any], depth: int = 1) -> list[Any]:
    if depth < 0:
        raise ValueError("level must be non-negative")
    if not depth:
        return items
    found: list[Any] = []
    for item in items:
        found.extend(_flatten(item, depth - 1) if isinstance(item, list) else [item])
    return found


def _slice(items: list[Any], start: int, end: int) -> list[Any]:
    if not 0 <= start <= end <= len(items):
        raise ValueError(f"cannot slice({start}, {end}), list is length {len(items)}")
    return items[start:end]


def _range(count: int) -> list[int]:
    if count > _MOST_COUNTED:
        raise ValueError(f"lists.range({count}) is too long")
    return list(range(count))


def _sum(items: list[Any]) -> Any:
    if not items or isinstance(items[0], int | float):
        return sum(items)
    return sum(items[1:], items[0])


def _least(items: list[Any]) -> Any:
    if not items:
        raise ValueError("min called on empty list")
    return min(items)


def _greatest(items: list[Any]) -> Any:
    if not items:
        raise ValueError("max called on empty list")
    return max(items)


def _port(value: Marked) -> str:
    port = _split(value).port
    return "" if port is None else str(port)


def _escape_key(text: str) -> str:
    return text.replace("~", "~0").replace("/", "~1")


def _functions() -> Iterator[Function]:
    """(name, parameter types, result type, implementation); a name that starts with a dot is a method."""
    yield "quantity", ("string",), "dyn", _quantity
    yield "isQuantity", ("string",), "bool", _succeeds(quantity.parse)
    yield ".isGreaterThan", ("dyn", "dyn"), "bool", lambda a, b: _compare(a, b) > 0
    yield ".isLessThan", ("dyn", "dyn"), "bool", lambda a, b: _compare(a, b) < 0
    yield ".compareTo", ("dyn", "dyn"), "int", _compare
    yield ".sign", ("dyn",), "int", lambda a: _compare(a, 0)
    yield ".add", ("dyn", "dyn"), "dyn", lambda a, b: _quantity_of(_amount(a) + _amount(b))
    yield ".sub", ("dyn", "dyn"), "dyn", lambda a, b: _quantity_of(_amount(a) - _amount(b))
    yield ".isInteger", ("dyn",), "bool", lambda a: _amount(a) == int(_amount(a))
    yield ".asInteger", ("dyn",), "int", _integer
    yield ".asApproximateFloat", ("dyn",), "double", lambda a: float(_amount(a))
    yield "url", ("string",), "dyn", _url
    yield "isURL", ("string",), "bool", _succeeds(_url)
    yield ".getScheme", ("dyn",), "string", lambda u: _split(u).scheme
    yield ".getHost", ("dyn",), "string", lambda u: _split(u).netloc.rpartition("@")[2]
    yield ".getHostname", ("dyn",), "string", lambda u: _split(u).hostname or ""
    yield ".getPort", ("dyn",), "string", _port
    yield ".getEscapedPath", ("dyn",), "string", lambda u: _split(u).path
    yield ".getQuery", ("dyn",), "dyn", lambda u: parse_qs(_split(u).query, keep_blank_values=True)
    yield "ip", ("string",), "dyn", lambda t: {"~ip": str(_ip(t))}
    yield "isIP", ("string",), "bool", _succeeds(_ip)
    yield "ip.isCanonical", ("string",), "bool", lambda t: str(_ip(t)) == t
    yield ".family", ("dyn",), "int", lambda a: _ip(a).version
    yield ".isUnspecified", ("dyn",), "bool", lambda a: _ip(a).is_unspecified
    yield ".isLoopback", ("dyn",), "bool", lambda a: _ip(a).is_loopback
    yield ".isLinkLocalUnicast", ("dyn",), "bool", lambda a: _ip(a).is_link_local
    yield ".isLinkLocalMulticast", ("dyn",), "bool", lambda a: _ip(a).is_multicast and _ip(a).is_link_local
    yield ".isGlobalUnicast", ("dyn",), "bool", lambda a: not (_ip(a).is_multicast or _ip(a).is_loopback)
    yield "cidr", ("string",), "dyn", lambda t: {"~cidr": t if _network(t) else ""}
    yield "isCIDR", ("string",), "bool", _succeeds(_network)
    yield ".containsIP", ("dyn", "dyn"), "bool", lambda c, a: _ip(a) in _network(c)
    yield ".containsCIDR", ("dyn", "dyn"), "bool", _contains_cidr
    yield ".ip", ("dyn",), "dyn", lambda c: {"~ip": str(ipaddress.ip_interface(c["~cidr"]).ip)}
    yield ".prefixLength", ("dyn",), "int", lambda c: _network(c).prefixlen
    yield ".masked", ("dyn",), "dyn", lambda c: {"~cidr": str(_network(c))}
    yield ".find", ("string", "string"), "string", _find
    yield ".findAll", ("string", "string"), "list(string)", _find_all
    yield ".findAll", ("string", "string", "int"), "list(string)", _find_all
    yield ".isSorted", ("list(dyn)",), "bool", lambda items: items == sorted(items)
    yield ".sum", ("list(dyn)",), "dyn", _sum
    yield ".min", ("list(dyn)",), "dyn", _least
    yield ".max", ("list(dyn)",), "dyn", _greatest
    yield ".indexOf", ("list(dyn)", "dyn"), "int", _index_of
    yield ".lastIndexOf", ("list(dyn)", "dyn"), "int", _last_index_of
    yield ".distinct", ("list(dyn)",), "list(dyn)", _distinct
    yield ".flatten", ("list(dyn)",), "list(dyn)", _flatten
    yield ".flatten", ("list(dyn)", "int"), "list(dyn)", _flatten
    yield ".slice", ("list(dyn)", "int", "int"), "list(dyn)", _slice
    yield ".sort", ("list(dyn)",), "list(dyn)", sorted
    yield ".reverse", ("list(dyn)",), "list(dyn)", lambda items: items[::-1]
    yield "lists.range", ("int",), "list(dyn)", _range
    yield "sets.contains", ("list(dyn)", "list(dyn)"), "bool", lambda a, b: all(x in a for x in b)
    yield "sets.intersects", ("list(dyn)", "list(dyn)"), "bool", lambda a, b: any(x in a for x in b)
    yield (
        "sets.equivalent",
        ("list(dyn)", "list(dyn)"),
        "bool",
        lambda a, b: all(x in a for x in b) and all(x in b for x in a),
    )
    yield "jsonpatch.escapeKey", ("string",), "string", _escape_key
    yield from versions.functions()
    yield from authorizer.functions()


def extension() -> Any:
    """The library as an extension of the evaluator."""
    from cel_expr_python import cel

    kinds = {
        "dyn": cel.Type.DYN,
        "string": cel.Type.STRING,
        "bool": cel.Type.BOOL,
        "int": cel.Type.INT,
        "double": cel.Type.DOUBLE,
        "list(dyn)": cel.Type.List(cel.Type.DYN),
        "list(string)": cel.Type.List(cel.Type.STRING),
    }
    overloads: dict[str, list[Any]] = {}
    for number, (name, parameters, result, implementation) in enumerate(_functions()):
        overload = cel.Overload(
            f"pocketkube_{number}",
            return_type=kinds[result],
            parameters=[kinds[p] for p in parameters],
            is_member=name.startswith("."),
            impl=implementation,
        )
        overloads.setdefault(name.lstrip("."), []).append(overload)
    return cel.CelExtension("kubernetes", [cel.FunctionDecl(name, found) for name, found in overloads.items()])
