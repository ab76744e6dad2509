"""Bytes of a ConfigMap or Secret by key. Pure."""

from __future__ import annotations

import base64
from typing import Any

Obj = dict[str, Any]


def data_of(obj: Obj) -> dict[str, bytes]:
    if obj.get("kind") == "Secret" or "type" in obj:
        return {key: base64.b64decode(value or "") for key, value in (obj.get("data") or {}).items()}
    result = {key: str(value).encode() for key, value in (obj.get("data") or {}).items()}
    result |= {key: base64.b64decode(value or "") for key, value in (obj.get("binaryData") or {}).items()}
    return result
