"""The file of --authentication-config: YAML in, the issuers that are trusted and who may stay anonymous out; or what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from apiserver.authn.oidc.settings import Issuer, Mapping, Rule
from apiserver.configfile import read
from pocketkube.api.kinds import expressions
from pocketkube.api.meta import field

Obj = dict[str, Any]

KIND = "AuthenticationConfiguration"
MOST_ISSUERS = 64
_VALUES = ("string", "list", "null_type")  # of an expression that maps claims


@dataclass(frozen=True, kw_only=True, slots=True)
class Authentication:
    """`anonymous` None leaves it to the flag, False is nobody; `anonymous_paths` () is every path."""

    issuers: tuple[Issuer, ...] = ()
    anonymous: bool | None = None
    anonymous_paths: tuple[str, ...] = ()


def parse(text: str) -> Authentication:
    """Raises ValueError with every mistake in the file."""
    found = read(text, KIND)
    jwt, anonymous = found.get("jwt") or [], found.get("anonymous")
    wrong = list(_errors(jwt))
    if wrong:
        raise ValueError("; ".join(str(e) for e in wrong))
    return Authentication(
        issuers=tuple(_issuer(entry) for entry in jwt),
        anonymous=None if anonymous is None else bool(anonymous.get("enabled")),
        anonymous_paths=tuple(c.get("path", "") for c in (anonymous or {}).get("conditions") or ()),
    )


def _issuer(entry: Obj) -> Issuer:
    given, mappings = entry["issuer"], entry.get("claimMappings") or {}
    return Issuer(
        url=given["url"],
        audiences=tuple(given["audiences"]),
        discovery_url=given.get("discoveryURL") or "",
        ca=given.get("certificateAuthority") or "",
        username=_mapping(mappings.get("username")),
        groups=_mapping(mappings.get("groups")),
        uid=_mapping(mappings.get("uid")),
        extra=tuple((e["key"], e["valueExpression"]) for e in mappings.get("extra") or ()),
        claim_rules=tuple(
            Rule(
                claim=r.get("claim") or "",
                value=r.get("requiredValue") or "",
                expression=r.get("expression") or "",
                message=r.get("message") or "",
            )
            for r in entry.get("claimValidationRules") or ()
        ),
        user_rules=tuple(
            Rule(expression=r["expression"], message=r.get("message") or "")
            for r in entry.get("userValidationRules") or ()
        ),
    )


def _mapping(given: Obj | None) -> Mapping:
    given = given or {}
    return Mapping(
        claim=given.get("claim") or "", prefix=given.get("prefix") or "", expression=given.get("expression") or ""
    )


def _errors(jwt: list[Obj]) -> Iterator[field.FieldError]:
    if len(jwt) > MOST_ISSUERS:
        yield field.too_many("jwt", len(jwt), MOST_ISSUERS)
    urls: set[str] = set()
    discovery: set[str] = set()
    for i, entry in enumerate(jwt):
        path, issuer = f"jwt[{i}]", entry.get("issuer") or {}
        yield from _issuer_errors(f"{path}.issuer", issuer)
        for name, seen in (("url", urls), ("discoveryURL", discovery)):
            if value := issuer.get(name):
                if value in seen:
                    yield field.duplicate(f"{path}.issuer.{name}", value)
                seen.add(value)
        yield from _rule_errors(f"{path}.claimValidationRules", entry.get("claimValidationRules") or [])
        yield from _mapping_errors(f"{path}.claimMappings", entry)
        for j, rule in enumerate(entry.get("userValidationRules") or ()):
            where = f"{path}.userValidationRules[{j}].expression"
            yield from _expression_errors(where, rule.get("expression") or "", "user", ("bool",))


def _issuer_errors(path: str, issuer: Obj) -> Iterator[field.FieldError]:
    yield from _url_errors(f"{path}.url", issuer.get("url") or "", required="URL is required")
    if discovery := issuer.get("discoveryURL"):
        if discovery.rstrip("/") == (issuer.get("url") or "").rstrip("/"):
            yield field.invalid(f"{path}.discoveryURL", discovery, "discoveryURL must be different from URL")
        yield from _url_errors(f"{path}.discoveryURL", discovery, required="")
    audiences = issuer.get("audiences") or []
    if not audiences:
        yield field.required(f"{path}.audiences", "at least one jwt.issuer.audiences is required")
    for i, audience in enumerate(audiences):
        if not audience:
            yield field.required(f"{path}.audiences[{i}]", "audience can't be empty")
    policy = issuer.get("audienceMatchPolicy") or ""
    if len(audiences) > 1 and policy != "MatchAny":
        why = "audienceMatchPolicy must be MatchAny for multiple audiences"
        yield field.invalid(f"{path}.audienceMatchPolicy", policy, why)
    if policy not in ("", "MatchAny"):
        why = "audienceMatchPolicy must be empty or MatchAny for single audience"
        yield field.invalid(f"{path}.audienceMatchPolicy", policy, why)
    if ca := issuer.get("certificateAuthority"):
        yield from _authority_errors(f"{path}.certificateAuthority", ca)


def _url_errors(path: str, url: str, *, required: str) -> Iterator[field.FieldError]:
    if not url:
        if required:
            yield field.required(path, required)
        return
    parts = urlsplit(url)
    if parts.scheme != "https":
        yield field.invalid(path, url, "URL scheme must be https")
    if parts.username is not None:
        yield field.invalid(path, url, "URL must not contain a username or password")
    if parts.query:
        yield field.invalid(path, url, "URL must not contain a query")
    if parts.fragment:
        yield field.invalid(path, url, "URL must not contain a fragment")


def _authority_errors(path: str, pem: str) -> Iterator[field.FieldError]:
    from cryptography.x509 import load_pem_x509_certificates

    try:
        load_pem_x509_certificates(pem.encode())
    except ValueError:
        yield field.invalid(path, "<omitted>", "data does not contain any valid RSA or ECDSA certificates")


def _rule_errors(path: str, rules: list[Obj]) -> Iterator[field.FieldError]:
    seen: set[str] = set()
    for i, rule in enumerate(rules):
        where, claim, expression = f"{path}[{i}]", rule.get("claim") or "", rule.get("expression") or ""
        if claim and expression:
            yield field.invalid(where, expression, "claim and expression can't both be set")
        elif not claim and not expression:
            yield field.required(where, "claim or expression is required")
        elif claim:
            if rule.get("message"):
                yield field.invalid(f"{where}.message", rule["message"], "message can't be set when claim is set")
            if claim in seen:
                yield field.duplicate(f"{where}.claim", claim)
            seen.add(claim)
        else:
            if rule.get("requiredValue"):
                why = "requiredValue can't be set when expression is set"
                yield field.invalid(f"{where}.requiredValue", rule["requiredValue"], why)
            yield from _expression_errors(f"{where}.expression", expression, "claims", ("bool",))


def _mapping_errors(path: str, entry: Obj) -> Iterator[field.FieldError]:
    mappings = entry.get("claimMappings") or {}
    username = mappings.get("username") or {}
    if not username.get("claim") and not username.get("expression"):
        yield field.required(f"{path}.username", "claim or expression is required")
    for name in ("username", "groups", "uid"):
        given = mappings.get(name) or {}
        claim, expression, prefix = given.get("claim"), given.get("expression"), given.get("prefix")
        if claim and expression:
            yield field.invalid(f"{path}.{name}", "", "claim and expression can't both be set")
        if expression:
            if prefix is not None:
                yield field.invalid(f"{path}.{name}.prefix", prefix, "prefix can't be set when expression is set")
            yield from _expression_errors(f"{path}.{name}.expression", expression, "claims", _VALUES)
        elif claim and prefix is None and name != "uid":
            why = "prefix is required when claim is set. It can be set to an empty string to disable prefixing"
            yield field.required(f"{path}.{name}.prefix", why)
    yield from _email_errors(f"{path}.username.expression", entry)
    yield from _extra_errors(f"{path}.extra", mappings.get("extra") or [])


def _email_errors(path: str, entry: Obj) -> Iterator[field.FieldError]:
    """Whoever is known by an address must have shown that it is theirs."""
    mappings = entry.get("claimMappings") or {}
    expression = (mappings.get("username") or {}).get("expression") or ""
    others = [e.get("valueExpression") or "" for e in mappings.get("extra") or ()]
    others += [r.get("expression") or "" for r in entry.get("claimValidationRules") or ()]
    mentions = re.compile(r"claims\??\.\??email_verified\b|claims\[\??['\"]email_verified['\"]\]")
    if re.search(r"claims\.\??email\b|claims\[\??['\"]email['\"]\]", expression) and not any(
        mentions.search(text) for text in (expression, *others)
    ):
        why = (
            "claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression "
            "or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression"
        )
        yield field.invalid(path, expression, why)


_EXTRA_KEY = re.compile(
    r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/[A-Za-z0-9_.%:~!$&'()*+,;=@/-]+"
)


def _extra_errors(path: str, extra: list[Obj]) -> Iterator[field.FieldError]:
    seen: set[str] = set()
    for i, entry in enumerate(extra):
        key, where = entry.get("key") or "", f"{path}[{i}]"
        domain = key.partition("/")[0]
        if not key:
            yield field.required(f"{where}.key", "key is required")
        elif key != key.lower():
            yield field.invalid(f"{where}.key", key, "must be lowercase")
        elif not _EXTRA_KEY.fullmatch(key):
            yield field.invalid(f"{where}.key", key, "must be a domain-prefixed path (such as 'acme.io/foo')")
        elif domain in ("k8s.io", "kubernetes.io") or domain.endswith((".k8s.io", ".kubernetes.io")):
            why = "k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use"
            yield field.invalid(f"{where}.key", key, why)
        elif key in seen:
            yield field.duplicate(f"{where}.key", key)
        seen.add(key)
        if not entry.get("valueExpression"):
            yield field.required(f"{where}.valueExpression", "valueExpression is required")
        else:
            yield from _expression_errors(f"{where}.valueExpression", entry["valueExpression"], "claims", _VALUES)


def _expression_errors(
    path: str, expression: str, seen: Literal["claims", "user"], gives: tuple[str, ...]
) -> Iterator[field.FieldError]:
    """`seen`: what it is over; `gives`: the types that its value may have."""
    if not expression:
        yield field.required(path, "expression is required")
        return
    from pocketkube.api.cel.variables import CLAIMS, USER

    yield from expressions.compiled(path, expression, CLAIMS if seen == "claims" else USER, gives=gives)
