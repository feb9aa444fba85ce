"""What subscribers are told without asking: what was accepted, what has changed, what moves, what failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from rtsep.control import Status
from rtsep.osc.address import ROOT, address_of, values_of
from rtsep.osc.desk import Desk
from rtsep.osc.outbox import Outbox
from rtsep.osc.readings import FILES, MOVING, Values, everything, readable, value
from rtsep.osc.subscribers import METERS, SPECTRUM, Sender, Subscribers


class Telling:
    """Puts into the outbox what the subscribers are to know; owned by the server's thread.

    Args:
        desk: whose console it is.
        status: gives the current status, from any thread.
        spectra: gives the newest spectrum of each side, "in" and "out"; empty where there is none.
        outbox: what is to be sent is put there.
        subscribers: who is told.
    """

    def __init__(
        self,
        desk: Desk,
        status: Callable[[], Status],
        spectra: Callable[[], Mapping[str, bytes]],
        outbox: Outbox,
        subscribers: Subscribers,
    ) -> None:
        self._desk, self._status, self._spectra = desk, status, spectra
        self._out, self._subscribers = outbox, subscribers
        self._seen: dict[str, Values] = {}
        self._fault = self._overload = ""
        self._insert_faults: tuple[str, ...] = ()

    def changed(self, names: Iterable[str]) -> None:
        """Tell what was accepted: as it stands now, so that it never seems to go back."""
        for name in names:
            self._tell(address_of(name), values_of(self._desk.console[name]))

    def watch(self, *, files: bool = False) -> None:
        """Tell of readings that have changed since the last call, and of what has failed by itself.

        Args:
            files: look on the disk as well.
        """
        status = self._status()
        still = [
            each
            for each in readable(status, self._desk)
            if each not in MOVING and (files or each not in FILES)
        ]
        for address in still:
            values = value(address, status, self._desk)
            if self._seen.get(address) != values:
                self._seen[address] = values
                self._tell(address, values)
        if status.fault != self._fault:
            self._fault = status.fault
            self.failed(status.fault)
        if status.overload != self._overload:
            self._overload = status.overload
            self.failed(status.overload)
        for fault in status.insert_faults:
            if fault not in self._insert_faults:
                self.failed(fault)
        self._insert_faults = status.insert_faults

    def stream(self, due: Iterable[tuple[Sender, str]]) -> None:
        """Send what moves all the time to those whose turn it is."""
        status = self._status()
        streams = {METERS: {address: value(address, status, self._desk) for address in MOVING}}
        for receiver, name in due:
            if name not in streams:
                streams[name] = {
                    f"{ROOT}/{SPECTRUM}/{side}": (each,) for side, each in self._spectra().items()
                }
            for address, values in streams[name].items():
                self._out.put(receiver, address, values)

    def all(self, receiver: Sender) -> None:
        """Tell one subscriber everything that stands still."""
        status = self._status()
        for address in everything(status, self._desk):
            if address not in MOVING:
                self._out.put(receiver, address, value(address, status, self._desk))

    def failed(self, text: str, told: Iterable[Sender] = ()) -> None:
        """Tell of an error that concerns everybody, but for those who have been told; nothing if empty."""
        for receiver in self._subscribers:
            if text and receiver not in told:
                self._out.error(receiver, text)

    def _tell(self, address: str, values: Values) -> None:
        for receiver in self._subscribers:
            self._out.put(receiver, address, values)
