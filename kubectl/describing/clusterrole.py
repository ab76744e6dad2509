"""A cluster role: as a role."""

from kubectl.describing.role import EVENTS, describe

__all__ = ["DESCRIBE", "EVENTS"]
DESCRIBE = describe
