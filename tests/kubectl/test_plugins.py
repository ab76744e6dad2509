"""Programs on PATH that are commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kubectl import plugins

ROOT = Path(__file__).parents[2]


def program(folder: Path, name: str, *, mode: int = 0o755) -> Path:
    path = folder / name
    path.write_text(f'#!/bin/sh\necho {name} "$@"\nexit 7\n')
    path.chmod(mode)
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_the_longest_name_wins_and_flags_end_it(folder: Path) -> None:
    short, long = program(folder, "kubectl-foo"), program(folder, "kubectl-foo-b_r")
    assert plugins.find(["foo", "x"]) == (str(short), ["x"])
    assert plugins.find(["foo", "b-r", "x"]) == (str(long), ["x"])
    assert plugins.find(["foo", "--flag", "b-r"]) == (str(short), ["--flag", "b-r"])
    assert plugins.find(["other"]) is None


def kubectl(folder: Path, *words: str) -> tuple[int, str, str]:
    environment = {**os.environ, "PATH": f"{folder}:/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", "kubectl", *words], env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_a_plugin_gets_the_words_and_gives_the_exit_code(folder: Path) -> None:
    program(folder, "kubectl-foo")
    assert kubectl(folder, "foo", "a", "--b=c", "--", "d") == (7, "kubectl-foo a --b=c -- d\n", "")
    code, out, err = kubectl(folder, "bar")
    assert (code, out, err) == (1, "", 'error: unknown command "bar" for "kubectl"\n')


def test_they_are_listed_with_what_is_wrong(folder: Path) -> None:
    program(folder, "kubectl-foo")
    program(folder, "kubectl-get")
    program(folder, "kubectl-later", mode=0o644)
    code, out, err = kubectl(folder, "plugin", "list")
    assert code == 1 and f"{folder}/kubectl-foo" in out
    assert 'kubectl-get overwrites existing command: "kubectl get"' in err and "is not executable" in err
    assert "error: 2 plugin warnings were found" in err
    (folder / "kubectl-get").unlink()
    (folder / "kubectl-later").unlink()
    assert kubectl(folder, "plugin", "list", "--name-only")[1].splitlines()[-1] == "kubectl-foo"
