"""EventRateLimit: events are refused where they come faster than a configuration allows, by server, namespace, user or object."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from apiserver import configfile
from apiserver.admission.plugin import Outcome, Plugin, Setup
from apiserver.configfile import BadFile
from apiserver.interfaces import AdmissionRequest
from pocketkube.api.kinds.kind import Kind
from pocketkube.api.meta import errors
from pocketkube.base.clock import Clock

VERSIONS = ("eventratelimit.admission.k8s.io/v1alpha1",)
_KEPT = 4096


def _source_and_object(request: AdmissionRequest) -> str:
    event = request.obj or {}
    source = event.get("source") or event.get("deprecatedSource") or {}
    about = event.get("involvedObject") or event.get("regarding") or {}
    names = ("kind", "namespace", "name", "uid", "apiVersion")
    return "".join((source.get("component", ""), source.get("host", ""), *(about.get(name) or "" for name in names)))


_KEYS: dict[str, Callable[[AdmissionRequest], str]] = {
    "Server": lambda request: "",
    "Namespace": lambda request: request.namespace,
    "User": lambda request: request.user.name,
    "SourceAndObject": _source_and_object,
}


class Limit:
    """A bucket of tokens for each key; the keys that were not seen for longest are forgotten."""

    def __init__(self, kind: str, *, qps: float, burst: int, kept: int, clock: Clock):
        self.kind = kind
        self._qps, self._burst, self._kept = qps, burst, kept
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when

    def refuses(self, request: AdmissionRequest) -> str | None:
        """The key whose bucket is empty, None where a token was taken."""
        key = _KEYS[self.kind](request)
        now = self._clock.monotonic()
        tokens, then = self._buckets.pop(key, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - then) * self._qps)
        allowed = tokens >= 1
        self._buckets[key] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > self._kept:
            self._buckets.popitem(last=False)
        return None if allowed else key


class EventRateLimit(Plugin):
    name = "EventRateLimit"
    default = False

    def __init__(self, setup: Setup):
        super().__init__(setup)
        path, config = setup.configuration.get(self.name, ("", None))
        if config is None:
            raise BadFile("EventRateLimit: no configuration: name one in the file of --admission-control-config-file")
        configfile.check(config, path, "Configuration", VERSIONS)
        configfile.only(config, path, "", ("kind", "apiVersion", "limits"))
        limits = config.get("limits")
        if not isinstance(limits, list) or not limits:
            raise BadFile(f"{path}: limits: Invalid value: must not be empty")
        self._limits = [self._limit(limit, path, f"limits[{at}]") for at, limit in enumerate(limits)]

    def _limit(self, limit: Any, path: str, where: str) -> Limit:
        if not isinstance(limit, dict):
            raise BadFile(f"{path}: {where}: not an object")
        configfile.only(limit, path, where, ("type", "qps", "burst", "cacheSize"))
        if limit.get("type") not in _KEYS:
            supported = ", ".join(_KEYS)
            raise BadFile(
                f'{path}: {where}.type: Unsupported value: "{limit.get("type", "")}": supported values: {supported}'
            )
        for name in ("qps", "burst"):
            if not isinstance(limit.get(name), int) or limit[name] <= 0:
                raise BadFile(f"{path}: {where}.{name}: Invalid value: must be positive")
        kept = limit.get("cacheSize") or _KEPT
        if not isinstance(kept, int) or kept < 0:
            raise BadFile(f"{path}: {where}.cacheSize: Invalid value: must not be negative")
        return Limit(limit["type"], qps=limit["qps"], burst=limit["burst"], kept=kept, clock=self.setup.clock)

    def interested(self, kind: Kind, operation: str, subresource: str) -> bool:
        return kind.plural == "events" and not subresource and operation in ("CREATE", "UPDATE")

    def validate(self, request: AdmissionRequest) -> Outcome:
        if request.dry_run:
            return None
        refused = [(limit.kind, key) for limit in self._limits if (key := limit.refuses(request)) is not None]
        if refused:
            why = ", ".join(f"limit reached on type {kind} for key {key}" for kind, key in refused)
            raise errors.TooManyRequests(why, details={"retryAfterSeconds": 1})
        return None


ADMISSION = EventRateLimit
