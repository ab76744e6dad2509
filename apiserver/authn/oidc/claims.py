"""Claims become a subject: names and groups by claim or by CEL expression, after every rule about them holds. Pure."""

from __future__ import annotations

from typing import Any

from apiserver.authn.bearer import InvalidToken
from apiserver.authn.oidc.settings import Issuer, Mapping, Rule
from apiserver.interfaces import User

Obj = dict[str, Any]

CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"


def subject(issuer: Issuer, claims: Obj) -> User:
    """Raises InvalidToken for claims that are missing, of a wrong type, or against a rule."""
    name = _username(issuer.username, claims)
    groups = _groups(issuer.groups, claims)
    for rule in issuer.claim_rules:
        _hold_claim(rule, claims)
    uid = _uid(issuer.uid, claims)
    extra = _extra(issuer, claims)
    if issuer.user_rules:
        user = {"username": name, "uid": uid, "groups": groups, "extra": {k: list(v) for k, v in extra.items()}}
        for rule in issuer.user_rules:
            _hold(rule.expression, rule.message, "user", user)
    return User(name, uid, tuple(dict.fromkeys([*groups, "system:authenticated"])), extra)


def _username(mapping: Mapping, claims: Obj) -> str:
    if mapping.expression:
        found = _run(mapping.expression, claims, "username")
        if not isinstance(found, str):
            raise InvalidToken("oidc: error evaluating username claim expression: expected string, got another type")
        if not found:
            raise InvalidToken("oidc: empty username via CEL expression is not allowed")
        return found
    if mapping.claim not in claims:
        raise InvalidToken(f'oidc: parse username claims "{mapping.claim}": claim not present')
    value = claims[mapping.claim]
    if not isinstance(value, str):
        raise InvalidToken(f'oidc: parse username claims "{mapping.claim}": the claim is not a string')
    if mapping.claim == "email" and "email_verified" in claims:
        verified = claims["email_verified"]
        if not isinstance(verified, bool):
            raise InvalidToken("oidc: parse 'email_verified' claim: the claim is not a boolean")
        if not verified:
            raise InvalidToken("oidc: email not verified")
    return mapping.prefix + value


def _groups(mapping: Mapping, claims: Obj) -> list[str]:
    if mapping.expression:
        return _strings(_run(mapping.expression, claims, "groups"), "oidc: error evaluating group claim expression")
    if not mapping.claim or mapping.claim not in claims:
        return []
    value = claims[mapping.claim]
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list) or not all(isinstance(g, str) for g in given):
        raise InvalidToken(f'oidc: parse groups claim "{mapping.claim}": the claim is no string and no list of strings')
    return [mapping.prefix + group for group in given]


def _uid(mapping: Mapping, claims: Obj) -> str:
    if mapping.expression:
        found = _run(mapping.expression, claims, "uid")
        if not isinstance(found, str):
            raise InvalidToken("oidc: error evaluating uid claim expression: expected string, got another type")
        return found
    if not mapping.claim:
        return ""
    found = claims.get(mapping.claim)
    if not isinstance(found, str):
        raise InvalidToken(f'oidc: parse uid claim "{mapping.claim}": claim not present or no string')
    return found


def _extra(issuer: Issuer, claims: Obj) -> dict[str, tuple[str, ...]]:
    extra: dict[str, tuple[str, ...]] = {}
    if isinstance(jti := claims.get("jti"), str) and jti:
        extra[CREDENTIAL_ID] = (f"JTI={jti}",)
    for key, expression in issuer.extra:
        what = f"oidc: error evaluating extra claim expression {expression!r}"
        if values := [v for v in _strings(_run(expression, claims, "extra"), what) if v]:
            extra[key] = tuple(values)
    return extra


def _hold_claim(rule: Rule, claims: Obj) -> None:
    if rule.expression:
        _hold(rule.expression, rule.message, "claims", claims)
        return
    if rule.claim not in claims:
        raise InvalidToken(f"oidc: required claim {rule.claim} not present in ID token")
    if claims[rule.claim] != rule.value:
        raise InvalidToken(
            f"oidc: required claim {rule.claim} value does not match. Got = {claims[rule.claim]}, want = {rule.value}"
        )


def _hold(expression: str, message: str, variable: str, value: Obj) -> None:
    from pocketkube.api import cel

    try:
        seen = cel.CLAIMS if variable == "claims" else cel.USER
        found = cel.compile_expression(expression, seen).run({variable: value})
    except cel.EvaluationError as failure:
        raise InvalidToken(f"oidc: error evaluating {variable} validation expression: {failure}") from failure
    if found is not True:
        raise InvalidToken(
            f"oidc: error evaluating {variable} validation expression: "
            f"{message or f'validation expression {expression!r} failed'}"
        )


def _run(expression: str, claims: Obj, what: str) -> Any:
    from pocketkube.api import cel

    try:
        return cel.compile_expression(expression, cel.CLAIMS).run({"claims": claims})
    except cel.EvaluationError as failure:
        raise InvalidToken(f"oidc: error evaluating {what} claim expression: {failure}") from failure


def _strings(value: Any, what: str) -> list[str]:
    """A string, a list of strings or null, as expressions for several values may give."""
    if value is None or value == "":
        return []
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list) or not all(isinstance(v, str) for v in given):
        raise InvalidToken(f"{what}: the result is no string and no list of strings")
    return given
