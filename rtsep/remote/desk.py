"""The desk as another process sees it: the real one is where the engine is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from itertools import chain, count, groupby

from rtsep.control import Command, Console, SetParameter, SetParameters, Status, Value
from rtsep.errors import STOPPED, CommandError, EngineError
from rtsep.presets import Presets
from rtsep.remote.messages import Counts, Facts, Request, Update
from rtsep.remote.wire import FLOOD_S, GATHER_S, Courier, Wire

Listener = Callable[[Mapping[str, Value]], None]

FLOOD = 4
"""More commands than that in one request, and the next one waits a little longer for company."""

COUNTS_S = 0.2
"""How often the other side gets the counts, where nothing else is to be said."""


class RemoteDesk:
    """Hands commands to the other process and knows what that has said last; an ``rtsep.osc.desk.Desk``.

    Args:
        wire: to the other process.
        facts: the desk's, to begin with.
        status: the engine's, to begin with.
        presets: where they are kept.
    """

    def __init__(self, wire: Wire, facts: Facts, status: Status, presets: Presets) -> None:
        self.presets, self.counts = presets, Counts()
        self._wire, self._facts, self._status = wire, facts, status
        self._spectra: Mapping[str, bytes] = {}
        self._looked_at = False
        self._listeners: tuple[Listener, ...] = ()
        self._lock = threading.Lock()
        self._commands: list[tuple[Command, Future[None]]] = []
        self._said: list[str] = []
        self._asked: dict[int, list[Future[None]]] = {}
        self._numbers = count()
        self._told, self._ended = Counts(), False
        self.courier = Courier(wire, self._request, COUNTS_S, "rtsep-desk-out")
        """Brings the other process what is asked for; started by ``follow``, or by whoever calls ``take``."""

    @property
    def console(self) -> Console:
        """The settings as they stand."""
        return self._facts.console

    @property
    def preset(self) -> str:
        """The preset loaded last."""
        return self._facts.preset

    @property
    def learning(self) -> str:
        """The parameter that waits for a control to be bound to it."""
        return self._facts.learning

    def status(self) -> Status:
        """The engine's."""
        return self._status

    def spectra(self) -> Mapping[str, bytes]:
        """The newest ones; after a pause, those come a moment after they have been asked for."""
        self._looked_at = True
        return self._spectra

    def submit(self, command: Command) -> Future[None]:
        """Have a command obeyed, after those before it."""
        answer: Future[None] = Future()
        with self._lock:
            if not self._ended:
                self._commands.append((command, answer))
                self.courier.call()
                return answer
        answer.set_exception(EngineError(STOPPED))
        return answer

    def say(self, text: str) -> None:
        """Have whoever runs the engine read something."""
        with self._lock:
            self._said.append(text)
        self.courier.call()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have a listener told of every accepted command; returns what ends that."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def end() -> None:
            with self._lock:
                self._listeners = tuple(each for each in self._listeners if each is not listener)

        return end

    def follow(self, told: Callable[[str], None]) -> None:
        """Take what the other process says, until it has gone.

        Args:
            told: called with what has gone wrong elsewhere.
        """
        self.courier.start()
        try:
            while True:
                self.take(self._wire.receive(), told)
        except EOFError:
            self.end()

    def end(self) -> None:
        """Nobody answers any more: what is asked for, and what was, is refused."""
        self.courier.stop()
        with self._lock:
            self._ended = True
            left = [*(answer for _, answer in self._commands), *chain(*self._asked.values())]
            self._commands, self._asked = [], {}
        for answer in left:
            answer.set_exception(EngineError(STOPPED))

    def take(self, update: Update, told: Callable[[str], None]) -> None:
        """Know what the other process has said; for one thread."""
        self._facts, self._status = update.facts or self._facts, update.status
        if update.spectra is not None:
            self._spectra = update.spectra
        if update.changed:
            values = {name: self.console[name] for name in update.changed}
            for listener in self._listeners:
                listener(values)
        for number, error in update.answers:
            with self._lock:
                asked = self._asked.pop(number, ())
            for answer in asked:
                if error is None:
                    answer.set_result(None)
                else:
                    answer.set_exception(error)
        for text in update.errors:
            told(text)

    def _request(self) -> Request | None:
        with self._lock:
            given, self._commands = self._commands, []
            numbered = tuple(self._numbered(given))
            said, self._said = tuple(self._said), []
        self.courier.gather_s = FLOOD_S if len(given) > FLOOD else GATHER_S
        looked_at, self._looked_at = self._looked_at, False
        counts = replace(self.counts)
        if not (given or said or looked_at or counts != self._told):
            return None
        self._told = counts
        return Request(numbered, looked_at, counts, said)

    def _numbered(self, given: list[tuple[Command, Future[None]]]) -> Iterator[tuple[int, Command]]:
        """Commands with numbers for the answers; settings that follow each other become one."""
        for joins, group in groupby(given, lambda each: self._joins(each[0])):
            for together in [list(group)] if joins else [[each] for each in group]:
                number = next(self._numbers)
                self._asked[number] = [answer for _, answer in together]
                yield number, _joined([command for command, _ in together])

    def _joins(self, command: Command) -> bool:
        """Whether a command may share its fate with others of its kind.

        One that sets words may not, as they are learnt first, for which the others would wait; nor one that
        is going to be refused.
        """
        if not isinstance(command, SetParameter) or command.name.endswith(("/text", "/enable")):
            return False
        try:
            self.console.parameter(command.name).check(command.value)
        except CommandError:
            return False
        return True


def _joined(commands: Sequence[Command]) -> Command:
    """Several settings as one command; the newest of each parameter."""
    settings = {each.name: each.value for each in commands if isinstance(each, SetParameter)}
    return SetParameters(tuple(settings.items())) if len(commands) > 1 else commands[0]
