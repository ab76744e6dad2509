"""Distributed claims: groups that an ID token only points to, as a JWT behind a URL of the issuer's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from apiserver.authn.bearer import InvalidToken
from apiserver.authn.oidc.provider import FetchFailed, Provider

Obj = dict[str, Any]


async def resolved(claims: Obj, name: str, provider: Provider, verify: Callable[[str], Awaitable[Obj]]) -> Obj:
    """`claims` with claim `name` fetched from where `_claim_names` and `_claim_sources` say. Raises InvalidToken."""
    names, sources = claims.get("_claim_names"), claims.get("_claim_sources")
    if not name or name in claims or not isinstance(names, dict) or name not in names:
        return claims
    source = sources.get(names[name]) if isinstance(sources, dict) else None
    if not isinstance(source, dict):
        raise InvalidToken(f'oidc: no source for the distributed claim "{name}"')
    if "JWT" in source:
        return claims  # an aggregated claim: not asked for
    url = source.get("endpoint")
    if not isinstance(url, str) or not url.startswith("https://"):
        raise InvalidToken(f'oidc: the endpoint of the distributed claim "{name}" is no https URL')
    try:
        _, body = await provider.get_json(url, token=str(source.get("access_token") or ""))
    except FetchFailed as failure:
        raise InvalidToken(f'oidc: while getting the distributed claim "{name}": {failure}') from failure
    fetched = await verify(body.decode("ascii", "replace").strip())
    if name not in fetched:
        raise InvalidToken(f'oidc: the distributed claim "{name}" is not in what its source answers')
    return {**claims, name: fetched[name]}
