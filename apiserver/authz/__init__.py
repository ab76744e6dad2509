"""Whether a subject may: a `User` and a `RequestInfo` in, a `Decision` out, without waiting. `build` composes the modes."""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.authz.chain import AlwaysAllow, AlwaysDeny, Chain
from apiserver.authz.denial import forbidden
from apiserver.authz.node import NodeAuthorizer
from apiserver.authz.rbac import RBAC
from apiserver.interfaces import Authorizer, Cluster

__all__ = ["RBAC", "Chain", "build", "forbidden"]


def build(cluster: Cluster, modes: Sequence[str]) -> Chain:
    """The server's `Authorizer` for --authorization-mode. Raises ValueError for a mode that is not there."""
    made: list[Authorizer] = []
    for mode in modes:
        match mode:
            case "RBAC":
                made.append(RBAC(cluster))
            case "Node":
                made.append(NodeAuthorizer(cluster))
            case "AlwaysAllow":
                made.append(AlwaysAllow())
            case "AlwaysDeny":
                made.append(AlwaysDeny())
            case _:
                raise ValueError(f"authorization mode {mode!r} is not one of Node, RBAC, AlwaysAllow, AlwaysDeny")
    return Chain(made)
