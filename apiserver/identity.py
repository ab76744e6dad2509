"""Who asks, and may they: the flags in, the server's authenticator and authorizer out; or BadFile, which ends the start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from apiserver import authn, authz
from apiserver.authn.oidc import settings
from apiserver.authn.requestheader import RequestHeader
from apiserver.authn.tokens import TokenIssuer
from apiserver.authn.trusted import TrustedIssuers
from apiserver.authn.webhook import WebhookTokens
from apiserver.authz.configuration import Mode, Webhook
from apiserver.configfile import BadFile
from apiserver.interfaces import Authorizer, Cluster
from apiserver.options import Options
from apiserver.remote import Remote
from pocketkube.base import durations
from pocketkube.client.config import ConfigError


def authorizer(flags: Options, cluster: Cluster) -> authz.Composition:
    if flags.authorization_config:
        with _usable(flags.authorization_config):
            return authz.Composition(cluster, file=flags.authorization_config)
    with _usable("authorization"):
        return authz.Composition(cluster, [_mode(flags, name) for name in flags.authorization_mode])


def _mode(flags: Options, name: str) -> Mode:
    if name == "ABAC":
        return Mode(type=name, policy_file=flags.authorization_policy_file)
    if name != "Webhook" or not flags.authorization_webhook_config_file:
        return Mode(type=name)
    webhook = Webhook(
        kubeconfig=flags.authorization_webhook_config_file,
        version=flags.authorization_webhook_version,
        authorized_seconds=durations.parse(flags.authorization_webhook_cache_authorized_ttl),
        unauthorized_seconds=durations.parse(flags.authorization_webhook_cache_unauthorized_ttl),
    )
    return Mode(type=name, webhook=webhook)


def authenticator(
    flags: Options, cluster: Cluster, trusted: TrustedIssuers | None, authorizer: Authorizer
) -> authn.Chain:
    """`authorizer` decides impersonation."""
    with _usable("authentication"):
        config = authn.AuthnConfig(
            cluster=cluster,
            client_ca=read(flags.client_ca_file),
            service_account_keys=public_keys(flags),
            issuers=flags.service_account_issuer,
            audiences=flags.audiences,
            bootstrap_tokens=flags.enable_bootstrap_token_auth,
            token_file=flags.token_auth_file,
            trusted=trusted,
            webhook=_webhook(flags),
            request_header=_request_header(flags),
            anonymous=flags.anonymous_auth,
            authorizer=authorizer,
        )
        return authn.build(config)


def trusted_issuers(flags: Options) -> TrustedIssuers | None:
    """Of ID tokens, by the --oidc-* flags or by the file of --authentication-config; None without either."""
    if flags.authentication_config:
        if flags.oidc_issuer_url:
            raise BadFile("authentication-config file and oidc-* flags are mutually exclusive")
        with _usable(flags.authentication_config):
            return TrustedIssuers(file=flags.authentication_config, own_issuers=flags.service_account_issuer)
    if not flags.oidc_issuer_url and not flags.oidc_client_id:
        return None
    with _usable("--oidc-* flags"):
        issuer = settings.of_flags(
            flags.oidc_issuer_url,
            flags.oidc_client_id,
            username_claim=flags.oidc_username_claim,
            username_prefix=flags.oidc_username_prefix,
            groups_claim=flags.oidc_groups_claim,
            groups_prefix=flags.oidc_groups_prefix,
            required_claims=flags.oidc_required_claim,
            algorithms=flags.oidc_signing_algs,
            ca=read(flags.oidc_ca_file).decode(),
        )
        return TrustedIssuers([issuer])


def token_issuer(flags: Options) -> TokenIssuer | None:
    """Of service-account tokens; None without a key to sign with."""
    signing = flags.service_account_signing_key_file
    if not signing:
        return None
    return TokenIssuer(
        read(signing),
        flags.service_account_issuer[0],
        flags.audiences,
        extend=flags.service_account_extend_token_expiration,
        longest=durations.parse(flags.service_account_max_token_expiration),
    )


def public_keys(flags: Options) -> tuple[bytes, ...]:
    """PEM, of service-account tokens: those that are given, else the public half of the one that signs."""
    paths = flags.service_account_key_file or tuple(filter(None, (flags.service_account_signing_key_file,)))
    return tuple(read(path) for path in paths)


def _webhook(flags: Options) -> WebhookTokens | None:
    if not flags.authentication_token_webhook_config_file:
        return None
    return WebhookTokens(
        Remote.of_file(flags.authentication_token_webhook_config_file),
        version=flags.authentication_token_webhook_version,
        seconds=durations.parse(flags.authentication_token_webhook_cache_ttl),
        audiences=flags.audiences,
    )


def _request_header(flags: Options) -> RequestHeader | None:
    if not flags.requestheader_client_ca_file:
        return None
    return RequestHeader(
        client_ca=read(flags.requestheader_client_ca_file),
        allowed_names=flags.requestheader_allowed_names,
        username_headers=tuple(h.lower() for h in flags.requestheader_username_headers),
        uid_headers=tuple(h.lower() for h in flags.requestheader_uid_headers),
        group_headers=tuple(h.lower() for h in flags.requestheader_group_headers),
        extra_prefixes=tuple(h.lower() for h in flags.requestheader_extra_headers_prefix),
    )


@contextmanager
def _usable(what: str) -> Iterator[None]:
    """What makes a start pointless, as one line that names the file or flag."""
    try:
        yield
    except (OSError, ValueError, ConfigError) as failure:
        raise BadFile(f"{what}: {failure}") from None


def read(path: str) -> bytes:
    return Path(path).read_bytes() if path else b""
