"""How this process is called on a JACK server, PipeWire's too, instead of ``PortAudio``."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
from functools import cache
from typing import Any

VARIABLE = "RTSEP_CLIENT_NAME"
"""Where the name stands, so that a process that this one starts to hold the sound card has it as well."""


def name_client() -> None:
    """Tell PortAudio; before it is initialised, which it is when sounddevice is imported."""
    name, tell = os.environ.get(VARIABLE), _function("PaJack_SetClientName")
    if name and tell is not None:
        tell(_kept(name))


def client_name() -> str:
    """What the server calls it: another name where the one asked for is taken. Empty without a server."""
    found, ask = ctypes.c_char_p(), _function("PaJack_GetClientName")
    if ask is None or ask(ctypes.byref(found)) or found.value is None:
        return ""
    return found.value.decode()


def _function(name: str) -> Any:
    """A function of PortAudio's; None where that was made without JACK."""
    library = ctypes.util.find_library("portaudio")
    return getattr(ctypes.CDLL(library), name, None) if library else None


@cache
def _kept(name: str) -> ctypes.Array[ctypes.c_char]:
    """PortAudio keeps the pointer, not the name."""
    return ctypes.create_string_buffer(name.encode())
