"""What is typed: durations, taints, labels, ports, and what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest

from kubectl import commands
from kubectl.__main__ import build_parser, main
from kubectl.command import Command
from kubectl.commands import rollout, taint
from kubectl.errors import CommandError, sentence
from kubectl.metadata import split
from kubectl.waiting import duration
from pocketkube.api.meta import errors

VERBS = {
    "annotate", "api-resources", "api-versions", "apply", "attach", "auth", "autoscale", "certificate",
    "cluster-info", "completion", "config", "cordon", "cp", "create", "debug", "delete", "describe", "diff",
    "drain", "edit", "events", "exec", "explain", "expose", "get", "kustomize", "label", "logs", "options",
    "patch", "plugin", "port-forward", "proxy", "replace", "rollout", "run", "scale", "set", "taint", "top",
    "uncordon", "version", "wait",
}  # fmt: skip


def test_every_verb_is_there_and_parses() -> None:
    found = commands.load_all()
    assert set(found) == VERBS
    for name, command in found.items():
        assert isinstance(command, Command)
        build_parser(name, command)


@pytest.mark.parametrize(("text", "seconds"), [("5", 5), ("1m30s", 90), ("1.5h", 5400), ("250ms", 0.25), ("-1", -1)])
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "5x", "1m 3s"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(CommandError):
        duration(text)


def test_labels_are_told_from_names() -> None:
    assert split(["pod", "a", "x=1", "y-", "web-1"]) == (["pod", "a", "web-1"], {"x": "1", "y": None})


@pytest.mark.parametrize(
    ("word", "overwrite", "expected"),
    [
        pytest.param("k=v:NoSchedule", False, [{"key": "k", "value": "v", "effect": "NoSchedule"}], id="add"),
        pytest.param("k2:NoExecute-", False, [], id="remove"),
        pytest.param("k2=new:NoExecute", True, [{"key": "k2", "value": "new", "effect": "NoExecute"}], id="overwrite"),
    ],
)
def test_taints(word: str, overwrite: bool, expected: Any) -> None:
    there = [] if word.startswith("k=") else [{"key": "k2", "effect": "NoExecute"}]
    assert taint.changed(there, word, overwrite=overwrite, node="n") == expected


@pytest.mark.parametrize("word", ["k=v:Sometimes", "=v:NoSchedule", "k"])
def test_taints_that_are_none(word: str) -> None:
    with pytest.raises(CommandError):
        taint.parse(word)


@pytest.mark.parametrize(
    ("status", "text", "done"),
    [
        pytest.param(
            {"updatedReplicas": 1, "replicas": 4}, "1 out of 3 new replicas have been updated", False, id="updating"
        ),
        pytest.param(
            {"updatedReplicas": 3, "replicas": 4}, "1 old replicas are pending termination", False, id="old ones"
        ),
        pytest.param(
            {"updatedReplicas": 3, "replicas": 3, "availableReplicas": 2},
            "2 of 3 updated replicas are",
            False,
            id="not yet",
        ),
        pytest.param(
            {"updatedReplicas": 3, "replicas": 3, "availableReplicas": 3}, "successfully rolled out", True, id="done"
        ),
    ],
)
def test_rollout_progress(status: dict[str, Any], text: str, done: bool) -> None:
    obj = {
        "kind": "Deployment",
        "metadata": {"generation": 1},
        "spec": {"replicas": 3},
        "status": {"observedGeneration": 1, **status},
    }
    said, over = rollout.progress(obj, "web")
    assert text in said and over == done


def test_a_refusal_reads_as_upstream() -> None:
    missing = errors.not_found("", "pods", "x")
    assert sentence(missing) == 'Error from server (NotFound): pods "x" not found'


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["fly"], 'error: unknown command "fly" for "kubectl"', id="verb"),
        pytest.param(["--kubeconfig", "/nowhere/x", "get", "pods"], "/nowhere/x", id="kubeconfig"),
        pytest.param(["get", "--nonsense"], "unknown flag: --nonsense", id="flag"),
        pytest.param(
            ["get", "pod", "--kubeconfig", "/nowhere/x", "web"], "/nowhere/x", id="a name after a flag is a name"
        ),
    ],
)
def test_bad_words_are_one_line_and_exit_1(words: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 1
    assert expected in capsys.readouterr().err
