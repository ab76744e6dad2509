"""Who asks: a request's headers and client certificate in, a `User` out, or 401. `build` composes it from the server's flags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from apiserver.authn.bearer import BearerAuthenticator
from apiserver.authn.bootstrap import BootstrapTokens
from apiserver.authn.chain import ANONYMOUS, Chain
from apiserver.authn.requestheader import RequestHeader
from apiserver.authn.serviceaccount import ServiceAccountTokens
from apiserver.authn.tokenfile import TokenFile
from apiserver.authn.trusted import TrustedIssuers
from apiserver.authn.webhook import WebhookTokens
from apiserver.authn.x509 import ClientCertificates
from apiserver.interfaces import Authorizer, Cluster

__all__ = ["ANONYMOUS", "AuthnConfig", "Chain", "RequestHeader", "build"]


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthnConfig:
    """What the flags say. Keys and CAs are PEM bytes; `issuers[0]` is what new service-account tokens carry."""

    cluster: Cluster
    client_ca: bytes = b""
    service_account_keys: Sequence[bytes] = ()
    issuers: Sequence[str] = ()
    audiences: Sequence[str] = ()
    bootstrap_tokens: bool = False
    token_file: str = ""
    trusted: TrustedIssuers | None = None  # of ID tokens
    webhook: WebhookTokens | None = None
    request_header: RequestHeader | None = None
    anonymous: bool = True
    authorizer: Authorizer | None = None  # decides impersonation; None ignores its headers


def build(config: AuthnConfig) -> Chain:
    """The server's `Authenticator`. Raises OSError or ValueError for a token file that cannot be read."""
    bearers: list[BearerAuthenticator] = []
    if config.token_file:
        bearers.append(TokenFile.read(config.token_file))
    if config.service_account_keys:
        tokens = ServiceAccountTokens(
            config.cluster, config.service_account_keys, issuers=config.issuers, audiences=config.audiences
        )
        bearers.append(tokens)
    if config.bootstrap_tokens:
        bearers.append(BootstrapTokens(config.cluster))
    if config.trusted is not None:
        bearers.append(config.trusted)
    if config.webhook is not None:
        bearers.append(config.webhook)
    proxy = config.request_header
    return Chain(
        ClientCertificates(config.client_ca, proxy.client_ca if proxy else b""),
        bearers,
        request_header=proxy,
        anonymous=_anonymous(config),
        authorizer=config.authorizer,
    )


def _anonymous(config: AuthnConfig) -> Callable[[str], bool]:
    """Whether a request for a path may come without a name: what the file says goes before the flag."""
    flag, trusted = config.anonymous, config.trusted

    def allowed(path: str) -> bool:
        said = trusted.settings if trusted is not None else None
        if said is None or said.anonymous is None:
            return flag
        return said.anonymous and (not said.anonymous_paths or path in said.anonymous_paths)

    return allowed
