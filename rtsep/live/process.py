"""A session in a process of its own: no thread of whoever owns it takes the interpreter from the sound.

Beside one thread that computes, a session in the same process lost half a percent more of its blocks than a C
client on the same machine; in its own it loses no more (docs/latency.md).
"""

from __future__ import annotations

import threading
from dataclasses import replace
from queue import Empty, SimpleQueue

from rtsep.config import RunSettings
from rtsep.control import Command, Console, Status
from rtsep.display import say
from rtsep.errors import EngineError, RtsepError
from rtsep.live.messages import Close, Open, Opened, Reply, Start
from rtsep.presets import Presets
from rtsep.remote.child import Child
from rtsep.remote.desk import RemoteDesk
from rtsep.remote.messages import Update

CLOSES_S = 60.0
"""A session that is to end gets so long to finalise what it writes, before its process is killed."""


class SessionProcess:
    """Opened as soon as it is made, started by ``start``, let go of by ``close``; as a ``Session`` is.

    Args:
        settings: as a command line gives them.
        console: what is heard first.
        separator: a name, or a bundle's folder.

    Raises:
        RtsepError: a prompt cannot be understood, or a device cannot be opened.
    """

    def __init__(self, settings: RunSettings, console: Console, separator: str) -> None:
        self._child = Child("rtsep.live")
        self._replies: SimpleQueue[Reply | None] = SimpleQueue()
        self._closed = self._gone = False
        try:
            opened = self._opened(Open(settings, console, separator))
        except BaseException:
            self._child.kill()
            self._child.end()
            self._child.wire.close()
            raise
        self._desk = RemoteDesk(self._child.wire, opened.facts, opened.status, Presets())
        self._reader = threading.Thread(target=self._read, name="rtsep-live-in", daemon=True)
        self._desk.courier.start()
        self._reader.start()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._child.pid

    @property
    def console(self) -> Console:
        """The settings as they stand."""
        return self._desk.console

    @property
    def status(self) -> Status:
        """What it is doing, as of a moment ago."""
        status = replace(self._desk.status(), console=self.console)
        if not self._gone:
            return status
        return replace(status, running=False, fault=status.fault if self._closed else self._died)

    def submit(self, command: Command) -> None:
        """Have a command obeyed, and wait until the audio worker has it.

        Raises:
            RtsepError: it cannot be obeyed.
        """
        self._desk.submit(command).result()

    def start(self) -> None:
        """Begin to process; where the settings say so, OSC and the panel as well.

        Raises:
            RtsepError: the device cannot be started, or a port is in use.
        """
        try:
            self._ask(Start())
        except BaseException:
            self._let_go()
            raise

    def close(self) -> None:
        """Stop, and let go of the device; safe to repeat.

        Raises:
            DeviceError: the device had gone meanwhile.
            EngineError: the process had.
        """
        if self._closed:
            return
        try:
            self._ask(Close(), CLOSES_S)
        finally:
            self._let_go()

    @property
    def _died(self) -> str:
        return f"the process of the engine has ended (code {self._child.code}): start another one"

    def _opened(self, order: Open) -> Opened:
        """What it is, once it is."""
        try:
            self._child.wire.send(order)
            answer = self._child.wire.receive()
        except (EOFError, OSError) as error:
            self._child.end()
            raise EngineError(self._died) from error
        if isinstance(answer, RtsepError):
            raise answer
        assert isinstance(answer, Opened)
        return answer

    def _ask(self, order: Start | Close, patience_s: float | None = None) -> None:
        """Have something done, and wait until it is."""
        try:
            self._child.wire.send(order)
            reply = self._replies.get(timeout=patience_s)
        except (OSError, ValueError):
            reply = None
        except Empty:
            raise EngineError(f"the process of the engine does not end ({patience_s:g} s): killed") from None
        if reply is None:
            self._reader.join()
            raise EngineError(self._died)
        if isinstance(reply, RtsepError):
            raise reply

    def _read(self) -> None:
        """Take what the process says, until it has gone."""
        try:
            while True:
                match self._child.wire.receive():
                    case Update() as update:
                        self._desk.take(update, say)
                    case reply:
                        self._replies.put(reply)
        except EOFError:
            pass
        self._desk.end()
        self._child.end(self._desk.courier)
        self._gone = True
        self._replies.put(None)

    def _let_go(self) -> None:
        """End the process, if it has not."""
        self._closed = True
        self._desk.end()
        self._child.end(self._desk.courier)
        self._reader.join()
        self._child.wire.close()
