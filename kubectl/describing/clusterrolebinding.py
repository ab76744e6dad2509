"""A cluster-wide binding: as one of a namespace."""

from kubectl.describing.rolebinding import EVENTS, describe

__all__ = ["DESCRIBE", "EVENTS"]
DESCRIBE = describe
