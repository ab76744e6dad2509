"""python -m tests.apiserver.watched FILE FLAGS...: the API server, which writes each long turn of its loop to a file, one JSON a line."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from apiserver import __main__ as program
from apiserver import app
from apiserver.options import Options
from tests.apiserver.turns import LongTurns, Turn


def main(file: str, *argv: str) -> int:
    serve = app.run

    def write(turn: Turn) -> None:
        with Path(file).open("a", encoding="utf-8") as report:
            report.write(json.dumps(turn._asdict()) + "\n")

    async def run(flags: Options, stop: asyncio.Event) -> None:
        with LongTurns(report=write):
            await serve(flags, stop)

    app.run = run
    return program.main(argv)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
