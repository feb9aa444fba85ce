"""Subscribing, over OSC: ``/rtsep/subscribe`` and what stands below it, ``/rtsep/unsubscribe``."""

from __future__ import annotations

from collections.abc import Callable

from rtsep.errors import CommandError
from rtsep.osc.address import ROOT
from rtsep.osc.packet import Message
from rtsep.osc.subscribers import FASTEST, METERS, SPECTRUM, Sender, Subscribers

SUBSCRIBE = f"{ROOT}/subscribe"
STREAMS = {f"{SUBSCRIBE}/{name}": name for name in (METERS, SPECTRUM)}
"""Address to the stream that is asked for there."""

UNSUBSCRIBE = f"{ROOT}/unsubscribe"
"""Also sent to a subscriber whose subscription ends without having been asked to."""

HELP = {
    SUBSCRIBE: ("[port [host]]", "send every value now, then every change"),
    f"{SUBSCRIBE}/{METERS}": (
        "[rate [port [host]]]",
        f"meters as well, {FASTEST:g} a second at most; 0 ends them",
    ),
    f"{SUBSCRIBE}/{SPECTRUM}": ("[rate [port [host]]]", "the spectra of input and output as well"),
    UNSUBSCRIBE: ("[port [host]]", "no more of it"),
}
"""Address to arguments and what it does."""

USUAL_RATE = 10.0
"""Meters or spectra a second where no rate is said."""


class Subscribing:
    """Keeps the subscriptions as senders ask for it.

    Args:
        subscribers: where they are kept.
        own: whether an address is the server's own.
        push_all: sends a receiver every current value.
    """

    def __init__(
        self, subscribers: Subscribers, own: Callable[[Sender], bool], push_all: Callable[[Sender], None]
    ) -> None:
        self._subscribers, self._own, self._push_all = subscribers, own, push_all
        self.made_way: list[Sender] = []
        """Who was subscribed and is not any more, because others were."""

    def handles(self, address: str) -> bool:
        """Whether a message is about subscribing."""
        return address in HELP

    def handle(self, message: Message, sender: Sender, now: float) -> None:
        """Do what a message asks for.

        Raises:
            CommandError: its arguments do not fit, or it is for somebody else.
        """
        arguments = list(message.arguments)
        stream, rate = STREAMS.get(message.address), USUAL_RATE
        if stream and arguments:
            rate = self._rate(message.address, arguments.pop(0))
        receiver = self._receiver(message.address, arguments, sender)
        if message.address == UNSUBSCRIBE:
            self._subscribers.remove(receiver)
            return
        if self._own(receiver):
            raise CommandError(f"port {receiver[1]} is rtsep's own: give the port that you listen on")
        is_new = receiver not in self._subscribers
        if (evicted := self._subscribers.add(receiver, now)) is not None:
            self.made_way.append(evicted)
        if stream:
            self._subscribers.set_rate(receiver, stream, rate, now)
        if is_new or message.address == SUBSCRIBE:
            self._push_all(receiver)

    @staticmethod
    def _rate(address: str, given: object) -> float:
        if not isinstance(given, int | float) or not 0 <= given <= FASTEST:
            raise CommandError(f"{address} is {given!r}, but must be 0 to {FASTEST:g} a second"[:200])
        return max(float(given), 0.1) if given else 0.0

    @staticmethod
    def _receiver(address: str, arguments: list[object], sender: Sender) -> Sender:
        """Who is meant: the sender, at its own port or another."""
        host, port = sender
        if arguments:
            given = arguments.pop(0)
            if not isinstance(given, int | float) or not 1 <= given <= 65535 or given != int(given):
                raise CommandError(f"{address} to port {given!r}: a port is a number from 1 to 65535"[:200])
            port = int(given)
        if arguments and arguments.pop(0) != host:
            raise CommandError(
                f"{address} for another host: only {host} itself can ask for what is sent to it"
            )
        if arguments:
            raise CommandError(f"{address} takes {HELP[address][0]}, not more")
        return host, port
