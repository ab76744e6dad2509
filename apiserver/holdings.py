"""What the server holds, as metrics: objects, open watches and what was sent to them; which build this is."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from apiserver.handlers.version import version
from apiserver.registry.registry import Registry
from apiserver.registry.resource import Resource

_LONG = ("verb", "group", "version", "resource", "subresource", "scope", "component")


class Holdings(Collector):
    def __init__(self, registry: Registry):
        self._registry = registry

    def collect(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        served = [resource for resource in self._registry.resources() if resource.watched]
        stored = [resource for resource in served if not resource.converts]
        yield from _objects(stored)
        yield _watches(stored)
        yield from _events(served, stored)
        build = version()
        names = (
            "major",
            "minor",
            "gitVersion",
            "gitCommit",
            "gitTreeState",
            "buildDate",
            "goVersion",
            "compiler",
            "platform",
        )
        labels = (
            "major",
            "minor",
            "git_version",
            "git_commit",
            "git_tree_state",
            "build_date",
            "go_version",
            "compiler",
            "platform",
        )
        info = GaugeMetricFamily("kubernetes_build_info", "Which build this is.", labels=labels)
        info.add_metric([build[name] for name in names], 1)
        yield info


def _objects(stored: list[Resource]) -> Iterable[GaugeMetricFamily]:
    words = "Stored objects by resource."
    named = GaugeMetricFamily("apiserver_storage_objects", words, labels=["resource"])
    grouped = GaugeMetricFamily("apiserver_resource_objects", words, labels=["group", "resource"])
    for resource in stored:
        count = len(resource.cache)
        named.add_metric([resource.kind.resource], count)
        grouped.add_metric([resource.group, resource.plural], count)
    return named, grouped


def _watches(stored: list[Resource]) -> GaugeMetricFamily:
    family = GaugeMetricFamily("apiserver_longrunning_requests", "Open watches by resource.", labels=_LONG)
    for resource in stored:
        if resource.cache.watchers:
            scope = "namespace" if resource.namespaced else "cluster"
            labels = ["WATCH", resource.group, resource.kind.version, resource.plural, "", scope, "apiserver"]
            family.add_metric(labels, resource.cache.watchers)
    return family


def _events(served: list[Resource], stored: list[Resource]) -> Iterable[CounterMetricFamily]:
    labels = ["group", "version", "kind", "resource"]
    sent = CounterMetricFamily("apiserver_watch_events", "Events sent to watching clients.", labels=labels)
    for resource in served:
        if resource.events_sent:
            kind = resource.kind
            sent.add_metric([kind.group, kind.version, kind.kind, kind.plural], resource.events_sent)
    by_resource = ["group", "resource"]
    initial = CounterMetricFamily("apiserver_init_events", "Events that began watches.", labels=by_resource)
    received = CounterMetricFamily(
        "apiserver_watch_cache_events_received", "Changes that came from the store.", labels=by_resource
    )
    for resource in stored:
        initial.add_metric([resource.group, resource.plural], resource.cache.initial_events)
        received.add_metric([resource.group, resource.plural], resource.cache.events)
    return sent, initial, received
