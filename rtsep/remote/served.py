"""A desk as the process that has it shows it to another one."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from rtsep.control import Command, Console, Status, Value
from rtsep.errors import STOPPED, EngineError, RtsepError
from rtsep.remote.messages import Counts, Facts, Request, Update

STATUS_S = 1 / 30
"""How often the other side gets a new status: meters are sent no more often."""

LOOKED_AT_S = 1.0
"""Spectra are made for so long after somebody has looked at them."""

NO_CONSOLE = Console()


class Desk(Protocol):
    """What is served; ``rtsep.desk.Desk`` is one."""

    @property
    def console(self) -> Console:
        """The settings as they stand."""

    @property
    def preset(self) -> str:
        """The preset loaded last."""

    @property
    def learning(self) -> str:
        """The parameter that waits for a control to be bound to it."""

    def submit(self, command: Command) -> Future[None]:
        """Have a command obeyed, after those before it."""

    def listen(self, listener: Callable[[Mapping[str, Value]], None]) -> Callable[[], None]:
        """Have a listener told of every accepted command; returns what ends that."""


class ServedDesk:
    """Obeys what a ``RemoteDesk`` asks for, and gathers what that is to know.

    Args:
        desk: what is commanded; close it afterwards.
        status: gives the current status, from any thread.
        spectra: gives the newest spectrum of each side; called only while somebody looks at them.
        say: has whoever runs the engine read something.
    """

    def __init__(
        self,
        desk: Desk,
        status: Callable[[], Status],
        spectra: Callable[[], Mapping[str, bytes]] = dict,
        say: Callable[[str], None] = print,
    ) -> None:
        self.counts = Counts()
        self._desk, self._status, self._spectra = desk, status, spectra
        self._say = say
        self.call: Callable[[], None] = lambda: None
        """Called, from any thread, when there is something new."""
        self._lock, self._heard_by = threading.Lock(), 0
        self._told: Facts | None = None
        self._changed: dict[str, None] = {}
        self._answers: list[tuple[int, BaseException | None]] = []
        self._errors: deque[str] = deque(maxlen=16)
        self._looked_at_s = -LOOKED_AT_S
        self.leave = desk.listen(self._accepted)
        """Ends that the desk tells this object of what it accepts; RuntimeError if it has been closed."""

    @property
    def facts(self) -> Facts:
        """The desk as it stands."""
        return Facts(self._desk.console, self._desk.preset, self._desk.learning)

    @property
    def status(self) -> Status:
        """The status, without the console, which the facts have."""
        return replace(self._status(), console=NO_CONSOLE)

    def tell(self, error: str) -> None:
        """Let the other side know what has gone wrong elsewhere; from any thread."""
        self._errors.append(error)
        self.call()

    def obey(self, request: Request) -> None:
        """Do what is asked for; the answers are in the updates to come."""
        self.counts = request.counts
        if request.spectra:
            self._looked_at_s = time.monotonic()
        for text in request.said:
            self._say(text)
        for number, command in request.commands:
            try:
                answer = self._desk.submit(command)
            except RuntimeError:  # an executor that was shut down takes nothing any more
                self._done(number, EngineError(STOPPED))
            else:
                answer.add_done_callback(partial(self._over, number, self._heard_by))

    def update(self) -> Update:
        """What is new since the last one."""
        with self._lock:
            changed, self._changed = tuple(self._changed), {}
            answers, self._answers = tuple(self._answers), []
        errors = tuple(self._errors.popleft() for _ in range(len(self._errors)))
        facts = self.facts  # now, so that they are no older than what is answered
        known, self._told = self._told, facts
        same = known is not None and all(a is b for a, b in zip(known, facts, strict=True))
        wanted = time.monotonic() - self._looked_at_s < LOOKED_AT_S
        spectra: Any = self._spectra() if wanted else None
        return Update(None if same else facts, changed, answers, errors, self.status, spectra)

    def forget(self) -> None:
        """Another side begins anew: what was on its way has nobody to go to."""
        with self._lock:
            self._heard_by += 1
            self._told, self._changed, self._answers = None, {}, []

    def _accepted(self, values: Mapping[str, Value]) -> None:
        """Called in the desk's thread."""
        with self._lock:
            self._changed |= dict.fromkeys(values)
        self.call()

    def _over(self, number: int, asked_by: int, answer: Future[None]) -> None:
        """Called in the desk's thread."""
        if asked_by == self._heard_by:
            self._done(number, answer.exception())

    def _done(self, number: int, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, RtsepError):
            error = RuntimeError(repr(error))  # what cannot be pickled would end all
        with self._lock:
            self._answers.append((number, error))
        self.call()
