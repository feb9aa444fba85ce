"""The OSC server in a process of its own, so that no flood takes the interpreter from the model.

::

    sockets ─ OscServer ─ RemoteDesk ══ pipes ══ OscProcess ─ Desk ─ Engine
    └── python -m rtsep.osc ───────┘             └── where the model runs ──┘
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from rtsep.control import OSC_PORT, Status
from rtsep.errors import EngineError, RtsepError
from rtsep.osc.messages import Beginning, Listening
from rtsep.osc.subscribers import Sender
from rtsep.priority import BESIDE, hurry
from rtsep.remote.child import Child
from rtsep.remote.messages import Counts, Update
from rtsep.remote.served import STATUS_S, Desk, ServedDesk
from rtsep.remote.wire import Courier

AGAIN_S = 1.0
"""What passes before a server that could not be started again is tried once more."""


class OscProcess:
    """Loads as soon as it is made, listens once it is told to, until it is closed. Use it with ``with``.

    A server that dies, whatever killed it, is started again on the same port.
    """

    def __init__(self) -> None:
        self.address: Sender = ("", 0)
        """Host and port that it listens on."""
        self._starting, self._closing = threading.Lock(), False
        self._end_listening: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._attend, name="rtsep-osc", daemon=True)
        self._load()

    def listen(
        self,
        desk: Desk,
        status: Callable[[], Status],
        presets: Path,
        *,
        host: str = "127.0.0.1",
        ports: range = range(OSC_PORT, OSC_PORT + 1),
        allow: Iterable[str] = (),
        name: str | None = None,
        spectra: Callable[[], Mapping[str, bytes]] = dict,
        say: Callable[[str], None] = print,
    ) -> Self:
        """Begin to answer; returns itself.

        Args:
            desk: what is commanded, from a thread of this object's; close it afterwards.
            status: gives the current status, from any thread.
            presets: the user's folder of presets.
            host: an address of this computer to listen on.
            ports: of which the first that is free is taken; ``range(1)`` takes any.
            allow: who may send, where ``host`` can be reached from elsewhere; see ``Guard``.
            name: under which other programs find it, by OSCQuery; None: they do not.
            spectra: gives the newest spectrum of each side; called only while somebody looks at them.
            say: has whoever runs the engine read something.

        Raises:
            ConfigError: the host is no address of this computer, or senders have to be named.
            EngineError: every port is in use.
        """
        self._say = say
        self._served = served = ServedDesk(desk, status, spectra, say)
        self._end_listening = served.leave
        self._beginning = Beginning(host, ports, tuple(allow), name, presets, served.facts, served.status)
        first = self._first_answer()
        if not isinstance(first, Listening):
            self.close()
            raise first
        self.address = first.address
        self._beginning = replace(self._beginning, ports=range(self.address[1], self.address[1] + 1))
        self._thread.start()
        return self

    @property
    def pid(self) -> int:
        """Of the server's process."""
        return self._child.pid

    @property
    def counts(self) -> Counts:
        """What came in, as far as the server has told."""
        return self._served.counts

    def tell(self, error: str) -> None:
        """Tell every subscriber what has gone wrong elsewhere; from any thread."""
        self._served.tell(error)

    def close(self) -> None:
        """End the process, and give the port back."""
        with contextlib.suppress(RuntimeError):  # a desk that is closed already tells nobody any more
            self._end_listening()
        with self._starting:
            self._closing = True
            self._child.end(self._courier)
        if self._thread.ident is not None:
            self._thread.join()
        self._child.wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _load(self) -> None:
        self._child = Child("rtsep.osc")
        self._courier = Courier(self._child.wire, self._news, STATUS_S, "rtsep-osc-out", urgent=True)

    def _news(self) -> Update:
        return self._served.update()

    def _first_answer(self) -> Listening | RtsepError:
        """Say what to be, and hear whether it can."""
        try:
            self._child.wire.send(self._beginning)
            answer: Listening | RtsepError = self._child.wire.receive()
        except (EOFError, OSError):
            self._child.end(self._courier)
            return EngineError(f"the OSC server could not be started (code {self._child.code})")
        if isinstance(answer, Listening):
            self._courier.start()
            self._served.call = self._courier.call
        return answer

    def _attend(self) -> None:
        """Do what the server wants; start another one where it has died."""
        hurry(BESIDE)
        while True:
            try:
                while True:
                    self._served.obey(self._child.wire.receive())
            except EOFError:
                pass
            with self._starting:
                if self._closing:
                    return
                self._child.end(self._courier)
                self._child.wire.close()
                self._say(f"the OSC server ended (code {self._child.code}) and is started again")
                self._served.forget()
                facts, status = self._served.facts, self._served.status
                self._beginning = replace(self._beginning, facts=facts, status=status)
                self._load()
                again = isinstance(self._first_answer(), Listening)
            if not again:
                time.sleep(AGAIN_S)
