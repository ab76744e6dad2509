"""What a function of the library is: its name, its types as expressions are checked by, and what is done when it is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Marked = dict[
    str, Any
]  # a value of a Kubernetes type: a map with one marked key, which the evaluator passes through unchanged

QUANTITY, SEMVER, URL = "kubernetes.Quantity", "kubernetes.Semver", "kubernetes.URL"
IP, CIDR, FORMAT = "net.IP", "net.CIDR", "kubernetes.NamedFormat"
AUTHORIZER, PATH_CHECK, GROUP_CHECK, RESOURCE_CHECK, DECISION = (
    f"kubernetes.authorization.{name}"
    for name in ("Authorizer", "PathCheck", "GroupCheck", "ResourceCheck", "Decision")
)
OPAQUE = (QUANTITY, SEMVER, URL, IP, CIDR, FORMAT, AUTHORIZER, PATH_CHECK, GROUP_CHECK, RESOURCE_CHECK, DECISION)


class Function(NamedTuple):
    """`name` starts with a dot for a method. A signature is `string, int -> list<string>`; `run` serves all of them.

    What `run` raises is the expression's failure. One whose type says that it may give nothing (`optional_type<...>`) gives
    something empty then."""

    name: str
    signatures: tuple[str, ...]
    run: Callable[..., Any]


def parameters(signature: str) -> list[str]:
    """The types before the arrow; commas inside of brackets are no borders."""
    found, depth, start = [], 0, 0
    head = signature.partition("->")[0].strip()
    for at, letter in enumerate(head):
        depth += (letter == "<") - (letter == ">")
        if letter == "," and not depth:
            found.append(head[start:at].strip())
            start = at + 1
    return [*found, head[start:].strip()] if head else []


def result(signature: str) -> str:
    return signature.partition("->")[2].strip()


def succeeds(parse: Callable[..., Any]) -> Callable[..., bool]:
    """Whether `parse` takes something."""

    def check(*given: Any) -> bool:
        try:
            parse(*given)
        except ValueError:
            return False
        return True

    return check
