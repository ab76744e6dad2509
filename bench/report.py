"""python3 -m bench.report RESULTS.json: docs/performance.md and its plots, beside the peer's figures."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench import plots

Obj = dict[str, Any]

HERE = Path(__file__).parent
_INTRODUCTION = """# Performance of the API server

Made by `python3 -m bench.report` out of a run of `bench/run` ([how to run it](../bench/README.md)). One API server process over one etcd,
TLS, RBAC, bearer token; 32 connections, pods of 2.3 kB, on a machine with 2 cores that the server, etcd and the load share.

The peer is kube-apiserver of Kubernetes v1.20.2, the release that could be built and run there, over etcd 3.4.23 with TLS, RBAC and token
authentication. **Its figures are those of v1.20.2, not of today's release.** Both were measured by the same program, one after the other,
on a quiet machine; the peer's memory in an earlier run. Compare CPU a request. The aim is half of the peer's in each row; a share above 50%
is a row that is not there yet.
"""


def page(found: Obj, peer: Obj) -> str:
    parts = [_INTRODUCTION, _rows(found, peer), _memory(found, peer), _growth(found, peer), _neighbours(found, peer)]
    return "\n".join(part for part in parts if part)


def _rows(found: Obj, peer: Obj) -> str:
    theirs = {row["name"]: row for row in peer["rows"]}
    head = [
        "## A request",
        "",
        "CPU is the server's, in µs a request (for `watch` an event at a watcher; 100 watchers, 200 events).",
        "",
        "| row | ours | peer | share | a second: ours | peer | p50 / p99 ms: ours | peer |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    return "\n".join(
        [
            *head,
            *(_row(row, theirs[row["name"]]) for row in found["rows"]),
            "",
            "![CPU a request](performance-cpu.svg)",
            "",
        ]
    )


def _row(ours: Obj, peer: Obj) -> str:
    cells = [
        ours["name"], _number(ours["cpu_us"]), _number(peer["cpu_us"]), f"{ours['cpu_us'] / peer['cpu_us']:.0%}",
        _number(ours["per_second"]), _number(peer["per_second"]), _latency(ours), _latency(peer),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _latency(row: Mapping[str, float]) -> str:
    return f"{_number(row['p50_ms'])} / {_number(row['p99_ms'])}" if row["p50_ms"] else "–"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 20 else f"{value:.3g}"


def _memory(found: Obj, peer: Obj) -> str:
    lines = [
        "## Memory and start",
        "",
        "| | ours | peer |",
        "| --- | ---: | ---: |",
        f"| resident, idle, MiB | {_number(found['resident_mib_before'])} | {peer['resident_mib_before']} |",
        f"| resident after the rows above, MiB | {_number(found['resident_mib'])} | {peer['resident_mib']} |",
        f"| resident with 50,000 more objects, MiB | {_after(found)} | {_after(peer)} |",
    ]
    for name, start in found.get("starts", {}).items():
        theirs = peer["start_seconds"] if name == "empty" else "–"
        lines.append(f"| start to ready, etcd {name}, s | {start['seconds']:.1f} | {theirs} |")
    return "\n".join([*lines, ""])


def _after(run: Obj) -> str:
    return _number(run["resident_mib_after_growth"]) if "resident_mib_after_growth" in run else "–"


def _growth(found: Obj, peer: Obj) -> str:
    theirs = _series(peer.get("objects", ()))
    lines = [
        "## Growth",
        "",
        "CPU a request as the number of objects of that resource, or of watchers, grows.",
        "",
        "| objects | " + " | ".join(f"{size:,.0f}" for size in _sizes(found["objects"])) + " |",
        "| --- |" + " ---: |" * len(_sizes(found["objects"])),
    ]
    for name, points in _series(found["objects"]).items():
        lines.append(f"| {name}, µs | " + " | ".join(_number(cpu) for _, cpu in points) + " |")
        if name in theirs:
            lines.append(f"| {name}, peer | " + " | ".join(_number(cpu) for _, cpu in theirs[name]) + " |")
    lines += [
        "",
        "![objects](performance-objects.svg)",
        "",
        "| watchers | µs an event at a watcher | peer | events a second | peer |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    others = {row["name"]: row for row in peer.get("watchers", ())}
    for row in found["watchers"]:
        other = others.get(row["name"])
        cells = [
            row["name"].split()[0], _number(row["cpu_us"]), _number(other["cpu_us"]) if other else "–",
            _number(row["per_second"]), _number(other["per_second"]) if other else "–",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(
        [*lines, "", "The cost of the write itself is in the first figures: it is shared by few watchers.", ""]
    )


def _neighbours(found: Obj, peer: Obj) -> str:
    """ "get beside 500 CRDs" and its like: a row for get, a column for the CRDs."""
    beside, theirs = _beside(found.get("neighbours", ())), _beside(peer.get("neighbours", ()))
    if not beside:
        return ""
    lines = [
        "## What is none of a request's business",
        "",
        "CPU a request for ConfigMaps, in µs, beside as many CRDs, namespaces with a ConfigMap each, and watchers of Secrets;",
        "for `watch` an event at a watcher, of 10. What a server does meanwhile with what it was given is in its figures.",
        "",
        "| beside | " + " | ".join(beside) + " |",
        "| --- |" + " ---: |" * len(beside),
    ]
    for name in next(iter(beside.values())):
        lines.append(f"| {name} | " + " | ".join(_number(given[name]) for given in beside.values()) + " |")
        if theirs:
            cells = [_number(theirs[b][name]) if b in theirs else "–" for b in beside]
            lines.append(f"| {name}, peer | {' | '.join(cells)} |")
    return "\n".join([*lines, "", "![beside](performance-neighbours.svg)", ""])


def _beside(rows: Iterable[Obj]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        name, _, neighbour = row["name"].partition(" beside ")
        found.setdefault(neighbour, {})[name] = row["cpu_us"]
    return found


def _series(rows: Iterable[Obj]) -> dict[str, list[tuple[float, float]]]:
    """ "get at 1000" and its like: name -> (size, CPU)."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        name, _, size = row["name"].replace(" up to ", " at ").rpartition(" at ")
        found.setdefault(name, []).append((float(size), row["cpu_us"]))
    return found


