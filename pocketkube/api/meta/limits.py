"""Bounds on what one request may make an object of: beyond them lies no manifest, only an attack."""

from __future__ import annotations

ENCODER_DEPTH = 254  # containers inside each other that the JSON encoder writes
MAX_DEPTH = 200  # that a request may bring; every walk ends well below Python's stack
MAX_COPIED = 3 * 1024 * 1024  # bytes that the copies of one JSON patch may add, as upstream
