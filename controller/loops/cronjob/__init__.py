"""CronJob: creates a Job at each scheduled time. `schedule` and `plan` are pure, `loop` acts."""

from __future__ import annotations

from controller.context import Controller
from controller.loops.cronjob.loop import start

CONTROLLER = Controller("cronjob-controller", "cronjob-controller", start, aliases=("cronjob",))
