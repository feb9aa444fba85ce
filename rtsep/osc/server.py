"""The OSC server: one UDP socket and one thread, which never blocks, grows or takes a whole core."""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import TracebackType

from rtsep.control import OSC_PORT, Status, Value
from rtsep.errors import CommandError
from rtsep.osc.desk import Desk
from rtsep.osc.guard import Budget, Guard
from rtsep.osc.orders import A_SECOND, Order
from rtsep.osc.outbox import Outbox
from rtsep.osc.packet import LARGEST, MalformedError, read, write
from rtsep.osc.responder import Responder
from rtsep.osc.schedule import Schedule
from rtsep.osc.sockets import bound, is_own
from rtsep.osc.subscribers import Sender, Subscribers
from rtsep.osc.subscribing import UNSUBSCRIBE
from rtsep.osc.telling import Telling
from rtsep.remote.messages import Counts

LOG = logging.getLogger(__name__)

READ_S, SEND_S = 0.002, 0.002
"""How long a turn reads, and sends; what is left over waits for the next one."""

TURNS_AT_ONCE, TURNS_A_SECOND = 8, 500
"""Turns that are taken as soon as there is something to do; a message and its echo are two. Whoever keeps the
server busier than that has it rest after each turn, for as long as the turn took or a millisecond: a flood
may take half of a core, never all of it."""

ORDER_S = 1 / A_SECOND
"""When to look again whether a command that waits may be handed over."""

WATCH_S = 0.1
"""How often readings are compared for the subscribers."""


