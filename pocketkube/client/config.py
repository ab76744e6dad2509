"""Where the API server is and who we are: a kubeconfig, or a pod's service account, becomes one `ClientConfig`."""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Obj = dict[str, Any]

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class ConfigError(Exception):
    """No usable configuration: the message names the file and what is missing there."""


@dataclass(frozen=True, kw_only=True)
class ClientConfig:
    """One server and one identity. Certificates are paths or PEM bytes; bytes win over paths, as upstream."""

    server: str = "http://localhost:8080"
    ca_file: str = ""
    ca_data: bytes = b""
    cert_file: str = ""
    cert_data: bytes = b""
    key_file: str = ""
    key_data: bytes = b""
    token: str = ""
    token_file: str = ""
    username: str = ""
    password: str = ""
    namespace: str = "default"
    insecure: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""
    impersonate: str = ""
    impersonate_groups: tuple[str, ...] = ()
    exec: Mapping[str, Any] | None = None  # a credential plugin, as the kubeconfig states it

    def tls(self) -> ssl.SSLContext | None:
        """The TLS context of this configuration; None for a plain http:// server."""
        if not self.server.startswith("https"):
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            self._trust(context)
        self.load_certificate(context)
        return context

    def _trust(self, context: ssl.SSLContext) -> None:
        if self.ca_data:
            context.load_verify_locations(cadata=self.ca_data.decode())
        elif self.ca_file:
            context.load_verify_locations(cafile=self.ca_file)
        else:
            context.load_default_certs()

    def load_certificate(self, context: ssl.SSLContext) -> None:
        """Puts the client certificate into `context`; called again when the files were renewed."""
        if not (self.cert_data or self.cert_file):
            return
        with tempfile.TemporaryDirectory() as folder:
            cert = _as_file(self.cert_data, self.cert_file, Path(folder, "cert"))
            key = _as_file(self.key_data, self.key_file, Path(folder, "key")) or cert
            context.load_cert_chain(cert, key)


def _as_file(data: bytes, path: str, fallback: Path) -> str:
    """OpenSSL loads certificates from files only: bytes pass through one that only we can read."""
    if not data:
        return path
    fallback.touch(mode=0o600)
    fallback.write_bytes(data)
    return str(fallback)


def load(kubeconfig: str | None = None, *, context: str = "") -> ClientConfig:
    """The configuration of `kubeconfig`, else of $KUBECONFIG, else of the pod we run in, else of ~/.kube/config.

    Raises ConfigError when none of them is there or the chosen context is incomplete."""
    if kubeconfig:
        return from_kubeconfig(read_kubeconfig([Path(kubeconfig)]), context=context)
    listed = [Path(p) for p in os.environ.get("KUBECONFIG", "").split(os.pathsep) if p]
    home = Path.home() / ".kube" / "config"
    if not listed and os.environ.get("KUBERNETES_SERVICE_HOST") and (SERVICE_ACCOUNT / "token").exists():
        return in_cluster()
    if not listed and not home.exists():
        raise ConfigError("no kubeconfig: give --kubeconfig, set KUBECONFIG or create ~/.kube/config")
    return from_kubeconfig(read_kubeconfig(listed or [home]), context=context)


def in_cluster() -> ClientConfig:
    """The service account that the kubelet mounts into every pod; its token is renewed there, so the file is kept."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    host = f"[{host}]" if ":" in host else host
    namespace = SERVICE_ACCOUNT / "namespace"
    return ClientConfig(
        server=f"https://{host}:{port}",
        ca_file=str(SERVICE_ACCOUNT / "ca.crt"),
        token_file=str(SERVICE_ACCOUNT / "token"),
        namespace=namespace.read_text().strip() if namespace.exists() else "default",
    )


def read_kubeconfig(paths: list[Path]) -> Obj:
    """One kubeconfig out of several files: the first to name a cluster, user, context or current-context wins."""
    import yaml

    merged: Obj = {"clusters": [], "users": [], "contexts": []}
    found = False
    for path in paths:
        try:
            text = path.read_text()
        except FileNotFoundError:
            continue
        except OSError as e:
            raise ConfigError(f"cannot read {path}: {e.strerror}") from e
        try:
            data = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}
        except yaml.YAMLError as e:
            raise ConfigError(f"{path} is not YAML: {e}") from e
        if not isinstance(data, dict):
            raise ConfigError(f"{path} is not a kubeconfig")
        found = True
        _absolute(data, path.parent)
        for part in ("clusters", "users", "contexts"):
            named = {entry["name"] for entry in merged[part]}
            merged[part] += [e for e in data.get(part) or [] if e.get("name") not in named]
        for part in ("current-context", "preferences"):
            if data.get(part) and not merged.get(part):
                merged[part] = data[part]
    if not found:
        raise ConfigError(f"no such kubeconfig: {', '.join(map(str, paths))}")
    return merged


def _absolute(data: Obj, folder: Path) -> None:
    """File names in a kubeconfig are relative to it."""
    fields: dict[str, tuple[str, tuple[str, ...]]] = {
        "clusters": ("cluster", ("certificate-authority",)),
        "users": ("user", ("client-certificate", "client-key", "tokenFile")),
    }
    for part, (body, names) in fields.items():
        for entry in data.get(part) or []:
            inner = entry.get(body) or {}
            inner.update({n: str((folder / inner[n]).absolute()) for n in names if inner.get(n)})


def from_kubeconfig(data: Obj, *, context: str = "") -> ClientConfig:
    """The ClientConfig of one context (the current one by default). Raises ConfigError when a name has no entry."""
    name = context or data.get("current-context") or ""
    if not name and len(data.get("contexts") or []) == 1:
        name = data["contexts"][0]["name"]
    chosen = _entry(data, "contexts", name)
    cluster, user = _entry(data, "clusters", chosen.get("cluster")), _entry(data, "users", chosen.get("user"))
    if not cluster.get("server"):
        raise ConfigError(f'cluster "{chosen.get("cluster")}" has no server')
    return ClientConfig(
        server=cluster["server"].rstrip("/"),
        ca_file=cluster.get("certificate-authority") or "",
        ca_data=_decoded(cluster, "certificate-authority-data"),
        cert_file=user.get("client-certificate") or "",
        cert_data=_decoded(user, "client-certificate-data"),
        key_file=user.get("client-key") or "",
        key_data=_decoded(user, "client-key-data"),
        token=user.get("token") or "",
        token_file=user.get("tokenFile") or "",
        username=user.get("username") or "",
        password=user.get("password") or "",
        namespace=chosen.get("namespace") or "default",
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        tls_server_name=cluster.get("tls-server-name") or "",
        proxy_url=cluster.get("proxy-url") or "",
        impersonate=user.get("as") or "",
        impersonate_groups=tuple(user.get("as-groups") or ()),
        exec=user.get("exec"),
    )


_BODIES = {"contexts": "context", "clusters": "cluster", "users": "user"}


def _entry(data: Obj, part: str, name: str | None) -> Obj:
    if not name:
        if part == "contexts":
            raise ConfigError("the kubeconfig has no current-context")
        return {}
    for entry in data.get(part) or []:
        if entry.get("name") == name:
            body = entry.get(_BODIES[part]) or {}
            return body if isinstance(body, dict) else {}
    raise ConfigError(f'{_BODIES[part]} "{name}" does not exist in the kubeconfig')


def _decoded(body: Obj, name: str) -> bytes:
    return base64.b64decode(body[name]) if body.get(name) else b""
