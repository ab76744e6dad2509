"""Job: runs pods until enough of them succeeded, counting each exactly once.

Counting survives any crash: a finished pod keeps a finalizer until its uid stands in status.uncountedTerminatedPods; only
then is the finalizer removed, and only when it is gone does the uid turn into a number.

In reading order: `indexes` (compressed index sets), `failure_policy` (what a failed pod means), `pods` (how a job's pods
look), `tally` (who finished), `plan` (what to create, delete and write), `loop`. All but the last are pure.
"""

from __future__ import annotations

from controller.context import Controller
from controller.loops.job.loop import start

CONTROLLER = Controller("job-controller", "job-controller", start, aliases=("job",))
