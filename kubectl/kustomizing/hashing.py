"""The suffix of a generated object's name: ten letters that follow from its content, the same as upstream computes."""

from __future__ import annotations

import hashlib
import json
from typing import Any

Obj = dict[str, Any]

_LETTERS = str.maketrans("013ae", "ghkmt")  # digits and vowels that could make words


def suffix(obj: Obj) -> str:
    """Of a ConfigMap or Secret the kind, type and data count, not the name; of any other object all of it."""
    said: Obj
    if obj["kind"] == "ConfigMap":
        said = {"kind": "ConfigMap", "name": "", "data": obj.get("data") or ""}
        if obj.get("binaryData"):
            said["binaryData"] = obj["binaryData"]
    elif obj["kind"] == "Secret":
        said = {
            "kind": "Secret",
            "name": "",
            "type": obj.get("type", ""),
            "data": obj.get("data") or "",
        }
        if obj.get("stringData"):
            said["stringData"] = obj["stringData"]
    else:
        said = obj
    return hashlib.sha256(_go_json(said).encode()).hexdigest()[:10].translate(_LETTERS)


def _go_json(value: object) -> str:
    """As Go writes it: keys in order, no blanks, and what HTML takes for its own escaped."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.replace("\\b", "\\u0008").replace("\\f", "\\u000c")
