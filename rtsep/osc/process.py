"""The OSC server in a process of its own, so that no flood takes the interpreter from the model.

::

    sockets ─ OscServer ─ RemoteDesk ══ pipes ══ OscProcess ─ Desk ─ Engine
    └── python -m rtsep.osc ───────┘             └── where the model runs ──┘
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rtsep.control import OSC_PORT, Console, Status, Value
from rtsep.errors import EngineError, RtsepError
from rtsep.osc.desk import Desk
from rtsep.osc.subscribers import Sender
from rtsep.osc.wire import Beginning, Counts, Courier, Facts, Listening, Request, Update, Wire

STATUS_S = 1 / 30
"""How often the server gets a new status: meters are sent no more often."""

LOOKED_AT_S = 1.0
"""Spectra are made for so long after somebody has looked at them."""

ENDS_S = 5.0
"""A server that is to end gets so long, to say goodbye to the network, before it is killed."""

AGAIN_S = 1.0
"""What passes before a server that could not be started again is tried once more."""

NO_CONSOLE = Console()


class OscProcess:
    """Loads as soon as it is made, listens once it is told to, until it is closed. Use it with ``with``.

    A server that dies, whatever killed it, is started again on the same port.
    """

    def __init__(self) -> None:
        self.counts = Counts()
        self.address: Sender = ("", 0)
        """Host and port that it listens on."""
        self._lock, self._starting, self._closing = threading.Lock(), threading.Lock(), False
        self._told: Facts | None = None
        self._changed: dict[str, None] = {}
        self._answers: list[tuple[int, BaseException | None]] = []
        self._errors: deque[str] = deque(maxlen=16)
        self._looked_at_s = -LOOKED_AT_S
        self._thread = threading.Thread(target=self._attend, name="rtsep-osc", daemon=True)
        self._end_listening: Callable[[], None] = lambda: None
        self._start()

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
        self._desk, self._status, self._spectra, self._say = desk, status, spectra, say
        self._beginning = Beginning(host, ports, tuple(allow), name, presets, self._facts, self._bare_status)
        first = self._first_answer()
        if not isinstance(first, Listening):
            self.close()
            raise first
        self.address = first.address
        self._beginning = replace(self._beginning, ports=range(self.address[1], self.address[1] + 1))
        self._end_listening = desk.listen(self._accepted)
        self._thread.start()
        return self

    @property
    def pid(self) -> int:
        """Of the server's process."""
        return self._process.pid

    def tell(self, error: str) -> None:
        """Tell every subscriber what has gone wrong elsewhere; from any thread."""
        self._errors.append(error)
        self._courier.call()

    def close(self) -> None:
        """End the process, and give the port back."""
        with contextlib.suppress(RuntimeError):  # a desk that is closed already tells nobody any more
            self._end_listening()
        with self._starting:
            self._closing = True
            self._end()
        if self._thread.ident is not None:
            self._thread.join()
        self._wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _facts(self) -> Facts:
        return Facts(self._desk.console, self._desk.preset, self._desk.learning)

    @property
    def _bare_status(self) -> Status:
        return replace(self._status(), console=NO_CONSOLE)

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rtsep.osc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._wire = Wire(self._process.stdout, self._process.stdin)  # type: ignore[arg-type]
        self._courier = Courier(self._wire, self._update, STATUS_S, "rtsep-osc-out")

    def _first_answer(self) -> Listening | RtsepError:
        """Say what to be, and hear whether it can."""
        try:
            self._wire.send(self._beginning)
            answer: Listening | RtsepError = self._wire.receive()
        except (EOFError, OSError):
            self._end()
            return EngineError(f"the OSC server could not be started (code {self._process.returncode})")
        if isinstance(answer, Listening):
            self._courier.start()
        return answer

    def _end(self) -> None:
        """Hang up, and wait until the process is gone."""
        self._courier.stop()
        self._courier.done(ENDS_S)
        if self._courier.is_alive():  # stuck in a pipe that nobody empties
            self._process.kill()
        self._wire.hang_up()
        try:
            self._process.wait(ENDS_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _attend(self) -> None:
        """Do what the server wants; start another one where it has died."""
        while True:
            try:
                while True:
                    self._obey(self._wire.receive())
            except EOFError:
                pass
            with self._starting:
                if self._closing:
                    return
                self._end()
                self._wire.close()
                self._say(f"the OSC server ended (code {self._process.returncode}) and is started again")
                with self._lock:  # what was on its way has nobody to go to
                    self._told, self._changed, self._answers = None, {}, []
                    self._beginning = replace(self._beginning, facts=self._facts, status=self._bare_status)
                    self._start()
                again = isinstance(self._first_answer(), Listening)
            if not again:
                time.sleep(AGAIN_S)

    def _obey(self, request: Request) -> None:
        self.counts = request.counts
        if request.spectra:
            self._looked_at_s = time.monotonic()
        for text in request.said:
            self._say(text)
        for number, command in request.commands:
            try:
                answer = self._desk.submit(command)
            except RuntimeError:  # an executor that was shut down takes nothing any more
                self._done(number, EngineError("the engine has stopped: start it again"))
            else:
                answer.add_done_callback(partial(self._over, number, self._process.pid))

    def _accepted(self, values: Mapping[str, Value]) -> None:
        """Called in the desk's thread."""
        with self._lock:
            self._changed |= dict.fromkeys(values)
        self._courier.call()

    def _over(self, number: int, asked_by: int, answer: Future[None]) -> None:
        """Called in the desk's thread."""
        if asked_by == self._process.pid:
            self._done(number, answer.exception())

    def _done(self, number: int, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, RtsepError):
            error = RuntimeError(repr(error))  # what cannot be pickled would end all
        with self._lock:
            self._answers.append((number, error))
        self._courier.call()

    def _update(self) -> Update:
        with self._lock:
            changed, self._changed = tuple(self._changed), {}
            answers, self._answers = tuple(self._answers), []
        errors = tuple(self._errors.popleft() for _ in range(len(self._errors)))
        facts = self._facts  # now, so that they are no older than what is answered
        known, self._told = self._told, facts
        same = known is not None and all(a is b for a, b in zip(known, facts, strict=True))
        wanted = time.monotonic() - self._looked_at_s < LOOKED_AT_S
        spectra: Any = self._spectra() if wanted else None
        return Update(None if same else facts, changed, answers, errors, self._bare_status, spectra)
