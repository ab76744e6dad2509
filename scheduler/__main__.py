"""`python -m scheduler`: flags named as upstream's, the tasks of the process in one function."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import sys
from functools import partial

from pocketkube.base import logs, serving, tasks, tls
from pocketkube.base.health import Health
from pocketkube.client import leaderelection
from pocketkube.client.config import ClientConfig, ConfigError, load
from pocketkube.client.events import EventRecorder
from pocketkube.client.informer import Informers
from pocketkube.client.rest import Client
from scheduler import config, metrics
from scheduler.config import Configuration, ConfigurationError
from scheduler.feed import Feed
from scheduler.framework import Handle
from scheduler.health import health
from scheduler.profile import Profile
from scheduler.scheduler import Scheduler
from scheduler.snapshot import Snapshot

log = logging.getLogger("scheduler")


def flags() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scheduler", description="Assigns pods to nodes.")
    parser.add_argument("--kubeconfig", default="", help="how to reach the API server; in a pod, its service account")
    parser.add_argument("--config", default="", help="a KubeSchedulerConfiguration file")
    parser.add_argument("--bind-address", default="127.0.0.1", help="where health and metrics are served")
    parser.add_argument("--secure-port", type=int, default=10259, help="0 serves nothing")
    parser.add_argument("--tls-cert-file", default="", help="without one a certificate is made at start")
    parser.add_argument("--tls-private-key-file", default="")
    parser.add_argument("--authentication-kubeconfig", default="", help="accepted; --kubeconfig is used")
    parser.add_argument("--authorization-kubeconfig", default="", help="accepted; --kubeconfig is used")
    parser.add_argument("--v", "-v", type=int, default=0, help="4 and more log every decision's failure")
    leaderelection.add_flags(parser)
    return parser


async def run(
    args: argparse.Namespace, configuration: Configuration, server: ClientConfig, stop: asyncio.Event
) -> None:
    """Every task of the process. Informers run also while another scheduler leads, so that taking over takes no time."""
    client = Client(server, user_agent="kube-scheduler")
    recorder = EventRecorder(client, "default-scheduler", leaderelection.new_identity())
    informers = Informers(client)
    scheduler = build(configuration, client, informers, recorder)
    app = health(client, ready=lambda: informers.synced, measure=lambda: _measure(scheduler))
    try:
        await tasks.run_tasks(
            {
                "informers": informers.run(),
                "scheduler": _lead(args, configuration, client, informers, scheduler),
                "health": _serve(args, app, stop),
            },
            stop=stop,
        )
    finally:
        await client.aclose()


def build(configuration: Configuration, client: Client, informers: Informers, recorder: EventRecorder) -> Scheduler:
    """The scheduler with its profiles, fed by `informers`; neither runs yet."""
    snapshot = Snapshot()
    profiles = {}
    for profile in configuration.profiles:
        handle = Handle(snapshot, client, informers, recorder, profile.scheduler_name)
        profiles[profile.scheduler_name] = Profile(handle, profile.plugins, profile.args)
    scheduler = Scheduler(
        client,
        snapshot,
        profiles,
        recorder,
        percent_of_nodes=configuration.percent_of_nodes,
        initial_backoff=configuration.initial_backoff,
        max_backoff=configuration.max_backoff,
    )
    wakes = (plugin.wakes for profile in profiles.values() for plugin in profile.plugins.values())
    Feed(informers, scheduler, frozenset().union(*wakes))
    return scheduler


async def _lead(
    args: argparse.Namespace,
    configuration: Configuration,
    client: Client,
    informers: Informers,
    scheduler: Scheduler,
) -> None:
    await informers.wait_synced()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    log.info("ready: nodes=%d", len(scheduler.snapshot.nodes))
    wanted = args.leader_elect if configuration.leader_elect is None else configuration.leader_elect
    if not wanted:
        await scheduler.run()
        return
    elector = leaderelection.LeaderElector(
        client,
        name=args.leader_elect_resource_name or configuration.lease_name or "kube-scheduler",
        namespace=configuration.lease_namespace or args.leader_elect_resource_namespace,
    )
    while True:
        await elector.run(scheduler.run)


async def _serve(args: argparse.Namespace, app: Health, stop: asyncio.Event) -> None:
    if not args.secure_port:
        return
    given = args.tls_cert_file
    context = tls.server_context(given, args.tls_private_key_file) if given else tls.own_context()
    await serving.serve(app, host=args.bind_address, port=args.secure_port, tls=context, stop=stop)


def _measure(scheduler: Scheduler) -> None:
    for name, count in scheduler.queue.counts().items():
        metrics.PENDING.labels(name).set(count)


def main(argv: list[str] | None = None) -> int:
    args = flags().parse_args(argv)
    logs.setup(logs.level_of(args.v))
    try:
        configuration = config.read(args.config) if args.config else Configuration()
        server = load(args.kubeconfig or configuration.kubeconfig or None)
    except (ConfigError, ConfigurationError) as e:
        print(f"scheduler: {e}", file=sys.stderr)
        return 2
    return tasks.main(partial(run, args, configuration, server))


if __name__ == "__main__":
    sys.exit(main())
