"""The process of a session: what ``rtsep.Engine`` starts, and nobody else."""

from __future__ import annotations

import contextlib
import gc
import signal
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from rtsep.allocator import one_heap
from rtsep.errors import RtsepError
from rtsep.live.messages import Close, Done, Open, Opened, Reply, Start
from rtsep.priority import BESIDE, hurry
from rtsep.remote.messages import Request
from rtsep.remote.served import STATUS_S, ServedDesk
from rtsep.remote.wire import Courier, Wire

if TYPE_CHECKING:
    from rtsep.live.card import SoundCard
    from rtsep.live.session import Session


def main() -> None:
    """Play until whoever has started this asks for the end, or is no more."""
    for number in ("SIGINT", "SIGHUP", "SIGBREAK"):  # they are meant for whoever has started this
        if hasattr(signal, number):
            signal.signal(getattr(signal, number), signal.SIG_IGN)
    # So is this one, but processes that this one starts and ends must not inherit deafness to it.
    signal.signal(signal.SIGTERM, lambda *_: None)
    one_heap()
    wire = Wire.of_this_process()
    try:
        order: Open = wire.receive()
    except EOFError:
        return
    from rtsep.live.card import SoundCard

    with closing(SoundCard(order.settings, order.console)) as card:  # it opens beside what follows
        session = _opened(wire, order, card)
    if session is not None:
        with closing(session), contextlib.suppress(EOFError, OSError):  # whoever has started this may be gone
            _play(wire, session)


def _opened(wire: Wire, order: Open, card: SoundCard) -> Session | None:
    """The session; None where it cannot be had, once that is said."""
    gc.disable()  # going through all that loads, again and again, takes a sixth of the time that loading does
    from rtsep.live.session import Session, opened

    gc.enable()
    try:
        separator = opened(order.separator, order.settings)
        return Session(order.settings, order.console, separator, card=card)
    except RtsepError as error:
        wire.send(error)
        return None


def _play(wire: Wire, session: Session) -> None:
    """Do what is asked for, to the end.

    Raises:
        EOFError, OSError: nobody asks any more.
    """
    served = ServedDesk(session.desk, lambda: session.status)
    courier = Courier(wire, served.update, STATUS_S, "rtsep-live-out", urgent=True)
    served.call = courier.call
    wire.send(Opened(served.facts, served.status))
    courier.start()
    hurry(BESIDE)
    while not isinstance(order := wire.receive(), Close):
        match order:
            case Request():
                served.obey(order)
            case Start():
                reply = _reply(session.start)
                courier.carry()  # whoever asks finds it running
                wire.send(reply)
    reply = _reply(session.close)
    courier.stop()
    courier.done()
    wire.send(reply)


def _reply(do: Callable[[], None]) -> Reply:
    try:
        do()
    except RtsepError as error:
        return error
    return Done()


if __name__ == "__main__":
    main()
