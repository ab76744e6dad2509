"""Bootstrap tokens as secrets hold them. Pure."""

from __future__ import annotations

import base64
import re
from datetime import datetime
from typing import Any

from pocketkube.api.meta import times

Obj = dict[str, Any]

TYPE = "bootstrap.kubernetes.io/token"
NAMESPACE = "kube-system"
_ID, _SECRET = re.compile(r"[a-z0-9]{6}"), re.compile(r"[a-z0-9]{16}")


def field(secret: Obj, name: str) -> str:
    try:
        return base64.b64decode((secret.get("data") or {}).get(name) or "").decode()
    except ValueError:
        return ""


def expires_in(secret: Obj, now: datetime) -> float | None:
    """Seconds until the token ends, None if it never does. One whose time cannot be read has ended."""
    text = field(secret, "expiration")
    if not text:
        return None
    try:
        return (times.parse(text) - now).total_seconds()
    except ValueError:
        return 0.0


def signing_pair(secret: Obj, now: datetime) -> tuple[str, str] | None:
    """(token id, token secret) of a token that may sign cluster-info, None otherwise."""
    identity, key = field(secret, "token-id"), field(secret, "token-secret")
    if not _ID.fullmatch(identity) or not _SECRET.fullmatch(key):
        return None
    if (
        secret["metadata"]["name"] != f"bootstrap-token-{identity}"
        or field(secret, "usage-bootstrap-signing") != "true"
    ):
        return None
    left = expires_in(secret, now)
    return None if left is not None and left <= 0 else (identity, key)
