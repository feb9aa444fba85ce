"""The one thread that computes: orders of every connection in, edited frames out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import torch

from rtsep.errors import CodeError
from rtsep.models.condition import Condition
from rtsep.serve.format import CodeFormat, Frames
from rtsep.serve.service import Edited, Service
from rtsep.serve.session import Counts

GATHER_S = 0.003
"""So long a frame waits for those of other sessions, to go with them in one batch."""


@dataclass(frozen=True)
class Open:
    """Begin a session."""

    session: int
    format: CodeFormat
    condition: Condition
    longest_wait: int | None


@dataclass(frozen=True)
class Change:
    """Edit otherwise from the next frame on."""

    session: int
    condition: Condition


@dataclass(frozen=True)
class Put:
    """Frames to edit."""

    session: int
    frames: Frames


@dataclass(frozen=True)
class Forget:
    """Begin a session anew, or end it."""

    session: int
    end: bool = False


Order = Open | Change | Put | Forget


@dataclass(frozen=True)
class Done:
    """What came of a step, or of an order that cannot be obeyed."""

    edited: Sequence[Edited] = ()
    refused: tuple[int, int, str] | None = None
    """Session, frames of the order, reason."""
    step_s: float = 0.0
    """Time the step took, 0 where there was none."""


class ServiceWorker:
    """Runs a service in a thread of its own, as fast as frames come. ``orders``, ``counts`` and ``alive`` may
    be used from any thread.

    Args:
        service: fresh; only this thread touches it.
        deliver: called in this thread with what is done; returns at once.
    """

    def __init__(self, service: Service, deliver: Callable[[Done], None]) -> None:
        self.orders: SimpleQueue[Order | None] = SimpleQueue()
        self.counts: dict[int, Counts] = {}
        self.failure: BaseException | None = None
        self._service, self._deliver = service, deliver
        self._thread = threading.Thread(target=self._run, name="rtsep-serve", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it computes."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Do what was ordered, then stop."""
        self.orders.put(None)
        self._thread.join()

    def _run(self) -> None:
        torch.set_num_threads(1)
        try:
            while self._gather():
                if self._service.ready:
                    started = time.perf_counter()
                    edited = list(self._service.tick())
                    self._tell(Done(edited, step_s=time.perf_counter() - started))
        except BaseException as error:
            self.failure = error
            self._deliver(Done())

    def _tell(self, done: Done) -> None:
        """Deliver; whoever hears of it finds it counted."""
        self.counts = {each: session.counts for each, session in self._service.sessions.items()}
        self._deliver(done)

    def _gather(self) -> bool:
        """Obey until there is something to do, and a moment longer for those who have sent nothing yet.

        No longer, however much is ordered meanwhile: a client that floods must not keep all others waiting.
        """
        sessions, until = self._service.sessions, None
        while True:
            ready = len(self._service.ready)
            if ready and until is None:
                until = time.monotonic() + GATHER_S
            wait = None if until is None else until - time.monotonic()
            if wait is not None and wait <= 0:
                return self._obey_those_here()
            try:
                if ready and ready == len(sessions):
                    order = self.orders.get_nowait()
                else:
                    order = self.orders.get(timeout=wait)
            except Empty:
                return True
            if order is None:
                return False
            self._obey(order)

    def _obey_those_here(self) -> bool:
        """Obey what waits now, or frames would grow old unseen; what comes meanwhile has to wait."""
        for _ in range(self.orders.qsize()):
            order = self.orders.get_nowait()  # nobody else takes any
            if order is None:
                return False
            self._obey(order)
        return True

    def _obey(self, order: Order) -> None:
        service = self._service
        session = service.sessions.get(order.session)
        try:
            match order:
                case Open(number, format, condition, longest_wait):
                    service.open(number, format, condition, longest_wait)
                case Put(frames=frames) if session is not None:
                    session.put(frames)
                case Change(_, condition) if session is not None:
                    session.turn(condition)
                case Forget(number, end=True):
                    service.close(number)
                case Forget(number) if session is not None:
                    service.reset(number)
        except CodeError as error:
            count = len(order.frames.codes) if isinstance(order, Put) else 0
            self._tell(Done(refused=(order.session, count, str(error))))
