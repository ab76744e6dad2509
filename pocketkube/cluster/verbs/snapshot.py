"""`pk snapshot save|restore FILE`: the cluster's whole state in a file, and back."""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

from pocketkube.cluster import console, lifecycle, planning, prepare, processes, snapshots
from pocketkube.cluster import spec as specs
from pocketkube.cluster.errors import ClusterError
from pocketkube.cluster.layout import Layout, all_clusters
from pocketkube.cluster.verbs import Verb


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("save", "restore"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--yes", "-y", action="store_true", help="replace what the cluster holds, without asking")


def run(args: argparse.Namespace) -> int:
    layout = Layout.of(args.name)
    prepare.check_machine()
    prepare.install([need for need in (prepare.BACKUP,) if not need.present()], yes=args.yes)
    return _save(layout, args.file.absolute()) if args.action == "save" else _restore(layout, args)


def _save(layout: Layout, target: Path) -> int:
    spec = layout.read()
    if not spec.control_plane:
        raise ClusterError(f"the cluster's state is where its control plane runs ({spec.server}), not on a worker")
    if not processes.supervisor_of(layout.state):
        raise ClusterError(f"cluster {layout.name!r} is stopped: ./pk start{layout.flag} first")
    if not target.parent.is_dir():
        raise ClusterError(f"there is no folder {target.parent}")
    with console.step(f"Saving cluster {layout.name!r}"):
        size = snapshots.save(layout, spec, target)
    console.say(f"{target}: {size >> 10} KiB. It holds the cluster's keys: keep it safe.")
    return 0


def _restore(layout: Layout, args: argparse.Namespace) -> int:
    saved = replace(snapshots.read_spec(args.file), name=layout.name)
    found = specs.read(layout.spec)
    if found:
        if not args.yes and not console.confirm(f"Replace everything that cluster {layout.name!r} holds?"):
            raise ClusterError("nothing was changed")
        if (found.slot, found.control_plane) != (saved.slot, True):
            raise ClusterError(
                f"cluster {layout.name!r} has other addresses than the saved one: ./pk down{layout.flag} first"
            )
        with console.step(f"Stopping cluster {layout.name!r}"):
            lifecycle.stop(layout, found)
        saved = replace(found, names=tuple(dict.fromkeys((*found.names, *saved.names))))
    elif saved.slot in {s.slot for _, s in all_clusters()}:
        raise ClusterError("another cluster on this machine has the saved one's addresses: take it down first")
    planning.check_ports(saved)
    with console.step("Restoring etcd and keys"):
        snapshots.restore(layout, saved, args.file)
    try:
        lifecycle.create(layout, saved)
        lifecycle.start(layout, saved)
    except ClusterError:
        if not found:
            shutil.rmtree(layout.root, ignore_errors=True)
        raise
    return 0


VERB = Verb("save a cluster's state to a file, or restore it", run, arguments)
