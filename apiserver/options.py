"""The server's flags, named as upstream's."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

_WHOLE = frozenset(("tls_sni_cert_key",))
_PLUGIN_LIST = "comma-separated names of admission plugins"


@dataclass(kw_only=True)
class Options:
    """Flags as parsed. Files are paths; "" is none."""

    etcd_servers: tuple[str, ...] = ("http://127.0.0.1:2379",)
    etcd_cafile: str = ""
    etcd_certfile: str = ""
    etcd_keyfile: str = ""
    etcd_prefix: str = "/registry"  # below which everything is kept
    etcd_compaction_interval: str = "5m0s"  # 0 is never
    etcd_servers_overrides: tuple[str, ...] = ()  # refused: everything is kept in one etcd
    storage_backend: str = "etcd3"
    storage_media_type: str = "application/json"  # the only one
    secure_port: int = 6443
    bind_address: str = "0.0.0.0"
    advertise_address: str = ""
    advertise_port: int = 0  # of a balancer in front; 0 is the secure port
    endpoint_reconciler_type: str = "lease"  # or none: this server is no endpoint of the `kubernetes` service
    client_ca_file: str = ""
    tls_cert_file: str = ""
    tls_private_key_file: str = ""
    tls_sni_cert_key: tuple[str, ...] = ()  # certificate,key[:name,name] each
    tls_min_version: str = ""
    tls_cipher_suites: tuple[str, ...] = ()
    service_account_key_file: tuple[str, ...] = ()
    service_account_signing_key_file: str = ""
    service_account_issuer: tuple[str, ...] = ("https://kubernetes.default.svc.cluster.local",)
    service_account_extend_token_expiration: bool = True
    service_account_max_token_expiration: str = "0s"  # 0 is no limit
    service_account_jwks_uri: str = ""
    api_audiences: tuple[str, ...] = ()
    service_cluster_ip_range: str = "10.96.0.0/12"
    service_node_port_range: str = "30000-32767"
    kubelet_client_certificate: str = ""
    kubelet_client_key: str = ""
    kubelet_certificate_authority: str = ""
    kubelet_preferred_address_types: tuple[str, ...] = (
        "Hostname",
        "InternalDNS",
        "InternalIP",
        "ExternalDNS",
        "ExternalIP",
    )
    authorization_mode: tuple[str, ...] = ("Node", "RBAC")
    authorization_config: str = ""
    authorization_policy_file: str = ""
    authorization_webhook_config_file: str = ""
    authorization_webhook_version: str = "v1beta1"
    authorization_webhook_cache_authorized_ttl: str = "5m0s"
    authorization_webhook_cache_unauthorized_ttl: str = "30s"
    enable_admission_plugins: tuple[str, ...] = ()
    disable_admission_plugins: tuple[str, ...] = ()
    enable_bootstrap_token_auth: bool = False
    token_auth_file: str = ""
    authentication_config: str = ""
    authentication_token_webhook_config_file: str = ""
    authentication_token_webhook_version: str = "v1beta1"
    authentication_token_webhook_cache_ttl: str = "2m0s"
    oidc_issuer_url: str = ""
    oidc_client_id: str = ""
    oidc_username_claim: str = "sub"
    oidc_username_prefix: str = ""
    oidc_groups_claim: str = ""
    oidc_groups_prefix: str = ""
    oidc_required_claim: tuple[str, ...] = ()
    oidc_signing_algs: tuple[str, ...] = ("RS256",)
    oidc_ca_file: str = ""
    proxy_client_cert_file: str = ""
    proxy_client_key_file: str = ""
    enable_aggregator_routing: bool = False  # to the endpoints of an extension server, not to its service's address
    requestheader_client_ca_file: str = ""
    requestheader_allowed_names: tuple[str, ...] = ()
    requestheader_username_headers: tuple[str, ...] = ("x-remote-user",)
    requestheader_uid_headers: tuple[str, ...] = ("x-remote-uid",)
    requestheader_group_headers: tuple[str, ...] = ("x-remote-group",)
    requestheader_extra_headers_prefix: tuple[str, ...] = ("x-remote-extra-",)
    event_ttl: str = "1h0m0s"
    allow_privileged: bool = True
    anonymous_auth: bool = True
    profiling: bool = True
    enable_priority_and_fairness: bool = True
    max_requests_inflight: int = 400
    max_mutating_requests_inflight: int = 200
    request_timeout: str = "1m0s"
    min_request_timeout: int = 1800  # seconds that a watch lasts at least
    cors_allowed_origins: tuple[str, ...] = ()  # regular expressions
    strict_transport_security_directives: tuple[str, ...] = ()
    feature_gates: tuple[str, ...] = ()  # NAME=true; those that this server has not are ignored
    encryption_provider_config: str = ""
    encryption_provider_config_automatic_reload: bool = False
    audit_policy_file: str = ""
    audit_log_path: str = ""  # "-" is the standard output
    audit_log_format: str = "json"
    audit_log_mode: str = "blocking"  # or batch, or blocking-strict
    audit_log_maxage: int = 0  # days
    audit_log_maxbackup: int = 0
    audit_log_maxsize: int = 100  # megabytes
    audit_webhook_config_file: str = ""
    audit_webhook_batch_buffer_size: int = 10_000
    audit_webhook_batch_max_size: int = 400
    audit_webhook_batch_max_wait: str = "30s"
    audit_webhook_initial_backoff: str = "10s"
    admission_control_config_file: str = ""
    shutdown_delay_duration: str = "0s"
    permit_port_sharing: bool = False  # another server may take over the port while this one ends
    workers: int = 1  # processes that share the port
    worker: bool = False  # one of them; set by the server itself, as the next two
    worker_count: int = 1
    worker_folder: str = ""  # where the workers of one server meet
    v: int = 0

    @property
    def audiences(self) -> tuple[str, ...]:
        """What a token for this API is for: by default its issuers."""
        return self.api_audiences or self.service_account_issuer

    def feature(self, name: str, *, default: bool = False) -> bool:
        """Whether a feature is on."""
        given = dict(gate.partition("=")[::2] for gate in self.feature_gates)
        return given[name].lower() in ("true", "1", "t") if name in given else default

    @property
    def node_ports(self) -> range:
        first, _, last = self.service_node_port_range.partition("-")
        return range(int(first), int(last or first) + 1)


def parse(argv: Sequence[str] | None = None) -> Options:
    """Flags that upstream has and this server does not need are accepted and ignored. Exits with 2 on bad ones."""
    parser = argparse.ArgumentParser("apiserver", description=__doc__, allow_abbrev=False)
    defaults = Options()
    for name, default in vars(defaults).items():
        _add(parser, name, default)
    known, unknown = parser.parse_known_args(argv)
    for word in unknown:
        if not word.startswith("--"):
            parser.error(f"unexpected argument {word!r}")
    return Options(**vars(known))


def _add(parser: argparse.ArgumentParser, name: str, default: object) -> None:
    flag = "--" + name.replace("_", "-")
    if isinstance(default, bool):
        parser.add_argument(flag, type=_boolean, nargs="?", const=True, default=default, metavar="BOOL")
    elif isinstance(default, int):
        parser.add_argument(flag, type=int, default=default)
    elif isinstance(default, tuple):
        kind = _Append if name in _WHOLE else _Extend
        parser.add_argument(flag, action=kind, default=default, metavar="A,B")
    else:
        parser.add_argument(flag, default=default)


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0", "t", "f"):
        raise argparse.ArgumentTypeError(f"invalid boolean value {text!r}")
    return text.lower() in ("true", "1", "t")


class _Append(argparse.Action):
    """A list given by repeating the flag: what has commas of its own."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: object, option: str | None = None
    ) -> None:
        setattr(namespace, self.dest, (*getattr(namespace, self.dest), str(values)))


class _Extend(argparse.Action):
    """A list given by commas, by repeating the flag, or both; the first one drops the default."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: object, option: str | None = None
    ) -> None:
        given = tuple(part for part in str(values).split(",") if part)
        present = getattr(namespace, self.dest)
        setattr(namespace, self.dest, given if present is self.default else present + given)
