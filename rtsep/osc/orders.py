"""Commands on their way to the desk: in order, a bounded number, of a knob's positions only the newest.

A fader sends hundreds of positions a second. While earlier commands are being obeyed, a newer position
takes the place of the one that still waits: the result is the same, since between two commands that are
not settings the order of settings of different parameters does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

from rtsep.control import Command, SetParameter
from rtsep.errors import STOPPED, CommandError, EngineError
from rtsep.osc.guard import Budget
from rtsep.osc.subscribers import Sender

MOST_FLYING = 64
"""Commands that the desk has been given and has not answered."""

AT_ONCE, A_SECOND = 64, 400
"""Commands that are handed over as they come, and then a second: each costs the engine's process a fraction
of a millisecond that the model may need. Of a flood what waits is overtaken; a fader sends 100."""

MOST_WAITING = 512
"""Commands that wait for their turn."""

MOST_ASKING = 64
"""Answers that are owed for one command."""


@dataclass(eq=False)
class Order:
    """A command, and who wants to know at which addresses what became of it."""

    command: Command
    asks: dict[tuple[Sender, str], bool] = field(default_factory=dict)
    """Who, and at which address; and whether it was a question, which an echo does not answer."""

    @property
    def sets(self) -> str | None:
        """The parameter it sets; None if it is a command of another kind, which may change anything."""
        return self.command.name if isinstance(self.command, SetParameter) else None

    def ask(self, sender: Sender, address: str, *, question: bool) -> None:
        """Owe someone the value at an address, once the command is done."""
        if len(self.asks) < MOST_ASKING:
            self.asks[sender, address] = question or self.asks.get((sender, address), False)


class Orders:
    """The queue in front of the desk; owned by the server's thread.

    Args:
        submit: hands a command over; may raise RuntimeError, when the desk is closed.
        done: called, in the desk's thread, with an order that is over and what went wrong with it.
    """

    def __init__(
        self,
        submit: Callable[[Command], Future[None]],
        done: Callable[[Order, BaseException | None], None],
    ) -> None:
        self._submit, self._done = submit, done
        self._waiting: dict[object, Order] = {}
        self._flying: dict[Order, None] = {}
        self._barrier = 0
        self._budget = Budget(AT_ONCE, A_SECOND, 0.0)

    @property
    def wait(self) -> bool:
        """Whether something waits for leave to be handed over."""
        return bool(self._waiting) and len(self._flying) < MOST_FLYING

    def __len__(self) -> int:
        return len(self._waiting) + len(self._flying)

    def add(self, command: Command, sender: Sender, address: str) -> None:
        """Queue a command; ``sender`` will be told the value at ``address``.

        Raises:
            CommandError: too many wait already.
        """
        order = Order(command)
        if order.sets is None:
            self._barrier += 1
            key: object = self._barrier
            self._barrier += 1
        else:
            key = (order.sets, self._barrier)
        if (overtaken := self._waiting.pop(key, None)) is not None:
            order.asks |= overtaken.asks
        elif len(self._waiting) >= MOST_WAITING:
            raise CommandError(f"{MOST_WAITING} commands wait already: {address} was not obeyed")
        order.ask(sender, address, question=False)
        self._waiting[key] = order

    def pending(self, name: str | None) -> Order | None:
        """The last order that is not done and may still change a parameter, or, for None, anything else."""
        for order in self._backwards():
            if order.sets is None or order.sets == name:
                return order
        return None

    def flush(self, now: float) -> None:
        """Hand over what the desk has room for, at a moment of a clock that never jumps."""
        while self.wait and self._budget.spend(now) is not None:
            order = self._waiting.pop(next(iter(self._waiting)))
            self._flying[order] = None
            try:
                future = self._submit(order.command)
            except RuntimeError:  # an executor that was shut down takes nothing any more
                self._done(order, EngineError(STOPPED))
                continue
            future.add_done_callback(partial(self._over, order))

    def landed(self, order: Order) -> None:
        """Take note, in the server's thread, that an order is over."""
        self._flying.pop(order, None)

    def _over(self, order: Order, future: Future[None]) -> None:
        self._done(order, future.exception())

    def _backwards(self) -> Iterator[Order]:
        yield from reversed(self._waiting.values())
        yield from reversed(self._flying)
