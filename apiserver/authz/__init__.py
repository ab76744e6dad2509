"""Whether a subject may: a `User` and a `RequestInfo` in, a `Decision` out, without waiting. `build` composes the modes."""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.authz.chain import Chain
from apiserver.authz.composition import Composition
from apiserver.authz.configuration import Mode
from apiserver.authz.denial import forbidden
from apiserver.authz.rbac import RBAC
from apiserver.interfaces import Cluster

__all__ = ["RBAC", "Chain", "Composition", "build", "forbidden"]


def build(cluster: Cluster, modes: Sequence[str]) -> Composition:
    """The server's `Authorizer` for modes that need no file. Raises ValueError for a mode that is not there."""
    return Composition(cluster, [Mode(type=mode) for mode in modes])
