"""The README's tour, every command of it, in order, in one shell."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.e2e.conftest import ROOT, Cluster

# What a reader types is kept; only where it comes from is the test's: the cluster by its name, kubectl, and curl if there is none.
SHELL = """
set -euo pipefail
tool() { verb=$1; shift; "$PYTHON" -m pocketkube.cluster "$verb" --name "$NAME" "$@"; }
kubectl() { "$KUBECTL" "$@"; }
"""
CURL = """
curl() {
    "$PYTHON" -c 'import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())' "${@: -1}"
}
"""
MARK = "=== "


def commands() -> list[str]:
    blocks = re.findall(r"^```sh tour\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def script(lines: list[str]) -> str:
    """Each command after a line that shows it, so that its output can be told from the others'."""
    shell = SHELL + ("" if shutil.which("curl") else CURL)
    for number, line in enumerate(lines):
        shell += f"printf '\\n{MARK}{number}\\n'\n{re.sub(r'[.]/pk ', 'tool ', line)}\n"
    return shell


def run(cluster: Cluster, folder: Path) -> dict[str, str]:
    """Command -> what it printed. The first that fails ends the tour, and the test."""
    lines = commands()
    file = folder / "tour.sh"
    file.write_text(script(lines))
    env = {**cluster.env, "PYTHON": sys.executable, "NAME": cluster.name, "KUBECTL": cluster.kubectl_program}
    done = subprocess.run(["bash", str(file)], cwd=ROOT, env=env, capture_output=True, text=True, timeout=600)
    parts = re.split(rf"\n{MARK}\d+\n", done.stdout)[1:]
    last = lines[len(parts) - 1] if parts else "(none)"
    assert done.returncode == 0, f"`{last}` exited {done.returncode}\n{parts[-1:]}\n{done.stderr}"
    return dict(zip(lines, parts, strict=True))


def test_every_command_of_the_tour_does_what_it_says(cluster: Cluster, tmp_path: Path) -> None:
    said = run(cluster, tmp_path)
    assert " Ready " in said["kubectl get nodes"]
    assert "Hello from the seed job" in said["curl -s http://127.0.0.1:30080/"]
    assert said["curl -s http://127.0.0.1:30080/version"] == "2\n"
    assert "rolled back" in said["kubectl rollout undo deployment/guestbook"]
    assert "200" in next(text for line, text in said.items() if line.startswith("kubectl exec"))
    assert "guestbook-store" in said["./pk kubectl get pods"]
    assert said["./pk kubectl auth can-i create deployments"].strip() == "yes"
