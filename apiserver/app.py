"""The server put together: flags in, an ASGI application and the tasks beside it out."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, cast

from prometheus_client.registry import Collector

from apiserver import admission, bootstrap, browsers, gathering, identity
from apiserver.aggregation.aggregation import Aggregation
from apiserver.aggregation.service import Resolver
from apiserver.api import Api
from apiserver.backends import Backends
from apiserver.chain import Application
from apiserver.configfile import BadFile
from apiserver.database import Database
from apiserver.flowcontrol import InFlight, Turns, upkeep
from apiserver.flowcontrol.turns import GROUP
from apiserver.handlers import metrics
from apiserver.holdings import Holdings
from apiserver.interfaces import RequestInfo
from apiserver.kubelets import Kubelets
from apiserver.listening import Listener
from apiserver.metrics import Requests
from apiserver.options import Options
from apiserver.presence import Presence
from apiserver.registry import repair
from apiserver.registry.cluster import RegistryCluster
from apiserver.registry.crds import Definitions
from apiserver.registry.registry import Registry
from apiserver.storage.cache import WatchCache
from apiserver.storage.interface import Store
from pocketkube.api import scheme
from pocketkube.base import durations, serving, tasks, watchdog

if TYPE_CHECKING:
    from apiserver.audit import Auditor
    from apiserver.storage.encryption import Measures, Settings

log = logging.getLogger(__name__)


class Server:
    """One API server over one store."""

    def __init__(self, flags: Options, store: Store):
        self.flags = flags
        self.store = store
        self._awaited = {"serving", "bootstrap"}  # until the server is ready
        browsers.check(flags)
        flags.advertise_address = flags.advertise_address or own_address(flags.bind_address)
        self.registry = Registry(
            store,
            WatchCache(store),
            event_ttl=durations.whole(flags.event_ttl),
            service_range=flags.service_cluster_ip_range,
            node_ports=flags.node_ports,
        )
        self.registry.add(scheme.builtin().kinds())
        self.cluster = RegistryCluster(self.registry)
        self.authorizer = identity.authorizer(flags, self.cluster)
        self.registry.admission = admission.build(
            self.cluster,
            flags.enable_admission_plugins,
            flags.disable_admission_plugins,
            authorizer=self.authorizer,
            kind_of=self.registry.kind_of,
            config_file=flags.admission_control_config_file,
        )
        self.trusted = identity.trusted_issuers(flags)
        self.backends = Backends()
        self.aggregation = self._aggregation()
        self.api = self._api()
        self._measure()
        self.app = Application(self.api)

    def _aggregation(self) -> Aggregation:
        flags = self.flags
        resolver = Resolver(
            self.cluster,
            self.registry,
            certificate=flags.proxy_client_cert_file,
            key=flags.proxy_client_key_file,
            route=flags.enable_aggregator_routing,
        )
        return Aggregation(self.cluster, self.registry, resolver, backends=self.backends)

    def _api(self) -> Api:
        flags = self.flags
        return Api(
            registry=self.registry,
            request_seconds=durations.parse(flags.request_timeout),
            authenticator=identity.authenticator(flags, self.cluster, self.trusted, self.authorizer),
            authorizer=self.authorizer,
            options=flags,
            kubelets=Kubelets(
                flags.kubelet_client_certificate,
                flags.kubelet_client_key,
                flags.kubelet_certificate_authority,
                flags.kubelet_preferred_address_types,
            ),
            backends=self.backends,
            aggregation=self.aggregation,
            turns=_turns(self.registry, flags),
            auditor=_auditor(flags),
            requests=Requests(self._serves),
            tokens=identity.token_issuer(flags),
            public_keys=identity.public_keys(flags),
            health_checks=self.store.health_checks() if hasattr(self.store, "health_checks") else {},
        )

    def _serves(self, info: RequestInfo) -> bool:
        """Whether this server, or one behind it, has what a path names."""
        resource = self.registry.find(info.group, info.version, info.resource)
        if resource is None:
            return (info.group, info.version) in self.aggregation.services
        return not info.subresource or any(part.name == info.subresource for part in resource.kind.subresources)

    def _measure(self) -> None:
        """Show what this server counts in its metrics."""
        api, chain = self.api, self.registry.admission
        shown: list[Collector | None] = [api.requests, Holdings(self.registry), api.auditor, self.aggregation.measures]
        if isinstance(chain, admission.Chain):
            shown.append(chain.timings)
        if isinstance(api.turns, Turns):
            from apiserver.flowcontrol.measures import Measures

            shown.append(Measures(api.turns))
        if hasattr(self.store, "collect"):  # it counts too
            shown.append(cast(Collector, self.store))
        for collector in shown:
            if collector is not None:
                api.metrics.register(collector)

    def tasks(self, stop: asyncio.Event) -> dict[str, Coroutine[Any, Any, None]]:
        """Everything that runs beside the requests, by name."""
        beside = self._beside()
        if self.api.auditor is not None:
            beside |= self.api.auditor.tasks()
        return beside | {
            "watch cache": self.registry.cache.run(),
            "custom resource definitions": Definitions(self.registry, self.cluster).run(),
            "priority and fairness": upkeep.run(self.registry, self.cluster),
            "aggregated APIs": self.aggregation.run(),
            "service address repair": repair.run(self.registry),
            "bootstrap": bootstrap.run(
                self.api,
                self.cluster,
                port=self.flags.advertise_port or self.flags.secure_port,
                on_ready=lambda: self._reached("bootstrap"),
            ),
            "serving": self._serve(stop),
        }

    def _beside(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What follows files that may change while the server runs, and the other processes of the server."""
        flags = self.flags
        found: dict[str, Coroutine[Any, Any, None]] = {}
        if flags.worker_folder:
            found["metrics of workers"] = gathering.answer(flags.worker_folder, lambda: metrics.own(self.api))
        if flags.feature("APIServerIdentity", default=True):
            found["identity"] = Presence(self.registry, self.cluster, shared=flags.worker_folder).run()
        if self.trusted is not None:
            found["trusted issuers"] = self.trusted.run()
        if flags.authorization_config:
            found["authorization configuration"] = self.authorizer.run()
        if flags.encryption_provider_config:
            from apiserver.storage.encryption import EncryptedStore, Upkeep

            assert isinstance(self.store, EncryptedStore)
            settings = _encryption_settings(flags, self.store.measures)
            found["encryption at rest"] = Upkeep(self.store, flags.encryption_provider_config, settings).run()
        return found

    async def _serve(self, stop: asyncio.Event) -> None:
        flags = self.flags
        try:
            listener = Listener(flags, self._renew_authorities)
        except (OSError, ValueError) as failure:
            log.critical("cannot serve TLS: %s", failure)
            raise SystemExit(1) from None
        watching = tasks.spawn("certificates", listener.run())
        ending = asyncio.Event()
        stopping = tasks.spawn("stopping", self._tell_stopping(stop, ending))
        try:
            await serving.serve(
                self.app,
                host=flags.bind_address,
                port=flags.secure_port,
                tls=listener.context,
                stop=ending,
                reuse_port=flags.worker or flags.permit_port_sharing,
                on_ready=lambda: self._reached("serving"),
            )
        except OSError as failure:
            log.critical("cannot listen on %s:%d: %s", flags.bind_address, flags.secure_port, failure.strerror)
            raise SystemExit(1) from None
        finally:
            await tasks.cancel(stopping, watching)

    def _reached(self, step: str) -> None:
        """Whoever keeps this process is told when the last step is."""
        if step == "serving":
            log.info("serving on %s:%d", self.flags.bind_address, self.flags.secure_port)
        self._awaited.discard(step)
        if not self._awaited:
            watchdog.Beating().ready()

    def _renew_authorities(self) -> None:
        """Client certificates are judged by what stands in their authorities' files now. Raises OSError, ValueError."""
        flags = self.flags
        self.api.authenticator.renew(
            identity.read(flags.client_ca_file), identity.read(flags.requestheader_client_ca_file)
        )

    async def close(self) -> None:
        """Leave the other servers that were asked."""
        await self.api.authenticator.close()
        await self.authorizer.close()
        if isinstance(chain := self.registry.admission, admission.Chain):
            await chain.close()
        self.backends.close()

    async def _tell_stopping(self, stop: asyncio.Event, ending: asyncio.Event) -> None:
        """Readiness ends before the connections do, by --shutdown-delay-duration."""
        await stop.wait()
        self.api.stopping = True
        await self.registry.clock.sleep(durations.parse(self.flags.shutdown_delay_duration))
        ending.set()


