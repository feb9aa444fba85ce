"""The OSC client: one UDP socket in Qt's event loop, which never waits for the network.

It subscribes, notices within a second that the engine has gone, and subscribes anew until it is back.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from PyQt6.QtCore import QObject, QTimer, pyqtSignal
from PyQt6.QtNetwork import QAbstractSocket, QHostAddress, QHostInfo, QUdpSocket

from gui.protocol import BANDS, HOST, PORT, RATE, decode, encode
from gui.values import PRESET, Values
from rtsep.control import PARAMETERS, Level, Value
from rtsep.errors import CommandError

SILENCE_S = 0.6
"""Without a word for so long, when there should be 30 a second, the engine has gone."""
WATCH_MS = 100
KNOCK_S = 0.3
"""How often an engine that does not answer is tried."""
RENEW_S = 60.0
"""How often the subscription is renewed: the engine ends one that it has not heard of for an hour."""
RECEIVE_BUFFER = 1 << 20  # a burst of 2,000 datagrams overran the default one (python-osc, measured)


class Client(QObject):
    """Speaks with the engine. Start it with :meth:`open`; names are addresses without ``/rtsep/``."""

    turned = pyqtSignal(str, object)
    """A parameter has this value now: name, value."""
    metered = pyqtSignal(str, object)
    """The level of "in" or "out", a ``Level``."""
    sketched = pyqtSignal(str, bytes)
    """The spectrum of "in" or "out", ``BANDS`` bytes."""
    figured = pyqtSignal(str, float)
    """A number that the engine reports: "load", "dropouts", "latency", "latency/hop"."""
    told = pyqtSignal(str, object)
    """What else the engine reports: "preset" and its name, "presets" and all names, "separator" and its name,
    "record" and whether it is on, "learning" and the parameter that waits for a control, "learn" and all
    controls, each with its parameter."""
    failed = pyqtSignal(str)
    """The engine could not obey: why, in words."""
    reached = pyqtSignal(bool)
    """The engine answers (True), or has stopped answering."""

    def __init__(self, host: str = HOST, port: int = PORT, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.host, self.port = host, port
        self.values = Values()
        self.alive = False
        self._later: dict[str, Value] = {}
        self._kept: dict[str, Value] = {}
        self._peer: QHostAddress | None = None
        self._heard = self._knocked = -math.inf
        self._socket = QUdpSocket(self)
        self._socket.readyRead.connect(self._read)
        self._watch = QTimer(self)
        self._watch.setInterval(WATCH_MS)
        self._watch.timeout.connect(self._look)

    @property
    def elsewhere(self) -> str:
        """Where the engine runs, if an engine started here would not be the one that is spoken with."""
        return "" if self.host in (HOST, "localhost") else self.host

    def open(self) -> None:
        """Bind a port and begin to look for the engine."""
        numeric = QHostAddress("127.0.0.1" if self.host == "localhost" else self.host)
        reach = QHostAddress.SpecialAddress
        if numeric.protocol() == QAbstractSocket.NetworkLayerProtocol.IPv6Protocol:
            here = reach.LocalHostIPv6 if numeric.isLoopback() else reach.AnyIPv6
        else:
            here = reach.LocalHost if numeric.isLoopback() else reach.AnyIPv4
        self._socket.bind(QHostAddress(here), 0)
        self._socket.setSocketOption(
            QAbstractSocket.SocketOption.ReceiveBufferSizeSocketOption, RECEIVE_BUFFER
        )
        if numeric.isNull():
            QHostInfo.lookupHost(self.host, self._found)
        else:
            self._peer = numeric
        self._watch.start()
        self._look()

    def close(self) -> None:
        """Unsubscribe and stop."""
        self._watch.stop()
        if self.alive:
            self.send("unsubscribe", int(self._socket.localPort()))
        self._socket.close()

    def turn(self, name: str, value: object) -> None:
        """Ask for a parameter to be set, now or as soon as an engine answers; the echo is :attr:`turned`.

        Raises:
            CommandError: there is no such parameter, or the value does not fit it.
        """
        good = PARAMETERS[name].check(value)
        if not self.alive:
            self._set_later(name, good)
        elif self.values.ask(name, good, time.monotonic()):
            self.send(name, good)

    def load(self, preset: str) -> None:
        """Ask for a preset to be loaded, now or as soon as an engine answers, after what was set before."""
        if self.alive:
            self.values.ask_preset(preset, time.monotonic())
            self.send(PRESET, preset)
        else:
            self._set_later(PRESET, preset)

    def keep(self, values: Mapping[str, Value]) -> None:
        """Have an engine that is started here take over these values, once it answers; none to forget."""
        self._kept = dict(values)

    def lose(self) -> None:
        """Take note that the engine has gone."""
        self._read()  # its last words must not be taken for those of the next one
        if self.alive:
            self._gone()

    def send(self, name: str, *values: float | bool | str) -> None:
        """Send a message as it is."""
        if self._peer is not None:
            self._socket.writeDatagram(encode(name, *values), self._peer, self.port)

    def _set_later(self, name: str, value: Value) -> None:
        self._later.pop(name, None)  # the newest stands last
        self._later[name] = value

    def _found(self, info: QHostInfo) -> None:
        addresses = info.addresses()
        if addresses:
            self._peer = addresses[0]
        else:
            self.failed.emit(f"no computer is called {self.host!r}: {info.errorString()}")

    def _look(self) -> None:
        """Whether the engine still answers; ask again for what it should have confirmed."""
        self._read()  # what waited here while the panel was busy is no silence of the engine's
        now = time.monotonic()
        if self.alive and now - self._heard > SILENCE_S:
            self._gone()
        if now - self._knocked >= (RENEW_S if self.alive else KNOCK_S):
            self._knocked = now
            if not self.alive:
                self.send("subscribe", int(self._socket.localPort()))
            self.send("subscribe/meters", RATE)
            self.send("subscribe/spectrum", RATE)
        for name in self.values.overdue(now):
            self.send(name)

    def _gone(self) -> None:
        self.alive = False
        self._later = self.values.lost() | self._later
        self.reached.emit(False)

    def _read(self) -> None:
        while self._socket.hasPendingDatagrams():
            datagram = self._socket.receiveDatagram()
            sender = datagram.senderAddress()
            if datagram.senderPort() != self.port or self._peer is None or not sender.isEqual(self._peer):
                continue  # whoever that is, it is not the engine
            for name, values in decode(datagram.data().data()):
                self._heard = time.monotonic()
                if not self.alive:
                    self._meet()
                self._take(name, values)

    def _meet(self) -> None:
        """The engine answers: let it have what was set while it did not."""
        self.alive = True
        self.reached.emit(True)
        later, self._later, kept, self._kept = self._later, {}, self._kept, {}
        self.values.known.clear()
        for name, value in [*((each, kept[each]) for each in kept if each not in later), *later.items()]:
            if name == PRESET:
                self.load(str(value))
            else:
                self.turn(name, value)

    def _take(self, name: str, values: list[Any]) -> None:
        """Sort a message; one that does not fit the protocol is left alone."""
        if name in PARAMETERS and len(values) == 1:
            self._echoed(name, values[0])
            return
        match name.split("/"), values:
            case ["meter", ("in" | "out") as side], [float(peak), float(rms), clipped]:
                self.metered.emit(side, Level(peak, rms, int(clipped)))
            case ["spectrum", ("in" | "out") as side], [bytes(levels)] if len(levels) == BANDS:
                self.sketched.emit(side, levels)
            case ["load" | "dropouts"] | ["latency", *_], [int() | float() as number]:
                self.figured.emit(name, float(number))
            case ["preset" | "learning" | "separator" | "fault" | "overload"], [str(text)]:
                if name == PRESET:
                    self.values.echo_preset(text)
                self.told.emit(name, text)
            case ["presets" | "learn"], _ if all(isinstance(each, str) for each in values):
                self.told.emit(name, values)
            case ["record"], [on]:
                self.told.emit(name, bool(on))
            case ["error"], [str(why)]:
                for late in self.values.give_up():
                    self.send(late)
                self.failed.emit(why)

    def _echoed(self, name: str, raw: object) -> None:
        try:
            value: Value = PARAMETERS[name].check(raw)
        except CommandError:
            return
        if self.values.echo(name, value):
            self.turned.emit(name, value)
