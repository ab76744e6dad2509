"""Our kustomize builds what upstream's builds, byte for byte: objects, names, hashes, order and warnings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.apiserver.test_process import KUBECTL, REPOSITORY

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")

FOLDER = Path(__file__).with_name("kustomization")
OURS = [sys.executable, "-m", "kubectl"]


def build(program: list[str], folder: Path) -> tuple[int, str, str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [*program, "kustomize", str(folder)], env=environment, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("name", ["base", "over"])
def test_the_same_is_built(name: str) -> None:
    assert KUBECTL is not None
    theirs = build([KUBECTL], FOLDER / name)
    assert theirs[0] == 0, theirs[2]
    assert build(OURS, FOLDER / name) == theirs


CHANGES = [
    pytest.param("sortOptions: {order: fifo}", id="as they are named"),
    pytest.param("namespace: other\nnameSuffix: -end", id="namespace and suffix"),
    pytest.param(
        "secretGenerator: [{name: x, type: t, literals: ['a=<&>', b=]}]\ngeneratorOptions: {immutable: true}",
        id="secret",
    ),
    pytest.param("configMapGenerator: [{name: empty}]", id="nothing in it"),
    pytest.param("images: [{name: nginx, newName: mm, tagSuffix: -x}]", id="image"),
    pytest.param(
        'patches: [{patch: \'[{"op":"remove","path":"/spec/replicas"}]\', target: {kind: Deploy.*}}]', id="pattern"
    ),
    pytest.param("buildMetadata: []", id="nothing"),
]


@pytest.mark.parametrize("lines", CHANGES)
def test_the_same_is_built_on_top(tmp_path: Path, lines: str) -> None:
    assert KUBECTL is not None
    shutil.copytree(FOLDER / "base", tmp_path / "base")
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "kustomization.yaml").write_text(f"resources: [../base]\n{lines}\n")
    theirs = build([KUBECTL], tmp_path / "top")
    assert theirs[0] == 0, theirs[2]
    assert build(OURS, tmp_path / "top") == theirs


WRONG = [
    pytest.param("nonsense: 1", id="unknown field"),
    pytest.param("resources: [nothing.yaml]", id="no file"),
    pytest.param("resources: [../top]", id="itself"),
    pytest.param("replicas: [{name: nothing, count: 1}]", id="nobody to scale"),
    pytest.param("patches: [{patch: '{kind: Pod, apiVersion: v1, metadata: {name: nothing}}'}]", id="nobody to patch"),
    pytest.param("configMapGenerator: [{name: a, files: [../x]}]", id="out of its folder"),
    pytest.param("configMapGenerator: [{name: a, literals: [x]}]", id="no literal"),
    pytest.param("configMapGenerator: [{name: a, behavior: merge, literals: [x=y]}]", id="nothing to merge with"),
    pytest.param("", id="empty"),
]


@pytest.mark.parametrize("lines", WRONG)
def test_both_refuse(tmp_path: Path, lines: str) -> None:
    assert KUBECTL is not None
    (tmp_path / "top").mkdir()
    (tmp_path / "x").write_text("out")
    (tmp_path / "top" / "kustomization.yaml").write_text(lines + "\n")
    for program in ([KUBECTL], OURS):
        code, out, err = build(program, tmp_path / "top")
        assert (code, out) == (1, "") and err.startswith("error: ") and "Traceback" not in err, err
