"""bench/run URL TOKEN: measure an API server, print each row as it is done, write all as JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import growth, neighbours, rows, starting
from bench.connection import Target
from bench.load import Load, Row
from bench.processes import Processes

DEADLINE_SECONDS = 3600


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bench/run", description=__doc__)
    parser.add_argument("url", help="https://127.0.0.1:6443")
    parser.add_argument("token", help="of a subject with all rights")
    parser.add_argument(
        "--pid", type=_numbers, default=[], help="processes of the server, for CPU and memory; with their children"
    )
    parser.add_argument("--requests", type=int, default=2000, help="a row")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rows", default=",".join(rows.ROWS), help="which rows of the table; '' for none")
    parser.add_argument("--objects", type=_numbers, default=[1000, 10_000, 50_000], help="growth; '' for none")
    parser.add_argument("--watchers", type=_numbers, default=[10, 100, 1000], help="growth; '' for none")
    parser.add_argument("--crds", type=int, default=500, help="growth by what is not asked for; 0 for none")
    parser.add_argument("--namespaces", type=int, default=1000, help="the same")
    parser.add_argument("--other-watchers", type=int, default=1000, help="the same, of another resource")
    parser.add_argument(
        "--start",
        default="",
        help="a command that starts the server in the foreground at the URL; it is timed, nothing else",
    )
    parser.add_argument("--json", type=Path, help="where to write the results")
    return parser.parse_args()


async def measure(args: argparse.Namespace) -> dict[str, Any]:
    target = Target(args.url, args.token)
    if args.start:
        return {"start": await starting.measure(args.start, target)}
    processes = Processes(args.pid)
    found: dict[str, Any] = {"resident_mib_before": processes.resident()}
    found |= {"rows": [], "objects": [], "watchers": [], "neighbours": []}
    others = {"crds": args.crds, "namespaces": args.namespaces, "watchers": args.other_watchers}
    async with Load(target, processes, connections=args.connections) as load:
        await rows.prepare(load)
        wanted = [name.strip() for name in args.rows.split(",")]
        async for row in rows.measure(load, args.requests, wanted):
            _add(found["rows"], row)
        found["resident_mib"] = processes.resident()
        async for row in growth.of_watchers(load, args.watchers):
            _add(found["watchers"], row)
        async for row in growth.of_objects(load, args.objects):
            _add(found["objects"], row)
        found["resident_mib_after_growth"] = processes.resident()
        if any(others.values()):
            async for row in neighbours.measure(load, **others):
                _add(found["neighbours"], row)
    return found


def _add(found: list[dict[str, Any]], row: Row) -> None:
    found.append(asdict(row))
    refused = f"  REFUSED {row.refused}" if row.refused else ""
    print(
        f"{row.name:36} {row.per_second:10.0f}/s  p50 {row.p50_ms:8.2f} ms  p99 {row.p99_ms:8.2f} ms  "
        f"{row.cpu_us:9.1f} us CPU  {row.kilobytes:8.1f} kB{refused}",
        flush=True,
    )


def main() -> int:
    args = parse()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 8192), hard), hard))
    found = asyncio.run(asyncio.wait_for(measure(args), DEADLINE_SECONDS))
    text = json.dumps(found, indent=1)
    if args.json:
        args.json.write_text(text + "\n")
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
