"""KubeSchedulerConfiguration: which plugins are left, and what is wrong with a bad file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scheduler.config import ConfigurationError, parse, read
from scheduler.profile import DEFAULT, available

Obj = dict[str, Any]


def names(plugins: Obj, point: str = "") -> list[str]:
    """The plugins of one profile, or those of them that count at an extension point."""
    (profile,) = parse({"profiles": [{"plugins": plugins}]}).profiles
    return [c.name for c in profile.plugins if point not in c.without]


def test_every_plugin_of_the_default_profile_exists_and_no_other() -> None:
    assert {c.name for c in DEFAULT} == {*available()}


def test_an_empty_configuration_is_the_default() -> None:
    found = parse({})
    assert [p.scheduler_name for p in found.profiles] == ["default-scheduler"]
    assert names({}) == [c.name for c in DEFAULT]


def test_multi_point_takes_away_and_adds() -> None:
    assert "ImageLocality" not in names({"multiPoint": {"disabled": [{"name": "ImageLocality"}]}})
    only = {"multiPoint": {"disabled": [{"name": "*"}], "enabled": [{"name": "NodeName"}, {"name": "DefaultBinder"}]}}
    assert names(only) == ["NodeName", "DefaultBinder"]


def test_one_point_keeps_the_plugin_elsewhere() -> None:
    off = {"score": {"disabled": [{"name": "TaintToleration"}]}}
    assert "TaintToleration" not in names(off, "score")
    assert "TaintToleration" in names(off, "filter")
    alone = {"score": {"disabled": [{"name": "*"}], "enabled": [{"name": "ImageLocality", "weight": 5}]}}
    assert names(alone, "score") == ["ImageLocality"]


def test_weights_and_arguments() -> None:
    (profile,) = parse({
        "profiles": [{
            "plugins": {"multiPoint": {"enabled": [{"name": "NodeAffinity", "weight": 7}]}},
            "pluginConfig": [{"name": "NodeAffinity", "args": {"addedAffinity": {}}}],
        }]
    }).profiles  # fmt: skip
    assert next(c.weight for c in profile.plugins if c.name == "NodeAffinity") == 7
    assert profile.args == {"NodeAffinity": {"addedAffinity": {}}}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("kind: Pod", "kind is not KubeSchedulerConfiguration", id="kind"),
        pytest.param("{", "is not YAML", id="yaml"),
        pytest.param("kind: KubeSchedulerConfiguration\nprofiles: [{}, {}]", "same schedulerName", id="twice"),
        pytest.param("kind: KubeSchedulerConfiguration\nprofiles: [1]", "AttributeError", id="shape"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=complaint):
        read(str(path))
