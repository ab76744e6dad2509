"""Every link of every page leads somewhere: files and folders, sections of pages, and the nodes of graphs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.snippets import ROOT

PAGES = sorted(
    path for path in ROOT.rglob("*.md") if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
)
_CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_GRAPH = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")
_CLICK = re.compile(r'^\s*click (\w+) "([^"]+)"', re.MULTILINE)
_FILE = re.compile(r"`(\w[\w./-]*(?:\.py|/))`")


def links(page: Path) -> list[str]:
    return _LINK.findall(_CODE.sub("", page.read_text()))


def graphs(page: Path) -> Iterator[str]:
    return (match[1] for match in _GRAPH.finditer(page.read_text()))


def sections(page: Path) -> set[str]:
    """Anchors as a forge makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", _CODE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def leads_nowhere(page: Path, link: str) -> bool:
    if re.match(r"[a-z]+:", link):
        return False
    path, _, section = link.partition("#")
    target = page.parent / path if path else page
    return not target.exists() or bool(section and section not in sections(target))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links(page: Path) -> None:
    assert [link for link in links(page) if leads_nowhere(page, link)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_nodes_of_graphs(page: Path) -> None:
    for graph in graphs(page):
        clicks = _CLICK.findall(graph)
        drawn = _CLICK.sub("", graph)
        assert [path for _, path in clicks if not (page.parent / path).exists()] == []
        assert [node for node, _ in clicks if not re.search(rf"\b{node}\b", drawn)] == []


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.name == "README.md" and page.parent != ROOT],
    ids=lambda page: page.parent.name,
)
def test_files_that_a_package_lists(page: Path) -> None:
    """A file or folder in code style, `errors.py` or `plugins/`, is somewhere below the page's own folder, or a path of the tree."""
    named = _FILE.findall(_CODE.sub("", page.read_text()))
    assert [name for name in named if not any(page.parent.rglob(name)) and not (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    "package",
    ["apiserver", "scheduler", "controller", "kubelet", "proxy", "kubectl", "pocketkube", "pocketkube/client"],
)
def test_packages_explain_themselves(package: str) -> None:
    assert (ROOT / package / "README.md").exists()
