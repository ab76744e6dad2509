"""The texts of a pod's /etc/resolv.conf and /etc/hosts. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kubelet.pods import spec

Obj = dict[str, Any]

MAX_NAMESERVERS, MAX_SEARCHES, MAX_SEARCH_CHARACTERS = 3, 32, 2048
HEADER = "# Kubernetes-managed hosts file.\n"
HEADER_HOST_NETWORK = "# Kubernetes-managed hosts file (host network).\n"


@dataclass(frozen=True, slots=True)
class Resolver:
    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def text(self) -> str:
        lines = [f"search {' '.join(self.searches)}"] if self.searches else []
        lines += [f"nameserver {address}" for address in self.nameservers]
        lines += [f"options {' '.join(self.options)}"] if self.options else []
        return "\n".join([*lines, ""])


def parse_resolver(text: str) -> Resolver:
    """A host's resolv.conf; the last `search` and `options` lines win."""
    nameservers: list[str] = []
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    for line in text.splitlines():
        words = line.split("#")[0].split(";")[0].split()
        if words[:1] == ["nameserver"] and len(words) > 1:
            nameservers.append(words[1])
        elif words[:1] == ["search"]:
            searches = tuple(word for word in words[1:] if word != ".")
        elif words[:1] == ["options"]:
            options = tuple(words[1:])
    return Resolver(tuple(nameservers), searches, options)


def resolver(pod: Obj, *, host: Resolver, cluster_dns: Iterable[str], domain: str) -> Resolver:
    policy = pod["spec"].get("dnsPolicy") or "ClusterFirst"
    cluster = tuple(cluster_dns)
    if policy == "ClusterFirst" and spec.host_network(pod):
        policy = "Default"
    if policy == "None":
        base = Resolver()
    elif policy in ("ClusterFirst", "ClusterFirstWithHostNet") and cluster:
        namespace = pod["metadata"].get("namespace", "default")
        own = (f"{namespace}.svc.{domain}", f"svc.{domain}", domain) if domain else ()
        base = Resolver(cluster, (*own, *(s for s in host.searches if s not in own)), ("ndots:5",))
    else:
        base = host
    return _limited(_merged(base, pod["spec"].get("dnsConfig") or {}))


def _merged(base: Resolver, config: Obj) -> Resolver:
    options = {option.partition(":")[0]: option for option in base.options}
    for option in config.get("options") or ():
        value = option.get("value")
        options[option["name"]] = f"{option['name']}:{value}" if value not in (None, "") else option["name"]
    return Resolver(
        tuple(dict.fromkeys((*base.nameservers, *(config.get("nameservers") or ())))),
        tuple(dict.fromkeys((*base.searches, *(config.get("searches") or ())))),
        tuple(options.values()),
    )


def _limited(wanted: Resolver) -> Resolver:
    searches = list(wanted.searches[:MAX_SEARCHES])
    while len(" ".join(searches)) > MAX_SEARCH_CHARACTERS:
        searches.pop()
    return Resolver(wanted.nameservers[:MAX_NAMESERVERS], tuple(searches), wanted.options)


def domain_of(pod: Obj, domain: str) -> str:
    """The domain of a pod with a subdomain, "" for others."""
    subdomain = pod["spec"].get("subdomain")
    namespace = pod["metadata"].get("namespace", "default")
    return f"{subdomain}.{namespace}.svc.{domain}" if subdomain else ""


def hosts(pod: Obj, *, ips: Iterable[str], hostname: str, domain: str, host_file: str) -> str:
    """`domain` is that of `domain_of`; `host_file` the host's own, which pods on its network see."""
    if spec.host_network(pod):
        text = HEADER_HOST_NETWORK + host_file
    else:
        text = HEADER + "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
        text += "fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"
        names = f"{hostname}.{domain}\t{hostname}" if domain else hostname
        text += "".join(f"{ip}\t{names}\n" for ip in ips)
    aliases = pod["spec"].get("hostAliases") or ()
    if not aliases:
        return text
    if not text.endswith("\n"):
        text += "\n"
    lines = [f"{alias['ip']}\t" + "\t".join(alias.get("hostnames") or ()) for alias in aliases]
    return text + "\n# Entries added by HostAliases.\n" + "".join(f"{line}\n" for line in lines)
