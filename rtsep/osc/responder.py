"""What is done with each message: the part of the server that knows addresses, and nothing of sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Protocol

from rtsep.control import Command, Console, Record, Status, Value
from rtsep.errors import CommandError, RtsepError
from rtsep.osc import daws
from rtsep.osc.address import (
    ACTIONS,
    ERROR,
    FADER_AT,
    MOVING,
    PARAMETER_AT,
    READINGS,
    ROOT,
    SHORT,
    address_of,
    readings,
    setting,
    values_of,
)
from rtsep.osc.guard import Budget
from rtsep.osc.orders import Order, Orders
from rtsep.osc.outbox import Outbox
from rtsep.osc.packet import Message, Sendable
from rtsep.osc.pattern import is_pattern, matches
from rtsep.osc.subscribers import METERS, SPECTRUM, Sender, Subscribers
from rtsep.osc.subscribing import Subscribing

WATCH = (f"{ROOT}/preset", f"{ROOT}/record", f"{ROOT}/latency", f"{ROOT}/dropouts")
"""Readings that subscribers are told of when they change, whoever changed them."""


ACTIONS_A_SECOND, ACTIONS_AT_ONCE = 10.0, 20
"""Actions touch files, settings do not: a flood must not fill the disk with presets and recordings."""


class PresetNames(Protocol):
    """Where presets are kept."""

    def names(self) -> list[str]:
        """Those there are."""


class Desk(Protocol):
    """What commands are submitted to; ``rtsep.desk.Desk``."""

    @property
    def console(self) -> Console:
        """The settings as they stand."""

    @property
    def preset(self) -> str:
        """The preset loaded last."""

    @property
    def presets(self) -> PresetNames:
        """Where presets are kept."""

    def submit(self, command: Command) -> Future[None]:
        """Have a command obeyed, after those before it."""

    def listen(self, listener: Callable[[Mapping[str, Value]], None]) -> Callable[[], None]:
        """Have a listener told of every accepted command; returns what ends that."""


class Responder:
    """Turns messages into commands and answers; owned by the server's thread.

    Args:
        desk: what is commanded.
        status: gives the current status, from any thread.
        outbox: what is to be sent is put there.
        subscribers: who is told of changes.
        spectra: gives the newest spectrum of each side, "in" and "out"; empty where there is none.
        done: called, in another thread, with an order that is over; hand it to :meth:`landed`.
        own: whether an address is the server's own, so that it never subscribes to itself.
    """

    def __init__(
        self,
        desk: Desk,
        status: Callable[[], Status],
        spectra: Callable[[], Mapping[str, bytes]],
        outbox: Outbox,
        subscribers: Subscribers,
        done: Callable[[Order, BaseException | None], None],
        own: Callable[[Sender], bool],
    ) -> None:
        self._desk, self._status, self._out, self._subscribers = desk, status, outbox, subscribers
        self._spectra = spectra
        self.orders = Orders(desk.submit, done)
        self._subscribing = Subscribing(subscribers, own, self._push_all)
        self._actions = Budget(ACTIONS_AT_ONCE, ACTIONS_A_SECOND, 0.0)
        self._seen: dict[str, tuple[Sendable, ...]] = {}

    def handle(self, message: Message, sender: Sender, now: float) -> None:
        """Do what a message asks for; what is wrong with it goes back to its sender."""
        try:
            self._handle(message, sender, now)
        except RtsepError as error:
            self._out.error(sender, str(error))

    def changed(self, names: Iterable[str]) -> None:
        """Tell the subscribers what was accepted: as it stands now, so that it never seems to go back."""
        for name in names:
            values = values_of(self._desk.console[name])
            for receiver in self._subscribers:
                self._out.put(receiver, address_of(name), values)

    def landed(self, order: Order, error: BaseException | None) -> None:
        """Answer those who asked for what is now done, or has failed."""
        self.orders.landed(order)
        if error is not None:
            text = str(error) if isinstance(error, RtsepError) else f"a fault of rtsep's own: {error!r}"
            for sender in dict.fromkeys(sender for sender, _ in order.asks):
                self._out.error(sender, text)
            return
        for (sender, address), question in order.asks.items():
            if order.sets is not None and not question and sender in self._subscribers:
                continue  # the echo has told it
            values = self.value(address)
            if isinstance(order.command, Record) and address == f"{ROOT}/record":
                values = (int(order.command.on),)  # the status follows a hop later
            self._out.put(sender, address, values)
        if order.sets is None:
            self.watch()

    def watch(self) -> None:
        """Tell the subscribers of readings that have changed since the last call."""
        now = self._watched()
        for address, values in now.items():
            if self._seen.get(address) != values:
                for receiver in self._subscribers:
                    self._out.put(receiver, address, values)
        self._seen = now

    def stream(self, due: Iterable[tuple[Sender, str]]) -> None:
        """Send what moves all the time to those whose turn it is."""
        status = self._status()
        streams = {METERS: {address: READINGS[address].read(status) for address in MOVING}}
        for receiver, name in due:
            if name not in streams:
                streams[name] = {
                    f"{ROOT}/{SPECTRUM}/{side}": (each,) for side, each in self._spectra().items()
                }
            for address, values in streams[name].items():
                self._out.put(receiver, address, values)

    def made_way(self) -> list[Sender]:
        """Who has lost a subscription to others since the last call."""
        found, self._subscribing.made_way = self._subscribing.made_way, []
        return found

    def value(self, address: str) -> tuple[Sendable, ...]:
        """What is to be read at an address: a parameter or a reading."""
        address = SHORT.get(address, address)
        if address in PARAMETER_AT:
            return values_of(self._desk.console[PARAMETER_AT[address].name])
        if address in FADER_AT:
            parameter = FADER_AT[address]
            value = self._desk.console[parameter.name]
            assert isinstance(value, float)
            return ((value - parameter.low) / (parameter.high - parameter.low),)
        return self._readings()[address]

    def addresses(self) -> list[str]:
        """Everything that can be read."""
        return [*PARAMETER_AT, *self._readings()]

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
        else:
            found = self._found(address)
            if arguments:
                self._set(found, arguments, sender)
            else:
                for each in [address] if address in SHORT else found:
                    self._query(each, sender)

    def _found(self, address: str) -> list[str]:
        """What stands at an address or pattern."""
        address = SHORT.get(address, address)
        if address in PARAMETER_AT:
            return [address]
        everything = [*self.addresses(), *FADER_AT]
        found = matches(address, everything) if is_pattern(address) else [address] * (address in everything)
        if not found:
            raise CommandError(f"nothing is at {address[:200]}: see docs/osc.md")
        return found

    def _set(self, addresses: list[str], arguments: tuple[object, ...], sender: Sender) -> None:
        """Set every parameter among some addresses, or, if one of them does not take the value, none."""
        parameters = [address for address in addresses if address in PARAMETER_AT or address in FADER_AT]
        if not parameters:
            raise CommandError(f"{addresses[0]} can only be read: send it without a value")
        for command in [setting(address, arguments) for address in parameters]:
            self.orders.add(command, sender, address_of(command.name))

    def _query(self, address: str, sender: Sender) -> None:
        """Answer with a value: after the commands before it, if they may change it."""
        parameter = PARAMETER_AT.get(SHORT.get(address, address)) or FADER_AT.get(address)
        order = self.orders.pending(parameter.name if parameter else None)
        if order is not None and (parameter or address in WATCH):
            order.ask(sender, address, question=True)
        else:
            self._out.put(sender, address, self.value(address))

    def _readings(self) -> dict[str, tuple[Sendable, ...]]:
        return readings(self._status()) | {f"{ROOT}/preset": (self._desk.preset,)}

    def _watched(self) -> dict[str, tuple[Sendable, ...]]:
        """What subscribers are told of: the readings that stand still between events."""
        found = self._readings()
        return {address: values for address, values in found.items() if address.startswith(WATCH)}

    def _push_all(self, receiver: Sender) -> None:
        for address in self.addresses():
            if address not in MOVING:
                self._out.put(receiver, address, self.value(address))
