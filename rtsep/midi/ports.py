"""Finding and opening MIDI inputs, through mido and RtMidi."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rtsep.errors import ConfigError, DeviceError

_ALSA, _JACK = "LINUX_ALSA", "UNIX_JACK"
_SEQUENCER = Path("/dev/snd/seq")


@dataclass(frozen=True)
class Port:
    """A MIDI input as the system lists it."""

    name: str
    api: str
    """The system's interface, as RtMidi calls it."""


def list_ports() -> list[Port]:
    """All MIDI inputs there are.

    Raises:
        ConfigError: the packages for MIDI are not installed.
        DeviceError: the system's MIDI cannot be asked.
    """
    ports = []
    for api in filter(_is_there, _backend().module.get_api_names()):
        try:
            names = _backend(api).get_input_names()
        except (SystemError, RuntimeError, OSError) as error:  # whatever RtMidi's interface throws
            raise DeviceError(f"MIDI through {api} does not answer ({error})") from error
        ports += [Port(name, api) for name in names if not name.startswith("RtMidi")]
    return ports


def find_port(text: str) -> Port:
    """The input meant by ``text``: its name, or a part of it that fits only one.

    Raises:
        ConfigError: the packages for MIDI are not installed.
        DeviceError: none or several fit; the message lists what there is.
    """
    ports = list_ports()
    found = [port for port in ports if port.name == text] or [
        port for port in ports if text.lower() in port.name.lower()
    ]
    if len(found) == 1:
        return found[0]
    there = "; ".join(port.name for port in found or ports) or "none (plug one in)"
    if found:
        raise DeviceError(f"{text!r} fits several MIDI ports, name one of: {there}")
    raise DeviceError(f"no MIDI port {text!r}; there is: {there}")


@contextmanager
def listening(port: Port, hear: Callable[[Any], None]) -> Iterator[None]:
    """Have every message of a port heard, in a thread of RtMidi's, as long as the block lasts.

    Raises:
        DeviceError: it cannot be opened.
    """
    try:
        opened = _backend(port.api).open_input(port.name, callback=hear)
    except (SystemError, RuntimeError, OSError) as error:
        raise DeviceError(f"cannot open the MIDI port {port.name} ({error}): another may have it") from error
    try:
        yield
    finally:
        opened.close()


def _backend(api: str | None = None) -> Any:
    """RtMidi as mido has it, through one of the system's interfaces.

    Raises:
        ConfigError: a package, or a library that it needs, is not installed.
    """
    try:
        import mido

        return mido.Backend("mido.backends.rtmidi", api=api, load=True, use_environ=False)
    except ImportError as error:
        said = f"MIDI needs mido and python-rtmidi ({error}): pip install 'rtsep[midi]'"
        if sys.version_info >= (3, 13):
            said += ", which for this Python has to be compiled: pip install python-rtmidi"
        raise ConfigError(said) from error


def _is_there(api: str) -> bool:
    """Whether an interface can be asked: without ALSA's sequencer or a JACK server its library complains."""
    if api == _ALSA:
        return _SEQUENCER.exists()
    if api == _JACK and sys.platform == "linux":
        return any(not path.name.startswith("jack_sem") for path in Path("/dev/shm").glob("jack_*_[0-9]*_*"))
    return True
