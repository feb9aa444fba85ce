"""How this process is called on a JACK server, PipeWire's too, instead of ``PortAudio``."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
from functools import cache

VARIABLE = "RTSEP_CLIENT_NAME"
"""Where the name stands, so that a process that this one starts to hold the sound card has it as well."""


def name_client() -> None:
    """Tell PortAudio; before it is initialised, which it is when sounddevice is imported."""
    name, found = os.environ.get(VARIABLE), ctypes.util.find_library("portaudio")
    if name and found:
        tell = getattr(ctypes.CDLL(found), "PaJack_SetClientName", None)
        if tell is not None:  # PortAudio without JACK has none
            tell(_kept(name))


@cache
def _kept(name: str) -> ctypes.Array[ctypes.c_char]:
    """PortAudio keeps the pointer, not the name."""
    return ctypes.create_string_buffer(name.encode())
