"""/healthz, /livez, /readyz: whole, verbose, or one check by name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from apiserver.api import Api
from apiserver.interfaces import NoSuchPath
from apiserver.request import Request, Response

Check = Callable[[Api], str | Awaitable[str]]  # "" where all is well, else why not

_TEXT = b"text/plain; charset=utf-8"


def _ping(api: Api) -> str:
    return ""


def _etcd(api: Api) -> str:
    return "" if api.registry.cache.ready else "the watch of the store is not running"


def _informers(api: Api) -> str:
    late = [r.plural for r in api.registry.resources() if r.watched and not r.cache.ready]
    return f"not loaded yet: {', '.join(late[:5])}" if late else ""


def _bootstrap(api: Api) -> str:
    return "" if api.bootstrapped else "not finished"


def _shutdown(api: Api) -> str:
    return "process is shutting down" if api.stopping else ""


# What upstream's server does once after its start, each step by its name there: with us they are done together.
_STEPS = (
    "start-kube-apiserver-admission-initializer",
    "start-cluster-authentication-info-controller",
    "start-kube-apiserver-identity-lease-controller",
    "start-kube-apiserver-identity-lease-garbage-collector",
    "start-system-namespaces-controller",
    "start-kubernetes-service-cidr-controller",
    "rbac/bootstrap-roles",
    "scheduling/bootstrap-system-priority-classes",
    "bootstrap-controller",
    "priority-and-fairness-config-producer",
    "generic-apiserver-start-informers",
    "priority-and-fairness-config-consumer",
    "priority-and-fairness-filter",
    "storage-object-count-tracker-hook",
    "start-apiextensions-informers",
    "start-apiextensions-controllers",
    "crd-informer-synced",
    "start-kube-aggregator-informers",
    "apiservice-registration-controller",
    "apiservice-status-local-available-controller",
    "apiservice-status-remote-available-controller",
    "apiservice-status-available-controller",
    "apiservice-discovery-controller",
    "kube-apiserver-autoregistration",
    "apiservice-openapi-controller",
    "apiservice-openapiv3-controller",
)
_HOOKS = {f"poststarthook/{name}": _bootstrap for name in _STEPS} | {"autoregister-completion": _bootstrap}
LIVE: dict[str, Check] = {"ping": _ping, "log": _ping, "etcd": _etcd, **_HOOKS}
READY: dict[str, Check] = {
    **LIVE,
    "etcd-readiness": _etcd,
    "informer-sync": _informers,
    "shutdown": _shutdown,
}
CHECKS = {"healthz": LIVE, "livez": LIVE, "readyz": READY}


async def handle(api: Api, request: Request, name: str, check: str = "") -> Response:
    """`name` is healthz, livez or readyz. Raises NotFound for a check that is not there."""
    checks = CHECKS[name] | {title: _further(title) for title in api.health_checks}
    if check:
        if check not in checks:
            raise NoSuchPath
        why = await _told(checks[check](api))
        return _text(f"internal server error: {why}\n" if why else "ok", 500 if why else 200)
    excluded = set(request.query_all("exclude"))
    lines, failed = [], False
    for title, ask in checks.items():
        if title in excluded:
            lines.append(f"[+]{title} excluded: ok")
            continue
        why = await _told(ask(api))
        failed = failed or bool(why)
        lines.append(f"[-]{title} failed: reason withheld" if why else f"[+]{title} ok")
    verdict = f"{name} check {'failed' if failed else 'passed'}"
    if failed:
        return _text("\n".join((*lines, verdict, "")), 500)
    return _text("\n".join((*lines, verdict, "")) if "verbose" in request.query else "ok", 200)


def _further(title: str) -> Check:
    return lambda api: api.health_checks[title]()


async def _told(why: str | Awaitable[str]) -> str:
    return why if isinstance(why, str) else await why


def _text(text: str, status: int) -> Response:
    return Response(text.encode(), status=status, content_type=_TEXT, headers=[(b"x-content-type-options", b"nosniff")])
