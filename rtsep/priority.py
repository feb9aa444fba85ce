"""Having the system run the worker before everything that is not audio, where it lets us.

The audio callback runs in the card's process, above it. A model on every core would still take turns with
the callback's core where real-time scheduling is refused, so on machines with cores to spare the worker
leaves one alone.
"""

from __future__ import annotations

import os
import sys
import threading

PRIORITY = 10
"""Real-time priority of the worker: above all that is not audio, below every audio callback."""

BESIDE = PRIORITY - 1
"""That of what the worker may have to wait for: the threads which take its interpreter for a moment now and
then, and effects. Other programs must not keep them from a processor meanwhile."""

SPARE_FROM = 4
"""Cores from which on one is left to the audio callback."""

HINT = (
    "the system grants no real-time scheduling: expect dropouts beside other work "
    "(on Linux: join the group audio, or raise 'ulimit -r' to 20)"
)


def hurry(priority: int = PRIORITY) -> bool:
    """Have the system run this thread before others; returns whether it does, or needs no asking.

    Measured beside a training run on both cores: 3.6 ms a hop instead of 8.9. On Linux it takes root, the
    group ``audio`` or ``ulimit -r``; elsewhere nothing is asked.
    """
    if sys.platform != "linux":
        return True
    thread = threading.get_native_id()
    try:
        os.sched_setscheduler(thread, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    except PermissionError:
        return False
    return True


def audio_core() -> int | None:
    """The core that is left to the audio callback; None where there are too few, or it cannot be said."""
    if sys.platform != "linux":
        return None
    cores = sorted(os.sched_getaffinity(0))
    return cores[-1] if len(cores) >= SPARE_FROM else None


def keep_off(core: int | None) -> None:
    """Keep this thread, and those it starts, off a core."""
    if sys.platform == "linux" and core is not None:
        os.sched_setaffinity(0, os.sched_getaffinity(0) - {core})
