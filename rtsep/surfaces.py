"""What turns the knobs of a running engine: OSC, who finds it by itself, the panel, which speaks it, MIDI."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from rtsep.config import RunSettings
from rtsep.control import OSC_PORT
from rtsep.desk import Desk
from rtsep.display import say
from rtsep.engine import Engine
from rtsep.midi.ports import find_port, listening
from rtsep.midi.surface import MidiSurface
from rtsep.osc.process import OscProcess
from rtsep.osc.query import NAME
from rtsep.osc.subscribers import Sender

PORTS = 32
"""Ports that are tried where none is asked for."""

PANEL_ENDS_S = 5.0
"""A panel that is told to close gets so long to save its layout."""


@contextmanager
def surfaces(settings: RunSettings, engine: Engine, desk: Desk, server: OscProcess) -> Iterator[None]:
    """Have a desk played over OSC, and by a panel if the settings say so, as long as the block lasts.

    Args:
        settings: as a command line gives them.
        engine: what is played.
        desk: the engine's.
        server: fresh; closed by whoever has made it.

    Raises:
        ConfigError: the address is none of this machine's, senders have to be named, or MIDI is missing.
        DeviceError: there is no such MIDI port.
        EngineError: the port is in use.
    """
    port_found = None if settings.midi is None else find_port(settings.midi)
    with ExitStack() as stack:
        host, port = _listening(server, settings, engine, desk)
        moved = settings.osc_port is None and port != OSC_PORT
        say(f"OSC on {host}:{port}" + f" ({OSC_PORT} is taken)" * moved)
        if port_found is not None:
            stack.enter_context(listening(port_found, MidiSurface(desk, server.tell).hear))
            say(f"MIDI from {port_found.name}")
        if settings.panel:
            stack.enter_context(_panel(host, port))
        yield


def _listening(server: OscProcess, settings: RunSettings, engine: Engine, desk: Desk) -> Sender:
    """On the port asked for; where none is, on the first that another rtsep has not taken."""
    first = OSC_PORT if settings.osc_port is None else settings.osc_port
    server.listen(
        desk,
        lambda: engine.status,
        desk.presets.own,
        host=settings.osc_host,
        ports=range(first, first + (PORTS if settings.osc_port is None else 1)),
        allow=settings.osc_allow,
        name=settings.name or NAME,
        spectra=engine.spectra,
        say=say,
    )
    return server.address


@contextmanager
def _panel(host: str, port: int) -> Iterator[None]:
    """A panel in a process of its own, closed at the end if nobody has closed it before."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # who hears all is found here
    panel = subprocess.Popen([sys.executable, "-m", "rtsep", "panel", "--host", host, "--port", str(port)])
    try:
        yield
    finally:
        panel.terminate()
        try:
            panel.wait(PANEL_ENDS_S)
        except subprocess.TimeoutExpired:
            panel.kill()
