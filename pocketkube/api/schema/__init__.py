"""Structural schemas: raw OpenAPI goes in, compiled tables come out that decode, prune, default and validate objects."""

from __future__ import annotations

from pocketkube.api.schema.model import Schema

__all__ = ["Schema"]
