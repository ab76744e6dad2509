"""The OIDC documents by which others verify service-account tokens: keys in, the bodies of two well-known URLs out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiserver.authn import keys

Obj = dict[str, Any]

CONFIGURATION_PATH = "/.well-known/openid-configuration"
JWKS_PATH = "/openid/v1/jwks"
JWKS_TYPE = "application/jwk-set+json"


def configuration(issuer: str, public_keys: Sequence[bytes], *, jwks_uri: str) -> Obj:
    """The body of /.well-known/openid-configuration. `jwks_uri` is the keys' full URL as clients reach it."""
    algorithms = sorted({key["alg"] for key in jwks(public_keys)["keys"]})
    return {
        "issuer": issuer,
        "jwks_uri": jwks_uri,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algorithms,
    }


def jwks(public_keys: Sequence[bytes]) -> Obj:
    """The body of /openid/v1/jwks: every verification key once. `public_keys` are PEM files' contents."""
    found = [keys.jwk(key) for pem in public_keys for key in keys.public_keys(pem)]
    return {"keys": list({key["kid"]: key for key in found}.values())}
