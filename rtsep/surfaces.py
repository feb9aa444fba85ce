"""What turns the knobs of a running engine: OSC, who finds it by itself, the panel, which speaks it, MIDI."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from rtsep.config import RunSettings
from rtsep.control import OSC_PORT
from rtsep.desk import Desk
from rtsep.display import say
from rtsep.engine import Engine
from rtsep.errors import EngineError, RtsepError
from rtsep.midi.ports import find_port, listening
from rtsep.midi.surface import MidiSurface
from rtsep.osc.announce import Announcement
from rtsep.osc.http import QueryServer
from rtsep.osc.query import NAME
from rtsep.osc.server import OscServer

PORTS = 32
"""Ports that are tried where none is asked for."""

PANEL_ENDS_S = 5.0
"""A panel that is told to close gets so long to save its layout."""


@contextmanager
def surfaces(settings: RunSettings, engine: Engine, desk: Desk) -> Iterator[None]:
    """Have a desk played over OSC, and by a panel if the settings say so, as long as the block lasts.

    Raises:
        ConfigError: the address is none of this machine's, senders have to be named, or MIDI is missing.
        DeviceError: there is no such MIDI port.
        EngineError: the port is in use.
    """
    port_found = None if settings.midi is None else find_port(settings.midi)
    with ExitStack() as stack:
        server = stack.enter_context(_server(settings, engine, desk))
        host, port = server.address
        moved = settings.osc_port is None and port != OSC_PORT
        say(f"OSC on {host}:{port}" + f" ({OSC_PORT} is taken)" * moved)
        if port_found is not None:
            stack.enter_context(listening(port_found, MidiSurface(desk, server.tell).hear))
            say(f"MIDI from {port_found.name}")
        stack.enter_context(_described(server, desk, engine, settings.name or NAME))
        if settings.panel:
            stack.enter_context(_panel(port))
        yield


def _server(settings: RunSettings, engine: Engine, desk: Desk) -> OscServer:
    """On the port asked for; where none is, on the first that another rtsep has not taken."""
    first = OSC_PORT if settings.osc_port is None else settings.osc_port
    last = first + (PORTS if settings.osc_port is None else 1) - 1
    while True:
        try:
            return OscServer(
                desk,
                lambda: engine.status,
                host=settings.osc_host,
                port=first,
                allow=settings.osc_allow,
                spectra=engine.spectra,
            )
        except EngineError:
            if first == last:
                raise
            first += 1


@contextmanager
def _described(server: OscServer, desk: Desk, engine: Engine, name: str) -> Iterator[None]:
    """OSCQuery, and its announcement; OSC works without either, so a fault is only told."""
    with ExitStack() as stack:
        try:
            query = stack.enter_context(QueryServer(server, desk, lambda: engine.status))
        except RtsepError as error:
            say(str(error))
            yield
            return
        announcer = stack.enter_context(ThreadPoolExecutor(1))  # it asks around for a second
        announced = announcer.submit(Announcement, server.address, query.address, name)
        yield
        try:
            announced.result().close()
        except RtsepError as error:
            say(str(error))


@contextmanager
def _panel(port: int) -> Iterator[None]:
    """A panel in a process of its own, closed at the end if nobody has closed it before."""
    panel = subprocess.Popen([sys.executable, "-m", "rtsep", "panel", "--port", str(port)])
    try:
        yield
    finally:
        panel.terminate()
        try:
            panel.wait(PANEL_ENDS_S)
        except subprocess.TimeoutExpired:
            panel.kill()