class OscServer:
    """Listens as soon as it is made; speaks once it is started. Use it with ``with``, or start and close it.

    Args:
        desk: what is commanded; close it after the server.
        status: gives the current status, from any thread.
        host: an address of this computer to listen on.
        port: where to listen; 0 for any that is free.
        allow: who may send, where ``host`` can be reached from elsewhere; see :class:`Guard`.
        spectra: gives the newest spectrum of each side, "in" and "out", from any thread: the level in each of
            some bands as a byte. Called only while somebody subscribes to them.

    Raises:
        ConfigError: the host is no address of this computer, or senders have to be named.
        EngineError: the port is in use.
    """

    def __init__(
        self,
        desk: Desk,
        status: Callable[[], Status],
        *,
        host: str = "127.0.0.1",
        port: int = OSC_PORT,
        allow: Iterable[str] = (),
        spectra: Callable[[], Mapping[str, bytes]] = dict,
    ) -> None:
        self._socket, self._guard = bound(host, port, allow)
        self.address: Sender = self._socket.getsockname()[:2]
        """Host and port that it listens on."""
        self.counts = Counts()
        self._desk = desk
        self._subscribers, self._schedule = Subscribers(), Schedule()
        self._out = Outbox(time.monotonic)
        self._telling = Telling(desk, status, spectra, self._out, self._subscribers)
        own = partial(is_own, self._socket)
        self.responder = Responder(
            desk, status, self._out, self._telling, self._subscribers, self._landed, own
        )
        # Written by the desk's thread, emptied by ours; at most as long as there are orders under way.
        self._done: deque[tuple[Order, BaseException | None]] = deque()
        self._changed: deque[tuple[str, ...]] = deque()
        self._errors: deque[str] = deque(maxlen=16)
        self._wake, self._woken = socket.socketpair()
        for each in (self._socket, self._wake, self._woken):
            each.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="rtsep-osc", daemon=True)
        self._closing = False
        self._watch_due = 0.0

    @property
    def guard(self) -> Guard:
        """Who may speak."""
        return self._guard

    @property
    def subscribers(self) -> int:
        """How many are told of changes."""
        return len(self._subscribers)

    def tell(self, error: str) -> None:
        """Tell every subscriber what has gone wrong elsewhere; from any thread."""
        self._errors.append(error)
        self._nudge()

    def start(self) -> OscServer:
        """Begin to answer."""
        self._end_listening = self._desk.listen(self._accepted)
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop, and give the port back."""
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # a desk that is closed already tells nobody any more
                self._end_listening()
            self._closing = True
            self._nudge()
            self._thread.join()
        for each in (self._selector, self._socket, self._wake, self._woken):
            each.close()

    def __enter__(self) -> OscServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accepted(self, values: Mapping[str, Value]) -> None:
        """Called in the desk's thread."""
        self._changed.append(tuple(values))
        self._nudge()

    def _landed(self, order: Order, error: BaseException | None) -> None:
        """Called in the desk's thread."""
        self._done.append((order, error))
        self._nudge()

    def _nudge(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):  # full: it will wake in any case
            self._wake.send(b"\0")

    def _run(self) -> None:
        turns = Budget(TURNS_AT_ONCE, TURNS_A_SECOND, time.monotonic())
        while not self._closing:
            readable = bool(self._selector.select(self._patience()))
            began = time.monotonic()
            try:
                self._turn(began, readable)
            except Exception:  # a fault of ours: the log has the first, and the next datagram its chance
                self.counts.faults += 1
                if self.counts.faults == 1:
                    LOG.exception("the OSC server has a fault; it goes on")
            ended = time.monotonic()
            if turns.spend(ended) is None:
                time.sleep(max(0.001, ended - began))

    def _patience(self) -> float:
        """Seconds until something is due."""
        if self._out:
            return 0.0
        dues = [self._schedule.next_due, self._subscribers.next_due()]
        if self.responder.orders.wait:
            dues.append(time.monotonic() + ORDER_S)
        if self._subscribers:
            dues.append(self._watch_due)
        return max(0.0, min((due - time.monotonic() for due in dues if due is not None), default=60.0))

    def _turn(self, now: float, readable: bool) -> None:
        if readable:
            with contextlib.suppress(BlockingIOError):
                self._woken.recv(4096)
        while self._changed:
            self._telling.changed(self._changed.popleft())
        while self._done:
            self.responder.landed(*self._done.popleft())
        while self._errors:
            self._telling.failed(self._errors.popleft())
        if readable:
            self._receive(now, now + READ_S)
        for message, sender in self._schedule.due(now):
            self.responder.handle(message, sender, now)
        self.responder.orders.flush(now)
        if due := self._subscribers.due(now):
            self._telling.stream(due)
        if self._subscribers and self._watch_due <= now:
            self._watch_due = now + WATCH_S
            self._telling.watch()
            for receiver in self._subscribers.expired(now):
                self._send(receiver, write(UNSUBSCRIBE, "the subscription has run out: subscribe again"))
        for receiver in self.responder.made_way():
            self._send(receiver, write(UNSUBSCRIBE, "others have subscribed since: subscribe again"))
        until = time.monotonic() + SEND_S
        while time.monotonic() < until and (what := self._out.pop()) is not None:
            self._send(*what)

    def _receive(self, now: float, until: float) -> None:
        while time.monotonic() < until:
            try:
                datagram, source = self._socket.recvfrom(LARGEST + 1)
            except BlockingIOError:
                return
            except OSError:  # Windows reports here that an earlier answer found nobody
                continue
            sender: Sender = source[:2]
            self.counts.received += 1
            if not self._guard.permits(sender[0]):
                self.counts.refused += 1
                continue
            self._subscribers.heard(sender[0], now)
            self._read(datagram, sender, now)

    def _read(self, datagram: bytes, sender: Sender, now: float) -> None:
        try:
            messages = read(datagram)
        except MalformedError as error:
            self.counts.malformed += 1
            self._out.error(sender, f"not an OSC datagram: {error}")
            return
        wall = time.time()
        for timed in messages:
            if timed.due <= wall:
                self.responder.handle(timed.message, sender, now)
                continue
            try:
                self._schedule.hold(timed.due - wall, now, timed.message, sender)
            except CommandError as error:
                self._out.error(sender, str(error))

    def _send(self, receiver: Sender, datagram: bytes) -> None:
        try:
            self._socket.sendto(datagram, receiver)
        except OSError:  # a full buffer, a network that is gone, port 0 of a forged sender
            self.counts.unsent += 1
