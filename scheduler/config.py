"""KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1): a file becomes one `Configuration`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scheduler.profile import DEFAULT, Chosen

Obj = dict[str, Any]

POINTS = ("preEnqueue", "queueSort", "preFilter", "filter", "postFilter", "preScore", "score", "reserve", "permit",
          "preBind", "bind", "postBind")  # fmt: skip


class ConfigurationError(Exception):
    """The file is not a scheduler configuration; the message says where."""


@dataclass(frozen=True)
class ProfileConfiguration:
    scheduler_name: str = "default-scheduler"
    plugins: list[Chosen] = field(default_factory=lambda: [*DEFAULT])
    args: dict[str, Obj] = field(default_factory=dict)


@dataclass(frozen=True)
class Configuration:
    profiles: list[ProfileConfiguration] = field(default_factory=lambda: [ProfileConfiguration()])
    percent_of_nodes: int = 0
    initial_backoff: float = 1.0
    max_backoff: float = 10.0
    kubeconfig: str = ""
    leader_elect: bool | None = None
    lease_name: str = ""
    lease_namespace: str = ""


def read(path: str) -> Configuration:
    """Raises ConfigurationError."""
    import yaml

    try:
        with open(path, encoding="utf-8") as file:
            data = yaml.safe_load(file)
    except OSError as e:
        raise ConfigurationError(f"cannot read {path}: {e.strerror}") from e
    except yaml.YAMLError as e:
        raise ConfigurationError(f"{path} is not YAML: {e}") from e
    if not isinstance(data, dict) or data.get("kind") != "KubeSchedulerConfiguration":
        raise ConfigurationError(f"{path}: kind is not KubeSchedulerConfiguration")
    try:
        return parse(data)
    except (TypeError, KeyError, AttributeError) as e:
        raise ConfigurationError(f"{path}: {e!r}") from e


def parse(data: Obj) -> Configuration:
    election, connection = data.get("leaderElection") or {}, data.get("clientConnection") or {}
    profiles = [_profile(p) for p in data.get("profiles") or [{}]]
    names = [p.scheduler_name for p in profiles]
    if len(set(names)) != len(names):
        raise ConfigurationError("two profiles have the same schedulerName")
    return Configuration(
        profiles=profiles,
        percent_of_nodes=int(data.get("percentageOfNodesToScore") or 0),
        initial_backoff=float(data.get("podInitialBackoffSeconds") or 1),
        max_backoff=float(data.get("podMaxBackoffSeconds") or 10),
        kubeconfig=connection.get("kubeconfig") or "",
        leader_elect=election.get("leaderElect"),
        lease_name=election.get("resourceName") or "",
        lease_namespace=election.get("resourceNamespace") or "",
    )


def _profile(profile: Obj) -> ProfileConfiguration:
    plugins = profile.get("plugins") or {}
    chosen = _select([*DEFAULT], plugins.get("multiPoint") or {})
    for point in POINTS:
        chosen = _at_point(chosen, point, plugins.get(point) or {})
    return ProfileConfiguration(
        profile.get("schedulerName") or "default-scheduler",
        chosen,
        {c["name"]: c.get("args") or {} for c in profile.get("pluginConfig") or ()},
    )


def _select(chosen: list[Chosen], changes: Obj) -> list[Chosen]:
    """`disabled` takes plugins (or "*" all) away, `enabled` puts them at the end, or changes their weight in place."""
    gone = {p["name"] for p in changes.get("disabled") or ()}
    found = [] if "*" in gone else [c for c in chosen if c.name not in gone]
    for plugin in changes.get("enabled") or ():
        weight = int(plugin.get("weight") or _default_weight(plugin["name"]))
        at = next((i for i, c in enumerate(found) if c.name == plugin["name"]), None)
        if at is None:
            found.append(Chosen(plugin["name"], weight))
        else:
            found[at] = found[at]._replace(weight=weight)
    return found


def _at_point(chosen: list[Chosen], point: str, changes: Obj) -> list[Chosen]:
    """The same at one extension point: plugins stay, but are left out there; or count there with another weight."""
    gone = {p["name"] for p in changes.get("disabled") or ()}
    found = [c._replace(without=c.without | {point}) if c.name in gone or "*" in gone else c for c in chosen]
    for plugin in changes.get("enabled") or ():
        at = next((i for i, c in enumerate(found) if c.name == plugin["name"]), None)
        weight = int(plugin.get("weight") or _default_weight(plugin["name"]))
        if at is None:
            found.append(Chosen(plugin["name"], weight, frozenset(POINTS) - {point}))
        else:
            found[at] = found[at]._replace(without=found[at].without - {point}, weight=weight)
    return found


def _default_weight(name: str) -> int:
    return next((c.weight for c in DEFAULT if c.name == name), 1)
