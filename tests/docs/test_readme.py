"""What README.md says about commands is so: verbs, flags, programs, components. Its tour is run by tests/e2e/test_tour.py."""

from __future__ import annotations

import argparse
import importlib.util
import re
import tomllib

import pytest

from pocketkube.cluster import __main__ as tool
from tests.docs.snippets import ROOT

README = (ROOT / "README.md").read_text()
COMMANDS = sorted(set(re.findall(r"\./pk ([a-z]\w*[^`\n#|)]*)", README)))


def flags_of(verb: str) -> set[str]:
    parser = argparse.ArgumentParser()
    parser.add_argument("--name")
    tool.load(verb).arguments(parser)
    return {flag for action in parser._actions for flag in action.option_strings}


@pytest.mark.parametrize("command", COMMANDS)
def test_verbs_and_flags_exist(command: str) -> None:
    verb, *words = command.replace("[", " ").replace("]", " ").split()
    assert verb in tool.names()
    if not tool.load(verb).passes_rest:
        assert {word for word in words if word.startswith("-")} <= flags_of(verb)


def test_every_verb_is_described() -> None:
    assert {command.split()[0] for command in COMMANDS} == set(tool.names())


@pytest.mark.parametrize("program", re.findall(r"`python -m (\w+)`", README))
def test_programs_exist(program: str) -> None:
    assert importlib.util.find_spec(f"{program}.__main__") is not None


def test_the_first_two_commands_come_first() -> None:
    first = re.search(r"## Two commands.*?```sh\n(.*?)```", README, re.DOTALL)
    assert first is not None
    assert [line.split("#")[0].strip() for line in first[1].splitlines()] == ["./pk up", "./pk test"]
    assert (ROOT / "pk").stat().st_mode & 0o111


def test_the_python_that_is_needed_is_the_one_that_is_named() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = project["requires-python"].removeprefix(">=")
    assert f"Python {needed}" in README
    assert set(project["scripts"].values()) == {"pocketkube.cluster.__main__:main"}
