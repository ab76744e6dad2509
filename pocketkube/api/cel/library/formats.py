"""Forms of text by name: `!format.dns1123Label().validate(self.name).hasValue()`; what is wrong is a list of sentences."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime

from pocketkube.api.cel.library import urls
from pocketkube.api.cel.library.function import FORMAT, Function, Marked
from pocketkube.api.meta import names

Check = Callable[[str], list[str]]

_UUID = re.compile(r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
_DATETIME = re.compile(r"\d{4}-\d\d-\d\d[Tt](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


def _prefix(check: Check) -> Check:
    """Of names that a suffix is put to: they may end in a dash."""
    return lambda text: check(f"{text[:-1]}a" if text.endswith("-") else text)


def _uri(text: str) -> list[str]:
    try:
        urls.FUNCTIONS[0].run(text)
    except ValueError as wrong:
        return [str(wrong).removeprefix("URL parse error during conversion from string: ")]
    return []


def _unless(holds: Callable[[str], object], words: str) -> Check:
    def check(text: str) -> list[str]:
        try:
            return [] if holds(text) else [words]
        except (ValueError, binascii.Error):
            return [words]

    return check


def _is_datetime(text: str) -> bool:
    found = _DATETIME.fullmatch(text)
    if found is None:
        return False
    datetime.strptime(f"{text[:10]} {found[1]}", "%Y-%m-%d %H:%M:%S")
    return True


def _is_date(text: str) -> bool:
    return len(text) == 10 and bool(date.fromisoformat(text))


FORMATS: Mapping[str, Check] = {
    "dns1123Label": names.is_dns_label,
    "dns1123Subdomain": names.is_dns_subdomain,
    "dns1035Label": names.is_dns1035,
    "qualifiedName": names.is_qualified_name,
    "dns1123LabelPrefix": _prefix(names.is_dns_label),
    "dns1123SubdomainPrefix": _prefix(names.is_dns_subdomain),
    "dns1035LabelPrefix": _prefix(names.is_dns1035),
    "labelValue": names.is_label_value,
    "uri": _uri,
    "uuid": _unless(_UUID.fullmatch, "does not match the UUID format"),
    "byte": _unless(lambda text: text and base64.b64decode(text, validate=True) is not None, "invalid base64"),
    "date": _unless(_is_date, "invalid date"),
    "datetime": _unless(_is_datetime, "invalid datetime"),
}


def _named(name: str) -> Marked:
    return {"~format": name} if name in FORMATS else {}


def _getter(name: str) -> Callable[[], Marked]:
    return lambda: {"~format": name}


FUNCTIONS = (
    *(Function(f"format.{name}", (f" -> {FORMAT}",), _getter(name)) for name in FORMATS),
    Function("format.named", (f"string -> optional_type<{FORMAT}>",), _named),
    Function(
        ".validate",
        (f"{FORMAT}, string -> optional_type<list<string>>",),
        lambda of, text: FORMATS[of["~format"]](text),
    ),
)
