"""The process of the OSC server: what ``OscProcess`` starts, and nobody else."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from rtsep.errors import EngineError, RtsepError
from rtsep.garbage import settled
from rtsep.osc.announce import Announcement
from rtsep.osc.http import QueryServer
from rtsep.osc.messages import Beginning, Listening
from rtsep.osc.server import OscServer
from rtsep.presets import Presets
from rtsep.remote.desk import RemoteDesk
from rtsep.remote.wire import Wire


def main() -> None:
    """Serve until the engine's process hangs up, or is no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the engine's, which then hangs up
    wire = Wire.of_this_process()
    try:
        beginning: Beginning = wire.receive()
    except EOFError:
        return  # never needed
    desk = RemoteDesk(wire, beginning.facts, beginning.status, Presets(beginning.presets))
    try:
        server = _server(beginning, desk)
    except RtsepError as error:
        wire.send(error)
        return
    desk.counts = server.counts
    wire.send(Listening(server.address))
    with settled(), server, _described(beginning.name, server, desk):
        desk.follow(server.tell)


def _server(beginning: Beginning, desk: RemoteDesk) -> OscServer:
    """On the first port that nobody has taken.

    Raises:
        RtsepError: as ``OscServer`` does, of the last port tried.
    """
    for port in beginning.ports:
        try:
            return OscServer(
                desk,
                desk.status,
                host=beginning.host,
                port=port,
                allow=beginning.allow,
                spectra=desk.spectra,
            )
        except EngineError:
            if port == beginning.ports[-1]:
                raise
    raise EngineError("no port to listen on: name one")


@contextmanager
def _described(name: str | None, server: OscServer, desk: RemoteDesk) -> Iterator[None]:
    """OSCQuery, and its announcement; OSC works without either, so a fault is only told."""
    if name is None:
        yield
        return
    try:
        query = QueryServer(server, desk, desk.status)
    except RtsepError as error:
        desk.say(str(error))
        yield
        return
    with query, ThreadPoolExecutor(1) as announcer:  # it asks around for a second
        announced = announcer.submit(Announcement, server.address, query.address, name)
        announced.add_done_callback(
            lambda done: desk.say(str(done.exception())) if done.exception() else None
        )
        yield
        if announced.exception() is None:
            announced.result().close()


if __name__ == "__main__":
    main()
