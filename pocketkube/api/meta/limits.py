"""Bounds on what one request may make an object of: beyond them lies no manifest, only an attack."""

from __future__ import annotations

MAX_DEPTH = 200  # containers inside each other; the JSON encoder ends at 254, every walk well below Python's stack
MAX_COPIED = 3 * 1024 * 1024  # bytes that the copies of one JSON patch may add, as upstream