async def run(flags: Options, stop: asyncio.Event) -> None:
    """Serve until `stop` is set."""
    try:
        database = Database(flags)
        store = encrypted(database.store, flags)
        server = Server(flags, store)
    except BadFile as bad:
        log.critical("%s", bad)
        raise SystemExit(1) from None
    server.api.metrics.register(database.etcd.timings)
    running = server.tasks(stop)
    if (compactor := database.compactor()) is not None:
        running["compaction"] = compactor.run()
    answering = asyncio.create_task(running.pop("serving"), name="serving")
    beside = asyncio.create_task(tasks.run_tasks(running), name="beside the requests")
    try:
        done, _ = await asyncio.wait((answering, beside), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await tasks.cancel(answering, beside)
        await server.close()
        await store.close()


def encrypted(store: Store, flags: Options) -> Store:
    """The store, behind encryption at rest where it is configured. Raises BadFile."""
    if not flags.encryption_provider_config:
        return store
    from apiserver.storage import encryption

    measures = encryption.Measures()
    found = encryption.load(flags.encryption_provider_config, _encryption_settings(flags, measures))
    return encryption.EncryptedStore(store, found, measures)


def _encryption_settings(flags: Options, measures: Measures) -> Settings:
    from apiserver.storage.encryption import Settings

    reload = flags.encryption_provider_config_automatic_reload
    return Settings(measures, reload=reload, allow_v1=flags.feature("KMSv1"))


def _auditor(flags: Options) -> Auditor | None:
    if not flags.audit_policy_file and not flags.audit_log_path and not flags.audit_webhook_config_file:
        return None
    from apiserver import audit

    return audit.build(flags)


def _turns(registry: Registry, flags: Options) -> Turns | InFlight:
    each = flags.worker_count
    reading, mutating = -(-flags.max_requests_inflight // each), -(-flags.max_mutating_requests_inflight // each)
    if not flags.enable_priority_and_fairness:
        return InFlight(reading=reading, mutating=mutating)
    schemas, levels = (registry.by_plural(GROUP, plural).cache for plural in (upkeep.SCHEMAS, upkeep.LEVELS))
    return Turns(schemas, levels, seats=reading + mutating, request_seconds=durations.whole(flags.request_timeout))


def own_address(bind: str) -> str:
    """The address to advertise: the one bound, or the one that leads out of this machine."""
    bound = ipaddress.ip_address(bind)
    if not bound.is_unspecified and not bound.is_loopback:
        return bind
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
