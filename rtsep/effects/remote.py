"""An effect in a process of its own, asked with a deadline: it may crash, hang or never come back.

A block goes there and back through a pipe while the audio worker waits; what the reserve for a late worker is
for pays for the wait, and no latency comes on top but what an effect is given to be late by. Who has not
answered in time is not waited for again until it has; who does that too often is left alone for a while, and
who does not answer at all is ended.
"""

from __future__ import annotations

import contextlib
import select
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from rtsep.control import Value
from rtsep.effects.protocol import Effect, EffectError, Format, Knobs, LateError, NotDueError, Samples
from rtsep.errors import ConfigError, RtsepError
from rtsep.priority import BESIDE, hurry

LOADED_S = 60.0
"""Plugins that ask their maker's server for a licence take their time; none takes longer."""

STALLED_S = 0.25
"""Sound that an effect may leave unanswered before it is ended."""

MISSES, MISSES_S, REST_S = 20, 10.0, 10.0
"""So many deadlines missed within so much sound, 2 % of all, and it is not asked any more for a while: each
costs a wait, and the machine may have less to do then."""

_LATE = "it has not answered in time"
_TOO_SLOW = f"too slow {MISSES} times in {MISSES_S:g} s, it is left alone for {REST_S:g} s"
_FINE, _WRONG = b"+", b"-"
_CLEAR = b""
"""In place of a block: forget what was heard. There is no answer."""


class Patience:
    """How long the effects of one hop may be waited for, all together; owned by the audio worker.

    Args:
        span_s: of each hop.
        least_s: what the last of them gets in any case.
    """

    def __init__(self, span_s: float, least_s: float = 0.001) -> None:
        self.span_s, self._least_s = span_s, least_s
        self._left_s = 0.0

    def begin(self, hops: float = 1.0) -> None:
        """One hop begins, or several at once."""
        self._left_s = max(1.0, hops) * self.span_s

    @property
    def left_s(self) -> float:
        """Seconds that may still be waited; what the model takes meanwhile is not counted."""
        return max(self._least_s, self._left_s)

    def wait(self, connection: Connection) -> bool:
        """Whether there is something to read, before patience ends."""
        began = time.monotonic()
        there = connection.poll(self.left_s)
        self._left_s -= time.monotonic() - began
        return there


