"""The desk: where commands from every surface meet, one after the other, and become one console.

Text encoding is slow, so a command whose words are new waits beside the queue while others go on; the
newest command for a parameter wins. Audio never waits for any of it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

from rtsep.control import (
    Bind,
    Command,
    Console,
    Learn,
    LoadPreset,
    SavePreset,
    SetParameter,
    SetParameters,
    StepPreset,
    Unlearn,
    Value,
)
from rtsep.control.bindings import Bindings
from rtsep.errors import CommandError, RtsepError
from rtsep.presets import Presets
from rtsep.priority import BESIDE, hurry

Listener = Callable[[Mapping[str, Value]], None]
"""Told of accepted commands what they set, by parameter name; called in the control thread."""

APPLY_S, FLOOD_S = 0.01, 0.03
"""The host gets a console no more often than that, as it hears none more often; while more than ``FLOOD``
parameters are set in such a time, no more often than it takes to fade to one. What is accepted in between is
heard together: with a console for each setting a flood cost a live engine a quarter of its blocks."""
FLOOD = 4


class Host(Protocol):
    """What a desk drives: an engine, or a worker that reads a file."""

    def knows(self, text: str) -> bool:
        """Whether a prompt's FiLM parameters are at hand."""

    def learn(self, text: str) -> None:
        """Compute a prompt's FiLM parameters; may take long. Raises RtsepError."""

    def apply(self, console: Console, preset: str) -> None:
        """Have this console heard from the next hop on; every prompt in use is known. Returns at once."""

    def obey(self, command: Command) -> None:
        """Do what is not a setting: record, reset counts, quit. Raises RtsepError."""


@dataclass(frozen=True, eq=False)
class _Settings:
    """What is set at once, and who waits for it."""

    values: Mapping[str, Value]
    ticket: int
    answer: Future[None]
    preset: str | None
    """Its name; None keeps the one there is."""
    learnt: Bindings | None
    """What else turns parameters from then on; None keeps it."""


