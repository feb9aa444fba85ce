"""What is done with each message: the part of the server that knows addresses, and nothing of sockets."""

from __future__ import annotations

from collections.abc import Callable

from rtsep.control import Bind, Learn, Quit, Record, ResetCounts, SetParameter, Status
from rtsep.errors import CommandError, RtsepError
from rtsep.osc import daws
from rtsep.osc.address import (
    ACTIONS,
    ERROR,
    LEARN,
    ROOT,
    SHORT,
    address_of,
    fader_at,
    faders,
    parameter_at,
    setting,
)
from rtsep.osc.desk import Desk
from rtsep.osc.guard import Budget
from rtsep.osc.learnt import Learnt
from rtsep.osc.orders import Order, Orders
from rtsep.osc.outbox import Outbox
from rtsep.osc.packet import Message
from rtsep.osc.pattern import is_pattern, matches
from rtsep.osc.readings import MOVING, READINGS, everything, value
from rtsep.osc.subscribers import Sender, Subscribers
from rtsep.osc.subscribing import Subscribing
from rtsep.osc.telling import Telling

ACTIONS_A_SECOND, ACTIONS_AT_ONCE = 10.0, 20
"""Actions touch files, settings do not: a flood must not fill the disk with presets and recordings."""


class Responder:
    """Turns messages into commands and answers; owned by the server's thread.

    Args:
        desk: what is commanded.
        status: gives the current status, from any thread.
        outbox: what is to be sent is put there.
        telling: tells the subscribers.
        subscribers: who they are.
        done: called, in another thread, with an order that is over; hand it to :meth:`landed`.
        own: whether an address is the server's own, so that it never subscribes to itself.
    """

    def __init__(
        self,
        desk: Desk,
        status: Callable[[], Status],
        outbox: Outbox,
        telling: Telling,
        subscribers: Subscribers,
        done: Callable[[Order, BaseException | None], None],
        own: Callable[[Sender], bool],
    ) -> None:
        self._desk, self._status, self._out, self._telling = desk, status, outbox, telling
        self._subscribers = subscribers
        self.orders = Orders(desk.submit, done)
        self._subscribing = Subscribing(subscribers, own, telling.all)
        self._learnt = Learnt(desk)
        self._actions = Budget(ACTIONS_AT_ONCE, ACTIONS_A_SECOND, 0.0)

    def handle(self, message: Message, sender: Sender, now: float) -> None:
        """Do what a message asks for; what is wrong with it goes back to its sender."""
        try:
            self._handle(message, sender, now)
        except RtsepError as error:
            self._out.error(sender, str(error))

    def landed(self, order: Order, error: BaseException | None) -> None:
        """Answer those who asked for what is now done, or has failed."""
        self.orders.landed(order)
        self._learnt.asked -= isinstance(order.command, Learn)
        if error is not None:
            self._failed(order, error)
            return
        if isinstance(order.command, Quit):
            return  # there is no value to answer with, and nobody before long to give it
        for (sender, address), question in order.asks.items():
            if order.sets is not None and not question and sender in self._subscribers:
                continue  # the echo has told it
            values = value(address, self._status(), self._desk)
            if isinstance(order.command, Record) and address == f"{ROOT}/record":
                values = (int(order.command.on),)  # the status follows a hop later
            elif isinstance(order.command, ResetCounts):
                values = (0,)
            self._out.put(sender, address, values)
        if order.sets is None:
            self._telling.watch(files=True)

    def made_way(self) -> list[Sender]:
        """Who has lost a subscription to others since the last call."""
        found, self._subscribing.made_way = self._subscribing.made_way, []
        return found

    def _handle(self, message: Message, sender: Sender, now: float) -> None:
        address, arguments = message.address, message.arguments
        if address == ERROR:
            return
        if (words := daws.prompt(message)) is not None:
            if words:
                self._set([SHORT[f"{ROOT}/prompt"]], (words,), sender)
        elif self._subscribing.handles(address):
            self._subscribing.handle(message, sender, now)
        elif address in ACTIONS and (arguments or address not in READINGS):
            action = ACTIONS[address]
            command = action.order(address, arguments)
            if command is not None:
                if self._actions.spend(now) is None:
                    raise CommandError(
                        f"{address}: more than {ACTIONS_A_SECOND:g} actions a second are not obeyed"
                    )
                self.orders.add(command, sender, action.answer or address)
                self._learnt.asked += isinstance(command, Learn)
        elif self._is_foreign(address):
            self._add(self._learnt.command(message, now), sender)
        else:
            found = self._found(address)
            if arguments:
                self._set(found, arguments, sender)
            else:
                for each in [address] if address in SHORT else found:
                    self._query(each, sender)

    @staticmethod
    def _is_foreign(address: str) -> bool:
        """Whether an address can only be one that was, or is to be, learnt."""
        return not address.startswith(f"{ROOT}/") and not is_pattern(address)

    def _found(self, address: str) -> list[str]:
        """What stands at an address or pattern."""
        address = SHORT.get(address, address)
        console = self._desk.console
        if parameter_at(address, console) is not None:
            return [address]
        known = [*everything(self._status(), self._desk), *faders(console)]
        found = matches(address, known) if is_pattern(address) else [address] * (address in known)
        if not found:
            raise CommandError(f"nothing is at {address[:200]}: see docs/osc.md")
        return found

    def _set(self, addresses: list[str], arguments: tuple[object, ...], sender: Sender) -> None:
        """Set every parameter among some addresses, or, if one of them does not take the value, none."""
        found = [setting(address, arguments, self._desk.console) for address in addresses]
        commands = [command for command in found if command is not None]
        if not commands:
            raise CommandError(f"{addresses[0]} can only be read: send it without a value")
        for command in commands:
            self._add(command, sender)

    def _add(self, command: Bind | SetParameter | None, sender: Sender) -> None:
        if command is not None:
            answer = LEARN if isinstance(command, Bind) else address_of(command.name)
            self.orders.add(command, sender, answer)

    def _failed(self, order: Order, error: BaseException) -> None:
        """Tell who asked; of a recording, which others rely on, everybody."""
        text = str(error) if isinstance(error, RtsepError) else f"a fault of rtsep's own: {error!r}"
        senders = dict.fromkeys(sender for sender, _ in order.asks)
        for sender in senders:
            self._out.error(sender, text)
        if isinstance(order.command, Record):
            self._telling.failed(text, senders)

    def _query(self, address: str, sender: Sender) -> None:
        """Answer with a value: after the commands before it, if they may change it."""
        console = self._desk.console
        parameter = parameter_at(SHORT.get(address, address), console) or fader_at(address, console)
        order = self.orders.pending(parameter.name if parameter else None)
        if order is not None and address not in MOVING:
            order.ask(sender, address, question=True)
        else:
            self._out.put(sender, address, value(address, self._status(), self._desk))
