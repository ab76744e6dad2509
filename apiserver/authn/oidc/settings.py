"""What one issuer of ID tokens is trusted for: from the --oidc-* flags here, from a file in `authn.configuration`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ALL_ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512")


@dataclass(frozen=True, kw_only=True, slots=True)
class Mapping:
    """Where a value comes from: a claim's name with what is put before each value, or a CEL expression over `claims`."""

    claim: str = ""
    prefix: str = ""
    expression: str = ""

    def __bool__(self) -> bool:
        return bool(self.claim or self.expression)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """What must be true: a claim's value, or a CEL expression; `message` is said where the expression is false."""

    claim: str = ""
    value: str = ""
    expression: str = ""
    message: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Issuer:
    """`ca` is PEM, "" for the system's authorities. `discovery_url` "" is the well-known path below `url`."""

    url: str
    audiences: tuple[str, ...]
    discovery_url: str = ""
    ca: str = ""
    algorithms: tuple[str, ...] = ALL_ALGORITHMS
    username: Mapping = Mapping(claim="sub")
    groups: Mapping = Mapping()
    uid: Mapping = Mapping()
    extra: tuple[tuple[str, str], ...] = ()  # (key, expression)
    claim_rules: tuple[Rule, ...] = ()
    user_rules: tuple[Rule, ...] = ()

    @property
    def configuration_url(self) -> str:
        return self.discovery_url or self.url.rstrip("/") + "/.well-known/openid-configuration"


def of_flags(
    url: str,
    client_id: str,
    *,
    username_claim: str = "sub",
    username_prefix: str = "",
    groups_claim: str = "",
    groups_prefix: str = "",
    required_claims: Sequence[str] = (),
    algorithms: Sequence[str] = ("RS256",),
    ca: str = "",
) -> Issuer:
    """The issuer of the --oidc-* flags. Raises ValueError for flags that contradict each other."""
    if not url or not client_id:
        raise ValueError("oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set")
    if not url.startswith("https://"):
        raise ValueError(f"'oidc-issuer-url' ({url!r}) has invalid scheme, require 'https'")
    for name in algorithms:
        if name not in ALL_ALGORITHMS:
            raise ValueError(f"oidc: unsupported signing alg: {name!r}")
    if username_prefix == "-":
        prefix = ""
    else:
        prefix = username_prefix or ("" if username_claim == "email" else f"{url}#")
    return Issuer(
        url=url,
        audiences=(client_id,),
        ca=ca,
        algorithms=tuple(algorithms),
        username=Mapping(claim=username_claim, prefix=prefix),
        groups=Mapping(claim=groups_claim, prefix=groups_prefix),
        claim_rules=tuple(_required(text) for text in required_claims),
    )


def _required(text: str) -> Rule:
    claim, equals, value = text.partition("=")
    if not claim or not equals:
        raise ValueError(f"oidc-required-claim {text!r} is not KEY=VALUE")
    return Rule(claim=claim, value=value)