class Desk:
    """Owns the console. ``submit`` and ``console`` may be used from any thread.

    Args:
        host: what is driven.
        console: what it plays already.
        presets: where presets are found and kept.
    """

    def __init__(self, host: Host, console: Console, presets: Presets) -> None:
        self.presets = presets
        self._host, self._console, self._preset = host, console, ""
        self._learning = ""
        self._asked = ""  # the preset asked for last, whose words may still be on their way
        self._listeners: tuple[Listener, ...] = ()
        self._newest: dict[str, int] = {}  # parameter name to the ticket of the last command that sets it
        self._tickets = 0
        self._awaited: dict[_Settings, list[str]] = {}  # what waits for its words, and those that are new
        self._teaching = False  # whether the thread for words has anything to do
        self._unheard: dict[str, Value] = {}  # accepted, but the host does not have it yet
        self._unanswered: list[Future[None]] = []
        self._applied, self._pause_s, self._closing = -math.inf, APPLY_S, False
        self._control = ThreadPoolExecutor(1, "rtsep-control", hurry, (BESIDE,))
        self._words = ThreadPoolExecutor(1, "rtsep-words")

    @property
    def console(self) -> Console:
        """The settings as they stand."""
        return self._console

    @property
    def preset(self) -> str:
        """The preset loaded last."""
        return self._preset

    @property
    def learning(self) -> str:
        """The parameter that waits for a control to be bound to it; empty if none does."""
        return self._learning

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have a listener told of every accepted command; returns what ends that."""
        self._control.submit(self._add, listener)

        def end() -> None:
            self._control.submit(self._remove, listener)

        return end

    def submit(self, command: Command) -> Future[None]:
        """Have a command obeyed, after those before it.

        Returns:
            Done when the command has been handed to the audio worker, or has been overtaken by a newer one
            for the same parameters; its exception is the ``RtsepError`` of a command that cannot be obeyed.
        """
        answer: Future[None] = Future()
        self._control.submit(self._take, command, answer)
        return answer

    def close(self) -> None:
        """Obey what is queued, then stop; a second time does nothing."""
        if self._closing:
            return
        self._closing = True
        self._control.submit(self._hand_over).result()  # whose words are new now waits in the other thread
        self._words.shutdown()
        self._control.shutdown()

    def _add(self, listener: Listener) -> None:
        self._listeners = (*self._listeners, listener)

    def _remove(self, listener: Listener) -> None:
        self._listeners = tuple(each for each in self._listeners if each is not listener)

    def _take(self, command: Command, answer: Future[None]) -> None:
        """Obey a command, in the control thread."""
        try:
            match command:
                case SetParameter(name, value):
                    self._set(self._checked({name: value}), None, answer)
                case SetParameters(values):
                    self._set(self._checked(dict(values)), None, answer)
                case LoadPreset(name):
                    self._load(name, answer)
                case StepPreset(by):
                    names = self.presets.names()
                    if not names:
                        raise CommandError("there are no presets to step through")
                    here = names.index(self._asked) if self._asked in names else (-1 if by > 0 else 0)
                    self._asked = names[(here + by) % len(names)]  # a preset that is broken is passed over
                    self._load(self._asked, answer)
                case SavePreset(name):
                    self._hand_over()
                    self.presets.save(name, self._foreseen())
                    self._preset = self._asked = name
                    self._host.apply(self._console, name)
                    answer.set_result(None)
                case Learn() | Bind() | Unlearn():
                    self._bind(command)
                    answer.set_result(None)
                case _:
                    self._hand_over()
                    self._host.obey(command)
                    answer.set_result(None)
        except RtsepError as error:
            answer.set_exception(error)
        except BaseException as error:  # a bug: whoever asked must see it, and the thread goes on
            answer.set_exception(error)
            raise

    def _checked(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """The values as their parameters hold them."""
        return {name: self._console.parameter(name).check(value) for name, value in values.items()}

    def _bind(self, command: Learn | Bind | Unlearn) -> None:
        """Change what turns parameters from elsewhere; nothing that is heard."""
        learnt = self._console.learnt
        match command:
            case Learn(name):
                self._learning = self._console.parameter(name).name if name else ""
            case Bind(source) if self._learning:  # a second control may have moved before that was known
                learnt, self._learning = learnt.bound(source, self._learning), ""
            case Unlearn(what):
                learnt = learnt.without(what)
        self._console = replace(self._console, learnt=learnt)

    def _load(self, name: str, answer: Future[None]) -> None:
        """A preset's settings, and its controls; one without any leaves those there are."""
        values = self.presets.values(name, self._console)
        learnt = self.presets.load(name).learnt
        self._asked = name
        self._set(values, name, answer, learnt)

    def _set(
        self,
        values: Mapping[str, Value],
        preset: str | None,
        answer: Future[None],
        learnt: Bindings | None = None,
    ) -> None:
        """Set several parameters at once, and what controls turn, as soon as every prompt that this needs is
        known."""
        self._tickets += 1
        settings = _Settings(values, self._tickets, answer, preset, learnt)
        self._newest |= dict.fromkeys(values, self._tickets)
        for older in [each for each in self._awaited if not self._not_overtaken(each)]:
            del self._awaited[older]  # nobody will hear it, and whoever sent it need not wait to know
            older.answer.set_result(None)
        console = _turned(self._console, values)
        # Those that come, and that of a strip which this switches on.
        texts = {str(value) for name, value in values.items() if name.endswith("/text") and value}
        texts |= {console.strips[index].text for index in console.used}
        unknown = [text for text in sorted(texts) if not self._host.knows(text)]
        if not unknown:
            self._accept(settings)
            return
        self._awaited[settings] = unknown
        if not self._teaching:
            self._teaching = True
            self._words.submit(self._learn)

    def _foreseen(self) -> Console:
        """The console as it will be once the words on their way are known: what whoever saves it has set."""
        console = self._console
        for settings in self._awaited:
            console = _turned(console, self._not_overtaken(settings))
        return console

    def _not_overtaken(self, settings: _Settings) -> dict[str, Value]:
        return {
            name: value for name, value in settings.values.items() if self._newest[name] == settings.ticket
        }

    def _learn(self) -> None:
        """Compute what is missing, in the thread for words, and come back to the control thread."""
        while (settings := self._control.submit(self._next_awaited).result()) is not None:
            error = None
            try:
                for text in self._awaited.get(settings, ()):
                    if settings in self._awaited:
                        self._host.learn(text)
            except BaseException as raised:
                error = raised
            self._control.submit(self._learned, settings, error)

    def _next_awaited(self) -> _Settings | None:
        """What has waited the longest for its words."""
        self._teaching = bool(self._awaited)
        return next(iter(self._awaited), None)

    def _learned(self, settings: _Settings, error: BaseException | None) -> None:
        """Turn what its words are known for, unless it was overtaken meanwhile."""
        if self._awaited.pop(settings, None) is None:
            return
        if error is not None:
            settings.answer.set_exception(error)
        else:
            self._accept(settings)

    def _accept(self, settings: _Settings) -> None:
        """Turn what has not been overtaken since."""
        newest = self._not_overtaken(settings)
        console = _turned(self._console, newest)
        self._console = replace(console, learnt=settings.learnt or console.learnt)
        self._preset = self._preset if settings.preset is None else settings.preset
        first = not self._unanswered
        self._unheard |= newest
        self._unanswered.append(settings.answer)
        if self._closing:
            self._hand_over()
        elif first:
            self._control.submit(self._hand_over_in_time)  # behind what is queued, which it takes along

    def _hand_over_in_time(self) -> None:
        """Hand over, as soon as the host has had the last console for a while."""
        time.sleep(max(0.0, min(self._pause_s, self._applied + self._pause_s - time.monotonic())))
        self._hand_over()

    def _hand_over(self) -> None:
        """Tell the host and the listeners of what they do not know yet, and whoever asked for it."""
        unheard, self._unheard = self._unheard, {}
        unanswered, self._unanswered = self._unanswered, []
        if not unanswered:
            return
        self._applied = time.monotonic()
        self._pause_s = FLOOD_S if len(unheard) > FLOOD else APPLY_S
        try:
            self._host.apply(self._console, self._preset)
            for listener in self._listeners:
                listener(unheard)
        except BaseException as error:  # theirs alone: the command that is obeyed next is not at fault
            for answer in unanswered:
                answer.set_exception(error)
            return
        for answer in unanswered:
            answer.set_result(None)


def _turned(console: Console, values: Mapping[str, Value]) -> Console:
    """The console with several parameters set."""
    for name, value in values.items():
        console = console.turned(name, value)
    return console