class Remote:
    """An ``Effect`` that another process runs.

    Args:
        make: makes it there; has to be picklable.
        path: of the plugin.
        settings: of its parameters.
        form: the sound it is to take.
        patience: how long it is waited for.
        reserve: samples that an answer may come later than its block, part of the latency.
    """

    def __init__(
        self,
        make: Callable[[Path, dict[str, Value], Format], Effect],
        path: Path,
        settings: dict[str, Value],
        form: Format,
        patience: Patience,
        reserve: int = 0,
    ) -> None:
        context = get_context("spawn")
        self._path, self._form, self._patience = path, form, patience
        self._sound, sound = context.Pipe()
        self._control, control = context.Pipe()
        # A daemon ends with this process, however that ends.
        self._process = context.Process(
            target=_serve, args=(make, path, settings, form, sound, control), daemon=True
        )
        self._process.start()
        sound.close()
        control.close()
        self._knobs: Knobs | None = None
        # Places are counted in samples heard since the start, before which there was silence.
        self._reserve, self._heard = reserve, 0
        self._asked: deque[tuple[int, int, float]] = deque()  # blocks not answered yet: begin, end, when sent
        self._since, self._sent = -reserve, 0  # between them no block was left out
        self._cleared = -reserve  # when it was last told to forget
        self._from = -reserve  # place of the first sample that is ready
        self._ready = np.zeros((form.channels, reserve), np.float32)
        self._missed: tuple[int, ...] = ()
        self._rests_until = 0
        self._unsent: deque[bytes] = deque()  # blocks that the pipe has had no room for
        self._room = _room_in(self._sound)
        # Knobs and windows go out in a thread of their own: whoever does not take them would block the sound.
        self._orders: dict[str, tuple[str, Value] | None] = {}
        self._ordered, self._ended = threading.Condition(), False
        threading.Thread(target=self._send_orders, name="rtsep-effect-knobs", daemon=True).start()

    @property
    def knobs(self) -> Knobs:
        """What can be turned; waits until it is loaded.

        Raises:
            ConfigError: it cannot be loaded.
        """
        if self._knobs is None:
            try:
                if not self._control.poll(LOADED_S):
                    raise ConfigError(f"{self._path}: still not loaded after {LOADED_S:g} s")
                knobs: Knobs = self._control.recv()
            except (EOFError, OSError) as error:
                raise ConfigError(f"{self._path}: it crashed while it was loaded") from error
            if knobs.problem:
                raise ConfigError(knobs.problem)
            self._knobs = replace(knobs, latency_samples=knobs.latency_samples + self._reserve)
        return self._knobs

    def process(self, block: Samples) -> Samples:
        """See ``Effect``."""
        here = self._heard
        self._heard += block.shape[1]
        if self._heard <= self._rests_until:
            raise LateError(_TOO_SLOW)
        wanted, end = here - self._reserve, self._heard - self._reserve
        try:
            while self._asked and self._sound.poll(0):
                self._take()
            self._ask(here, block)
            within_reach = self._since <= wanted and end <= self._sent
            while within_reach and self._answered < end:
                if not self._patience.wait(self._sound):
                    raise LateError(_TOO_SLOW if self._too_slow() else _LATE)
                self._take()
                self._hand_over()
        except (EOFError, OSError) as error:
            raise EffectError(f"it crashed{self._ending()}") from error
        if not within_reach:
            raise NotDueError if wanted < self._cleared else LateError(_LATE)
        self._ready, self._from = self._ready[:, wanted - self._from :], wanted
        return self._ready[:, : block.shape[1]]

    def turn(self, name: str, value: Value) -> None:
        """See ``Effect``; of values that wait for it the newest is kept."""
        self._order(name, (name, value))

    def clear(self) -> None:
        """See ``Effect``; what it has not answered yet, within its reserve, is not heard any more."""
        self._since = self._cleared = self._heard
        self._unsent.append(_CLEAR)
        with contextlib.suppress(OSError):  # it has crashed: the next block says so
            self._hand_over()

    def show(self) -> None:
        """Have it open its own window."""
        self._order("", None)

    def _order(self, key: str, order: tuple[str, Value] | None) -> None:
        with self._ordered:
            self._orders[key] = order
            self._ordered.notify()

    def _send_orders(self) -> None:
        """Hand on what is ordered, until the end."""
        with contextlib.suppress(OSError):  # it has crashed: the next block says so
            while True:
                with self._ordered:
                    self._ordered.wait_for(lambda: self._orders or self._ended)
                    if self._ended:
                        return
                    orders, self._orders = self._orders, {}
                for order in orders.values():
                    self._control.send(order)

    def end(self) -> None:
        """End the process, whatever it does; returns at once."""
        self._process.kill()

    def close(self) -> None:
        """End the process, and wait until it is gone."""
        with self._ordered:
            self._ended = True
            self._ordered.notify()
        self._process.kill()
        self._process.join()
        self._sound.close()
        self._control.close()

    @property
    def _answered(self) -> int:
        """Place behind the last sample that is ready."""
        return self._from + self._ready.shape[1]

    def _ask(self, here: int, block: Samples) -> None:
        """Hand a block over, unless more is unanswered than may be."""
        if self._asked and self._sent - self._asked[0][0] > self._reserve:
            here_first, _, sent_s = self._asked[0]
            behind = self._heard - here_first - self._reserve > STALLED_S * self._form.sample_rate
            # After a late step many blocks are asked for within a moment, which is no time to answer.
            if behind and time.monotonic() - sent_s > STALLED_S:
                raise EffectError(f"it has not answered for {1000 * STALLED_S:g} ms")
            return
        if here != self._sent:  # blocks were left out: what was asked before joins nothing
            self._since = here
        self._unsent.append(block.tobytes())
        self._sent = here + block.shape[1]
        self._asked.append((here, self._sent, time.monotonic()))
        self._hand_over()

    def _hand_over(self) -> None:
        """Send what the pipe has room for; one that is full would block the sound."""
        while self._unsent and self._room():
            self._sound.send_bytes(self._unsent.popleft())

    def _take(self) -> None:
        """Add an answer to what is ready."""
        message = self._sound.recv_bytes()
        if message[:1] == _WRONG:
            raise EffectError(message[1:].decode(errors="replace"))
        here, end, _ = self._asked.popleft()
        answer = np.frombuffer(message, np.float32, offset=4).reshape(self._form.channels, end - here)
        joins = here == self._answered
        self._ready = np.concatenate([self._ready, answer], axis=1) if joins else answer
        self._from = self._from if joins else here

    def _too_slow(self) -> bool:
        """Count a miss; whether it was one too many, and the effect rests."""
        since = self._heard - MISSES_S * self._form.sample_rate
        self._missed = (*(at for at in self._missed if at > since), self._heard)
        if len(self._missed) < MISSES:
            return False
        self._missed, self._rests_until = (), self._heard + round(REST_S * self._form.sample_rate)
        return True

    def _ending(self) -> str:
        self._process.join(self._patience.left_s)
        code = self._process.exitcode
        return f" (signal {signal.Signals(-code).name})" if code is not None and code < 0 else ""


def _room_in(connection: Connection) -> Callable[[], bool]:
    """Whether a block can be sent without waiting: a socket says so while three quarters of it are free.

    A pipe of Windows does not tell; there an effect that hangs may hold the sound up.
    """
    if sys.platform == "win32":
        return lambda: True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLOUT)
    return lambda: bool(poll.poll(0))


def _serve(
    make: Callable[[Path, dict[str, Value], Format], Any],
    path: Path,
    settings: dict[str, Value],
    form: Format,
    sound: Connection,
    control: Connection,
) -> None:
    """What the process of an effect does: plugins are loaded, and show windows, in the main thread only."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the engine's, which then ends this process
    try:
        effect = make(path, settings, form)
    except RtsepError as error:
        control.send(Knobs(problem=str(error)))
        return
    except Exception as error:  # whatever a plugin may raise
        control.send(Knobs(problem=f"{path}: {type(error).__name__}: {error}"))
        return
    threading.Thread(target=_play, args=(effect, form, sound), daemon=True).start()
    control.send(effect.knobs)
    with contextlib.suppress(EOFError, OSError):
        while True:
            if (order := control.recv()) is not None:
                with contextlib.suppress(Exception):  # a value that it refuses changes nothing
                    effect.turn(*order)


def _play(effect: Effect, form: Format, sound: Connection) -> None:
    """Answer blocks for ever."""
    hurry(BESIDE)  # the audio worker waits for it, and must never have to wait for one that spins
    with contextlib.suppress(EOFError, OSError):
        while True:
            message = sound.recv_bytes()
            if message == _CLEAR:
                with contextlib.suppress(Exception):  # it then remembers
                    effect.clear()
                continue
            block = np.frombuffer(message, np.float32).reshape(form.channels, -1)
            try:
                answer = _FINE + b"\0\0\0" + np.ascontiguousarray(effect.process(block)).tobytes()
            except EffectError as error:
                answer = _WRONG + str(error).encode()
            except BaseException as error:  # whatever a plugin may raise
                answer = _WRONG + f"it raised {type(error).__name__}: {error}".encode()
            sound.send_bytes(answer)