def _sizes(rows: Iterable[Obj]) -> list[float]:
    return sorted({size for points in _series(rows).values() for size, _ in points})


def main() -> None:
    parser = argparse.ArgumentParser("bench.report", description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument(
        "--start",
        action="append",
        default=[],
        help='"empty=start.json", "with 20,000 objects=start.json": what --start measured, over which etcd',
    )
    parser.add_argument("--peer", type=Path, default=HERE / "peer.json")
    parser.add_argument("--folder", type=Path, default=HERE.parent / "docs")
    args = parser.parse_args()
    found, peer = json.loads(args.results.read_text()), json.loads(args.peer.read_text())
    starts = [given.partition("=") for given in args.start]
    found["starts"] = found.get("starts", {}) | {
        n: json.loads(Path(file).read_text())["start"] for n, _, file in starts
    }
    (args.folder / "performance.md").write_text(page(found, peer))
    ours = {row["name"]: row["cpu_us"] for row in found["rows"]}
    theirs = {row["name"]: row["cpu_us"] for row in peer["rows"]}
    title = "CPU a request, µs (dashed: half of the peer's)"
    (args.folder / "performance-cpu.svg").write_text(
        plots.bars(title, ours, theirs, names=("pocketkube", peer["name"]))
    )
    title = "CPU a request by the number of objects"
    (args.folder / "performance-objects.svg").write_text(plots.lines(title, _series(found["objects"])))
    if beside := _beside(found.get("neighbours", ())):
        title = "CPU a request beside what it does not ask for, µs"
        (args.folder / "performance-neighbours.svg").write_text(plots.groups(title, beside))


if __name__ == "__main__":
    main()
