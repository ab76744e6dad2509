"""Bootstrap tokens, `id.secret`: what an administrator hands to a machine that shall join. Kept as Secrets, as upstream's."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import re
import secrets
import string
from typing import Any

from pocketkube.cluster.api import Api
from pocketkube.cluster.errors import ClusterError

SECRETS = "/api/v1/namespaces/kube-system/secrets"
TYPE = "bootstrap.kubernetes.io/token"
GROUP = "system:bootstrappers:kubeadm:default-node-token"  # the group that may ask for a node's certificate
ALPHABET = string.ascii_lowercase + string.digits
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse(token: str) -> tuple[str, str]:
    """(id, secret). Raises ClusterError."""
    found = re.fullmatch(r"([a-z0-9]{6})\.([a-z0-9]{16})", token)
    if not found:
        raise ClusterError("a token is 6 letters or digits, a dot and 16 more, as `./pk token create` prints it")
    return found[1], found[2]


def seconds(text: str) -> int:
    """Of `90s`, `30m`, `24h`, `7d`; 0 is for ever. Raises ClusterError."""
    found = re.fullmatch(r"(\d+)([smhd]?)", text)
    if not found:
        raise ClusterError(f"{text!r} is no duration: write it as 30m, 24h or 7d; 0 never expires")
    return int(found[1]) * _UNITS[found[2] or "s"]


def new() -> str:
    return f"{_random(6)}.{_random(16)}"


def _random(count: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(count))


def secret(token: str, *, ttl: int, now: dt.datetime, description: str = "") -> dict[str, Any]:
    """The Secret that makes `token` valid for `ttl` seconds, 0 for ever."""
    name, value = parse(token)
    data = {
        "token-id": name, "token-secret": value, "usage-bootstrap-authentication": "true",
        "usage-bootstrap-signing": "true", "auth-extra-groups": GROUP,
    }  # fmt: skip
    if ttl:
        data["expiration"] = (now + dt.timedelta(seconds=ttl)).strftime("%Y-%m-%dT%H:%M:%SZ")
    if description:
        data["description"] = description
    metadata = {"name": f"bootstrap-token-{name}", "namespace": "kube-system"}
    return {"apiVersion": "v1", "kind": "Secret", "type": TYPE, "metadata": metadata, "stringData": data}


def create(api: Api, token: str, *, ttl: int, description: str = "", again: bool = False) -> None:
    """Make it known. `again`: one that is known already is no error."""
    wanted = secret(token, ttl=ttl, now=dt.datetime.now(dt.UTC), description=description)
    code, answer = api.call("POST", SECRETS, json.dumps(wanted).encode())
    if code == 409 and again:
        return
    if code >= 300:
        raise ClusterError(f"the token was not created: {answer.get('message')}")


def listed(api: Api) -> list[dict[str, str]]:
    """Every token's decoded fields."""
    code, answer = api.call("GET", f"{SECRETS}?fieldSelector=type%3D{TYPE.replace('/', '%2F')}")
    if code >= 300:
        raise ClusterError(f"the tokens cannot be read: {answer.get('message')}")
    items = [i.get("data") or {} for i in answer.get("items", ())]
    return [{k: base64.b64decode(v).decode(errors="replace") for k, v in data.items()} for data in items]


def delete(api: Api, token_id: str) -> bool:
    return api.call("DELETE", f"{SECRETS}/bootstrap-token-{token_id}")[0] < 300


def signed(content: str, signature: str, *, token: str) -> bool:
    """Whether a detached JWS (`header..signature`, HS256) over `content` was made by somebody who knows the token."""
    name, key = parse(token)
    header, _, mac = signature.partition("..")
    try:
        about = json.loads(_unpadded(header))
    except ValueError:
        return False
    payload = base64.urlsafe_b64encode(content.encode()).rstrip(b"=")
    expected = hmac.new(key.encode(), header.encode() + b"." + payload, hashlib.sha256).digest()
    return about.get("alg") == "HS256" and about.get("kid") == name and hmac.compare_digest(_unpadded(mac), expected)


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
