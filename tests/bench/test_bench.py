"""The benchmark, small, against a server of ours; and the page that is made of what it found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench import growth, neighbours, plots, rows, watching
from bench.processes import Processes
from tests.apiserver.robustness.processes import ApiServer
from tests.certificates import Pki
from tests.conftest import Etcd

SMALL = "--requests 20 --connections 4 --objects 10,20 --watchers 2 --crds 2 --namespaces 2 --other-watchers 2"
ASKED = ["create", "get", "select", "patch", "watch", "delete"]


@pytest.mark.integration
async def test_every_row_is_answered(
    tmp_path: Path, etcd: Etcd, pki: Pki, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from bench.__main__ import measure, parse

    for module, name in ((neighbours, "REQUESTS"), (neighbours, "EVENTS"), (rows, "EVENTS"), (growth, "REQUESTS")):
        monkeypatch.setattr(module, name, 20)
    monkeypatch.setattr(rows, "WATCHERS", 2)
    monkeypatch.setattr(watching, "OBJECTS", 10)
    server = ApiServer(tmp_path, [etcd.endpoint], pki)
    await server.start()
    try:
        given = ["bench/run", server.target.url, server.target.token, "--pid", str(server.pid), *SMALL.split()]
        monkeypatch.setattr(sys, "argv", given)
        found = await measure(parse())
    finally:
        server.stop()
    assert [row["name"] for row in found["rows"]] == list(rows.ROWS)
    beside = ["nothing else", "2 CRDs", "2 namespaces", "2 other watchers"]
    assert [row["name"] for row in found["neighbours"]] == [f"{name} beside {one}" for one in beside for name in ASKED]
    measured = [row for part in ("rows", "objects", "watchers", "neighbours") for row in found[part]]
    assert {row["name"]: row["refused"] for row in measured if row["refused"]} == {}
    assert all(row["cpu_us"] > 0 for row in measured)
    written(tmp_path, found | {"starts": {"empty": {"seconds": 1.0}}})


def written(folder: Path, found: dict[str, Any], *more: str) -> str:
    """The page of these results; its plots must be XML."""
    results = folder / "results.json"
    results.write_text(json.dumps(found))
    command = [sys.executable, "-m", "bench.report", str(results), "--folder", str(folder), *more]
    subprocess.run(command, check=True)
    for name in ("cpu", "objects", "neighbours"):
        ElementTree.parse(folder / f"performance-{name}.svg")
    return (folder / "performance.md").read_text()


def row(name: str, cpu: float) -> dict[str, Any]:
    return {"name": name, "cpu_us": cpu, "per_second": 1000.0, "p50_ms": 1.0, "p99_ms": 2.0}


def test_the_page(tmp_path: Path) -> None:
    found = {
        "rows": [row("create", 155.0)],
        "objects": [row("get at 10", 50.0), row("get at 100", 51.0)],
        "watchers": [row("10 watchers", 9.0)],
        "neighbours": [row("get beside nothing else", 61.0), row("get beside 500 CRDs", 62.0)],
        "resident_mib_before": 70.0,
        "resident_mib": 80.0,
        "resident_mib_after_growth": 90.0,
    }
    (tmp_path / "full.json").write_text('{"start": {"seconds": 2.34}}')
    page = written(tmp_path, found, "--start", f"with 20,000 objects={tmp_path}/full.json")
    assert "| create | 155 | 761 | 20% |" in page
    assert "| start to ready, etcd with 20,000 objects, s | 2.3 | – |" in page
    assert "| beside | nothing else | 500 CRDs |" in page
    assert "| get | 61 | 62 |" in page


def test_bars_in_groups_are_as_long_as_what_they_show() -> None:
    drawn = ElementTree.fromstring(plots.groups("t", {"a": {"get": 50.0}, "b": {"get": 100.0}}))
    rects = list(drawn.iter("{http://www.w3.org/2000/svg}rect"))
    widths = [float(each.get("width", "0")) for each in rects if each.get("height") == "11" and each.get("y") != "32.0"]
    assert widths[1] == pytest.approx(2 * widths[0])


def test_a_process_that_ended_costs_nothing() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    assert Processes([process.pid]).cpu() == 0.0


def test_the_page_beside_a_run_of_the_peer(tmp_path: Path) -> None:
    def run(cpu: float) -> dict[str, Any]:
        return {
            "name": "other",
            "rows": [row("create", cpu)],
            "objects": [row("get at 10", cpu), row("get at 100", cpu + 1)],
            "watchers": [row("10 watchers", cpu)],
            "neighbours": [row("get beside nothing else", cpu), row("get beside 500 CRDs", cpu + 2)],
            "resident_mib_before": cpu,
            "resident_mib": cpu,
            "resident_mib_after_growth": cpu,
            "start_seconds": 3.0,
        }

    (tmp_path / "peer.json").write_text(json.dumps(run(200.0)))
    page = written(tmp_path, run(50.0), "--peer", str(tmp_path / "peer.json"))
    for line in (
        "| create | 50 | 200 | 25% |",
        "| get, µs | 50 | 51 |\n| get, peer | 200 | 201 |",
        "| 10 | 50 | 200 | 1,000 | 1,000 |",
        "| get | 50 | 52 |\n| get, peer | 200 | 202 |",
        "| resident with 50,000 more objects, MiB | 50 | 200 |",
    ):
        assert line in page, line
