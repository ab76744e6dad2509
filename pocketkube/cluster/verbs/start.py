"""`pk start`: resume a stopped cluster, also after the machine was restarted."""

from __future__ import annotations

import argparse

from pocketkube.cluster.layout import Layout
from pocketkube.cluster.verbs import Verb, up


def run(args: argparse.Namespace) -> int:
    Layout.of(args.name).read()
    vars(args).update(
        nodes=None,
        api_servers=None,
        etcd_members=None,
        advertise_address="",
        server_name="",
        flag=[],
        yes=True,
        no_workloads=False,
        token_file=None,
    )
    return up.run(args)


VERB = Verb("resume a stopped cluster", run)
