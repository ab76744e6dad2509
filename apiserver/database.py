"""The etcd that the flags name, or why there is none."""

from __future__ import annotations

import posixpath

from apiserver.configfile import BadFile
from apiserver.options import Options
from apiserver.storage.etcd import Compactor, EtcdStore, Tls
from apiserver.storage.interface import Store
from apiserver.storage.relocated import ROOT, Relocated
from pocketkube.base import durations

_BACKENDS = ("", "etcd3")
_MEDIA = "application/json"


class Database:
    """`store` keeps what is written; `etcd` is the same without what stands before it."""

    def __init__(self, flags: Options):
        """Raises BadFile."""
        check(flags)
        prefix = posixpath.normpath(f"/{flags.etcd_prefix.strip('/')}").rstrip("/")
        tls = Tls(flags.etcd_cafile, flags.etcd_certfile, flags.etcd_keyfile) if flags.etcd_cafile else None
        self.etcd = EtcdStore(flags.etcd_servers, tls=tls, prefix=prefix)
        self.store: Store = self.etcd if prefix == ROOT else Relocated(self.etcd, prefix)
        self._period = durations.parse(flags.etcd_compaction_interval)

    def compactor(self) -> Compactor | None:
        """None where others compact the store."""
        return self.etcd.compactor(self._period) if self._period else None


def check(flags: Options) -> None:
    """Raises BadFile for flags that this server cannot do as they say."""
    if flags.storage_backend not in _BACKENDS:
        raise BadFile(f"--storage-backend: {flags.storage_backend!r} is not supported: etcd3 is")
    if flags.storage_media_type != _MEDIA:
        raise BadFile(
            f"--storage-media-type: {flags.storage_media_type!r} is not supported: objects are stored as {_MEDIA}"
        )
    if flags.etcd_servers_overrides:
        raise BadFile("--etcd-servers-overrides is not supported: all resources are kept by --etcd-servers")
    try:
        period = durations.parse(flags.etcd_compaction_interval)
    except ValueError as wrong:
        raise BadFile(f"--etcd-compaction-interval: {wrong}") from None
    if period < 0:
        raise BadFile("--etcd-compaction-interval: must not be negative")
