"""Live, text-prompted sound separation: type what you want to hear, and hear it at once.

From Python: ``Engine`` with a sound card, ``Stream`` for pieces of any size, ``Separator`` for one step at a
time; docs/python.md shows each. They load when they are first used.
"""

import importlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtsep.errors import RtsepError
    from rtsep.framewise import Separator, Stream
    from rtsep.live.engine import Engine
    from rtsep.separators.protocol import LiveSeparator
    from rtsep.separators.registry import open_separator

__version__ = "0.1.0"

# ONNX Runtime reports its use to Microsoft unless it is told not to before it is loaded; here nothing leaves
# the machine unasked. Windows has no such switch: see docs/faults.md.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = ["Engine", "LiveSeparator", "RtsepError", "Separator", "Stream", "open_separator"]

_FOUND_IN = {
    "Engine": "rtsep.live.engine",
    "LiveSeparator": "rtsep.separators.protocol",
    "RtsepError": "rtsep.errors",
    "Separator": "rtsep.framewise",
    "Stream": "rtsep.framewise",
    "open_separator": "rtsep.separators.registry",
}


def __getattr__(name: str) -> object:
    """Load what has been asked for; torch takes seconds, and a panel or a help text needs none of it."""
    if name not in _FOUND_IN:
        raise AttributeError(f"module 'rtsep' has no attribute {name!r}")
    return getattr(importlib.import_module(_FOUND_IN[name]), name)
