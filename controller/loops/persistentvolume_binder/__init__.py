"""PersistentVolume binder: brings claims and volumes together. `plan` is pure, `loop` acts.

It binds volumes that exist; volumes are made by people or by a StorageClass's external provisioner, which this loop asks
for by annotation.
"""

from __future__ import annotations

from controller.context import Controller
from controller.loops.persistentvolume_binder.loop import start

CONTROLLER = Controller(
    "persistentvolume-binder-controller",
    "persistent-volume-binder",
    start,
    aliases=("persistentvolume-binder",),
    events="persistentvolume-controller",
)
