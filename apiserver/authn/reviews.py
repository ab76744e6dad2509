"""TokenReview and SelfSubjectReview: pure but for asking the authenticators. The review comes back with its status."""

from __future__ import annotations

from typing import Any

from apiserver.authn.bearer import InvalidToken
from apiserver.authn.chain import UNKNOWN, Chain
from apiserver.interfaces import User
from pocketkube.api.meta import errors

Obj = dict[str, Any]


async def token_review(chain: Chain, review: Obj, *, api_audiences: tuple[str, ...] = ()) -> Obj:
    """Who `spec.token` is, for `spec.audiences` or the API's own. Raises errors.BadRequest without a token."""
    spec = review.get("spec") or {}
    token, wanted = spec.get("token") or "", tuple(spec.get("audiences") or ())
    if not token:
        raise errors.BadRequest("token is required for TokenReview in authentication")
    status: Obj = {}
    try:
        bearer = await chain.verify(token, wanted)
        # Tokens that know nothing of audiences are for the API alone.
        matched = bearer.audiences or tuple(a for a in wanted or api_audiences if a in api_audiences)
        if wanted and not matched:
            raise InvalidToken(UNKNOWN)
        status = {"authenticated": True, "user": user_info(bearer.user)}
        if matched:
            status["audiences"] = list(matched)
    except InvalidToken as invalid:
        status = {"user": {}, "error": str(invalid)}
    return {**review, "status": status}


def self_subject_review(user: User, review: Obj) -> Obj:
    """The requester's own attributes, as the server sees them."""
    return {**review, "status": {"userInfo": user_info(user)}}


def user_info(user: User) -> Obj:
    """A `User` as authentication/v1 UserInfo."""
    info: Obj = {"username": user.name}
    if user.uid:
        info["uid"] = user.uid
    if user.groups:
        info["groups"] = list(user.groups)
    if user.extra:
        info["extra"] = {key: list(values) for key, values in user.extra.items()}
    return info
