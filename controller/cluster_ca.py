"""The CA that pods verify the API server with."""

from __future__ import annotations

from pathlib import Path

from pocketkube.client.config import ClientConfig


def root_ca(path: str, config: ClientConfig) -> str:
    """PEM from --root-ca-file, else what our kubeconfig trusts. "" if neither is there."""
    if path:
        return Path(path).read_text()
    if config.ca_data:
        return config.ca_data.decode()
    return Path(config.ca_file).read_text() if config.ca_file else ""
