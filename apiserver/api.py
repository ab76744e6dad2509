"""What the handlers share, made once by the composition in `app.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from apiserver.deadlines import UnderWay
from apiserver.flowcontrol import InFlight, Turns
from apiserver.interfaces import Authorizer
from apiserver.metrics import Requests
from apiserver.options import Options
from apiserver.registry.registry import Registry
from apiserver.registry.resource import Resource
from apiserver.request import Request, Response

if TYPE_CHECKING:
    from apiserver.aggregation.aggregation import Aggregation
    from apiserver.audit import Auditor
    from apiserver.authn.chain import Chain
    from apiserver.authn.tokens import TokenIssuer
    from apiserver.backends import Backends
    from apiserver.kubelets import Kubelets


@dataclass(kw_only=True)
class Api:
    """`tokens` is None where no signing key was given. `plain` answers what is no resource."""

    registry: Registry
    authenticator: Chain
    authorizer: Authorizer
    options: Options
    kubelets: Kubelets
    backends: Backends
    aggregation: Aggregation
    turns: Turns | InFlight
    auditor: Auditor | None = None
    tokens: TokenIssuer | None = None
    public_keys: tuple[bytes, ...] = ()  # PEM, of service-account tokens
    health_checks: Mapping[str, Callable[[], Awaitable[str]]] = field(
        default_factory=dict
    )  # beyond the usual; "" is good
    plain: Callable[..., Awaitable[None]] | None = None
    bootstrapped: bool = False  # what every cluster has is there
    stopping: bool = False
    request_seconds: float = 60.0  # --request-timeout
    under_way: UnderWay = field(default_factory=UnderWay)
    requests: Requests = field(default_factory=Requests)
    metrics: CollectorRegistry = field(default_factory=CollectorRegistry)  # this server's own


Handler = Callable[[Api, Request, Resource], Awaitable[Response | None]]  # None: it has answered by itself
