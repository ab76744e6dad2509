"""python -m apiserver: the API server, with upstream's flags."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

from apiserver import options
from pocketkube.base import logs, tasks


def main(argv: Sequence[str] | None = None) -> int:
    flags = options.parse(argv)
    logs.setup(logs.level_of(flags.v))
    if not (flags.tls_cert_file and flags.tls_private_key_file):
        print("apiserver: --tls-cert-file and --tls-private-key-file are required", file=sys.stderr)
        return 2
    if flags.workers > 1:
        from apiserver import workers

        return workers.supervise(sys.argv[1:] if argv is None else argv, flags.workers)
    if flags.worker:
        from apiserver import workers

        workers.end_with_parent()
    from apiserver import app

    gc.set_threshold(50_000, 20, 100)  # objects live long here: fewer collections cost less and find as much
    return tasks.main(lambda stop: app.run(flags, stop))


if __name__ == "__main__":
    sys.exit(main())
