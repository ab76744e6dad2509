"""An APIService that another server answers: who that is, whether it answers, and what it has said of itself."""

from __future__ import annotations

import base64
import random
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apiserver import services
from apiserver.backends import Target
from apiserver.interfaces import Cluster
from apiserver.registry.registry import Registry

Obj = dict[str, Any]


class Unreachable(Exception):
    """Nowhere to send a request to; `reason` is the condition's."""

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason = reason


@dataclass
class Service:
    """`resources` are the entries of its APIResourceList, None before it was ever heard; `openapi_v3` is path -> URL."""

    group: str
    version: str
    spec: Obj
    available: bool = False
    resources: list[Obj] | None = None
    openapi_v2: Obj | None = None
    openapi_v3: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.version}.{self.group}"

    @property
    def path(self) -> str:
        return f"/apis/{self.group}/{self.version}"

    @property
    def server_name(self) -> str:
        return f"{self.spec['service']['name']}.{self.spec['service']['namespace']}.svc"

    @property
    def port(self) -> int:
        return int(self.spec["service"].get("port") or 443)


class Resolver:
    """From an APIService to a socket: by the service's cluster address, or to one of its endpoints if we route ourselves."""

    def __init__(self, cluster: Cluster, registry: Registry, *, certificate: str, key: str, route: bool):
        self._cluster, self._registry = cluster, registry
        self._certificate, self._key, self._route = certificate, key, route  # paths of PEM files
        self._contexts: dict[tuple[str, bool, int], ssl.SSLContext] = {}

    def target(self, service: Service) -> Target:
        """Raises Unreachable."""
        host, port = self._place(service)
        return Target(host, port, self._context(service.spec), service.server_name)

    def check(self, service: Service) -> None:
        """Whether there is somebody behind it, as far as objects tell. Raises Unreachable."""
        reference = service.spec["service"]
        name, namespace = reference["name"], reference["namespace"]
        found = self._cluster.get("", "services", namespace, name)
        if found is None:
            raise Unreachable("ServiceNotFound", f'service/{name} in "{namespace}" is not present')
        if found["spec"].get("type", "ClusterIP") != "ClusterIP":
            return
        port = next((p for p in found["spec"].get("ports") or () if p["port"] == service.port), None)
        if port is None:
            message = f'service/{name} in "{namespace}" is not listening on port {service.port}'
            raise Unreachable("ServicePortError", message)
        self._ready(namespace, name, port.get("name") or "")

    def _ready(self, namespace: str, name: str, port_name: str) -> list[services.Place]:
        places = services.ready(self._registry, namespace, name, port_name=port_name)
        if places is None:
            message = f'cannot find endpointslices for service/{name} in "{namespace}"'
            raise Unreachable("EndpointsNotFound", message)
        if not places:
            message = f'endpoints for service/{name} in "{namespace}" have no addresses with port name "{port_name}"'
            raise Unreachable("MissingEndpoints", message)
        return places

    def _place(self, service: Service) -> services.Place:
        reference = service.spec["service"]
        name, namespace = reference["name"], reference["namespace"]
        found = self._cluster.get("", "services", namespace, name)
        if found is None:
            raise Unreachable("ServiceNotFound", f'service "{name}" not found')
        spec = found["spec"]
        if spec.get("type") == "ExternalName":
            return str(spec["externalName"]), service.port
        port = services.port_of(found, str(service.port))
        if port is None:
            raise Unreachable("ServicePortError", f'no service port {service.port} found for service "{name}"')
        address = spec.get("clusterIP") or "None"
        if self._route or address == "None":
            return random.choice(self._ready(namespace, name, port.get("name") or ""))
        return address, service.port

    def _context(self, spec: Obj) -> ssl.SSLContext:
        """We show the front proxy's certificate, as it is in its file now. Raises Unreachable for ones that cannot be read."""
        changed = Path(self._certificate).stat().st_mtime_ns if self._certificate else 0
        key = (spec.get("caBundle") or "", bool(spec.get("insecureSkipTLSVerify")), changed)
        found = self._contexts.get(key)
        if found is None:
            found = self._contexts[key] = self._made(spec)
        return found

    def _made(self, spec: Obj) -> ssl.SSLContext:
        bundle = spec.get("caBundle")
        try:
            context = ssl.create_default_context(cadata=base64.b64decode(bundle).decode("ascii") if bundle else None)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self._certificate:
                context.load_cert_chain(self._certificate, self._key)
        except (OSError, ValueError) as failure:
            raise Unreachable("FailedDiscoveryCheck", f"unable to load certificates: {failure}") from None
        if spec.get("insecureSkipTLSVerify"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context
