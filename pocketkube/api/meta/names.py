"""Names, labels and keys: generated and checked. Checks return upstream's sentences, an empty list where all is well."""

from __future__ import annotations

import ipaddress
import re
import secrets

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # no vowels, nothing that looks like another: no words arise by chance

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = rf"({_QUALIFIED})?"
_CONFIG_KEY = r"[-._a-zA-Z0-9]+"
_PERCENT = r"[0-9]+%"

_ENDS = "and must start and end with an alphanumeric character"
_QUALIFIED_WORDS = f"must consist of alphanumeric characters, '-', '_' or '.', {_ENDS}"

_label = re.compile(_LABEL).fullmatch
_subdomain = re.compile(_SUBDOMAIN).fullmatch
_label_1035 = re.compile(_LABEL_1035).fullmatch
_qualified = re.compile(_QUALIFIED).fullmatch
_value = re.compile(_VALUE).fullmatch
_config_key = re.compile(_CONFIG_KEY).fullmatch
_percent = re.compile(_PERCENT).fullmatch
_printable = re.compile(r"[ -<>-~]+").fullmatch


def random_suffix(length: int = 5) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def generate_name(prefix: str) -> str:
    """`web-` becomes `web-x7k2p`; the prefix is cut so that the whole fits 63 bytes."""
    return prefix[:58] + random_suffix()


def safe_encode(text: str) -> str:
    """Each byte mapped into the safe alphabet: how hashes become parts of names."""
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in text.encode())


def max_length(length: int) -> str:
    return f"must be no more than {length} bytes"


def shape(words: str, form: str, *examples: str) -> str:
    """Words, examples and the regular expression, put together as upstream does, double blank included."""
    shown = " or ".join(f"'{example}', " for example in examples)
    return (
        f"{words} (e.g. {shown}regex used for validation is '{form}')"
        if examples
        else (f"{words} (regex used for validation is '{form}')")
    )


def is_dns_label(text: str) -> list[str]:
    """RFC 1123 label: namespaces, containers, pods' hostnames."""
    wrong = [max_length(63)] if len(text) > 63 else []
    if not _label(text):
        if _subdomain(text):
            return [*wrong, "must not contain dots"]
        words = f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', {_ENDS}"
        wrong.append(shape(words, _LABEL, "my-name", "123-abc"))
    return wrong


def is_dns_subdomain(text: str) -> list[str]:
    """RFC 1123 subdomain: the names of most objects."""
    wrong = [max_length(253)] if len(text) > 253 else []
    if not _subdomain(text):
        words = (
            f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', {_ENDS}"
        )
        wrong.append(shape(words, _SUBDOMAIN, "example.com"))
    return wrong


def is_dns1035(text: str) -> list[str]:
    """RFC 1035 label: services."""
    wrong = [max_length(63)] if len(text) > 63 else []
    if not _label_1035(text):
        words = (
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character,"
            " and end with an alphanumeric character"
        )
        wrong.append(shape(words, _LABEL_1035, "my-name", "abc-123"))
    return wrong


def is_path_segment(text: str) -> list[str]:
    """What a URL can carry as one segment: RBAC roles."""
    if text in (".", ".."):
        return [f"may not be '{text}'"]
    return [f"may not contain '{bad}'" for bad in ("/", "%") if bad in text]


def is_qualified_name(text: str) -> list[str]:
    """A label or annotation key, a finalizer, a resource name: `name` or `prefix.example.com/name`."""
    if _qualified(text) and len(text) <= 63:
        return []
    wrong: list[str] = []
    prefix, slash, name = text.rpartition("/")
    if "/" in prefix:
        whole = shape(f"a qualified name {_QUALIFIED_WORDS}", _QUALIFIED, "MyName", "my.name", "123-abc")
        return [f"{whole} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    if slash:
        wrong += (
            ["prefix part must be non-empty"] if not prefix else [f"prefix part {m}" for m in is_dns_subdomain(prefix)]
        )
    if not name:
        wrong.append("name part must be non-empty")
    elif len(name) > 63:
        wrong.append(f"name part {max_length(63)}")
    if not _qualified(name):
        wrong.append(shape(f"name part {_QUALIFIED_WORDS}", _QUALIFIED, "MyName", "my.name", "123-abc"))
    return wrong


def is_label_value(text: str) -> list[str]:
    wrong = [max_length(63)] if len(text) > 63 else []
    if not _value(text):
        words = f"a valid label must be an empty string or {_QUALIFIED_WORDS.removeprefix('must ')}"
        wrong.append(shape(words, _VALUE, "MyValue", "my_value", "12345"))
    return wrong


def is_config_key(text: str) -> list[str]:
    """A key in a ConfigMap or Secret, which becomes a file name."""
    wrong = [max_length(253)] if len(text) > 253 else []
    if not _config_key(text):
        words = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        wrong.append(shape(words, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    return wrong + _dots(text)


def _dots(text: str) -> list[str]:
    if text in (".", ".."):
        return [f"must not be '{text}'"]
    return ["must not start with '..'"] if text.startswith("..") else []


def is_env_name(text: str) -> list[str]:
    """The name of an environment variable: any printable ASCII but `=`."""
    if not text:
        return ["environment variable name must be non-empty"]
    words = "a valid environment variable name must consist only of printable ASCII characters other than '='"
    return [] if _printable(text) else [words]


def is_port_name(text: str) -> list[str]:
    """RFC 6335: at most 15 of a-z, 0-9 and `-`, with a letter."""
    wrong = [max_length(15)] if len(text) > 15 else []
    if not re.fullmatch(r"[-a-z0-9]+", text):
        wrong.append("must contain only alphanumeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search(r"[a-z]", text):
        wrong.append("must contain at least one letter (a-z)")
    if "--" in text:
        wrong.append("must not contain consecutive hyphens")
    if text[:1] == "-" or text[-1:] == "-":
        wrong.append("must not begin or end with a hyphen")
    return wrong


def is_port_number(port: int) -> list[str]:
    return [] if 1 <= port <= 65535 else ["must be between 1 and 65535, inclusive"]


def is_percent(text: str) -> list[str]:
    words = "a valid percent string must be a numeric string followed by an ending '%'"
    return [] if _percent(text) else [shape(words, _PERCENT, "1%", "93%")]


def is_ip(text: str) -> list[str]:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    return []


def is_cidr(text: str) -> list[str]:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]
    return [] if "/" in text else ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]
