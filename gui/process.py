"""An engine that the panel starts itself, as a process of its own.

It writes to a file, not to a pipe of the panel's: a panel that is killed leaves it playing. One that ends
after it has once answered is started again, for the sound card may come back.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from PyQt6.QtCore import QObject, QProcess, QStandardPaths, QTimer, pyqtSignal

from gui.devices import RTSEP

WAITS_S = (1, 2, 4, 8)
"""Before each further try; the last for all that follow."""
PATIENCE_MS = 4000
"""How long an engine that is to stop may take to close its files."""


class EngineProcess(QObject):
    """Starts, stops and restarts ``rtsep run``."""

    changed = pyqtSignal(bool)
    """It runs (True), or nobody wants it to any more."""
    ended = pyqtSignal(str)
    """It ended without being asked to: why, in words."""
    restarted = pyqtSignal()
    """It was started again after that."""

    def __init__(self, command: Sequence[str] = RTSEP, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._command = tuple(command)
        self._arguments: list[str] = []
        self._before: list[str] | None = None
        self._over = False
        self._answered = False
        self._tries = 0
        self.wanted = False
        """Whether it is to run."""
        self.ask_to_quit: Callable[[], object] = lambda: None
        """Asks it over OSC: on Windows nothing else lets a program without a window end in good order."""
        folder = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericCacheLocation)
        self.log = Path(folder) / "rtsep" / "engine.log"
        self._again = QTimer(self)
        self._again.setSingleShot(True)
        self._again.timeout.connect(self._restart)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.timeout.connect(self._kill)
        self._process = QProcess(self)
        self._process.started.connect(lambda: self.changed.emit(True))
        self._process.finished.connect(self._finished)
        self._process.errorOccurred.connect(self._broken)

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._process.state() != QProcess.ProcessState.NotRunning

    def start(self, arguments: Sequence[str]) -> None:
        """Start ``rtsep run`` with these arguments."""
        if self.running:
            return
        self._arguments, self._before, self._tries, self._answered = list(arguments), None, 0, False
        self.wanted = True
        self._launch()

    def start_over(self, arguments: Sequence[str]) -> None:
        """Stop it and start it with other arguments; where it does not start, with those it had."""
        self._again.stop()
        self._before, self._arguments = self._before or self._arguments, list(arguments)
        self._over = True
        if self.running:
            self._interrupt()
        else:
            self._begin_anew()

    def stop(self) -> None:
        """Stop it as Ctrl-C would, so that it closes its files; after a while, kill it."""
        self.wanted = self._over = False
        self._again.stop()
        if not self.running:
            self.changed.emit(False)
            return
        self._interrupt()

    def _interrupt(self) -> None:
        if sys.platform == "win32":
            self.ask_to_quit()
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.processId(), signal.SIGINT)
        self._patience.start(PATIENCE_MS)

    def close(self) -> None:
        """Stop it and wait for that."""
        self.blockSignals(True)
        self.stop()
        if self.running and not self._process.waitForFinished(PATIENCE_MS):
            self._process.kill()
            self._process.waitForFinished(1000)

    def answered(self) -> None:
        """It has been heard of: if it ends now, something went wrong that may pass."""
        self._answered, self._tries, self._before = True, 0, None

    def _launch(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._process.setStandardInputFile(QProcess.nullDevice())
        self._process.setStandardOutputFile(QProcess.nullDevice())
        self._process.setStandardErrorFile(str(self.log))
        self._process.start(self._command[0], [*self._command[1:], "run", *self._arguments])

    def _restart(self) -> None:
        if self.wanted and not self.running:
            self.restarted.emit()
            self._launch()

    def _begin_anew(self) -> None:
        self._over, self._answered, self._tries = False, False, 0
        self.restarted.emit()
        self._launch()

    def _kill(self) -> None:
        if self._over or not self.wanted:
            self._process.kill()

    def _finished(self, code: int) -> None:
        if not self.wanted:
            self.changed.emit(False)
            return
        if self._over:
            self._begin_anew()
            return
        if code == 0:  # it was told to by somebody else
            self._give_up("The engine has ended as it was asked to.")
            return
        why = self._last_words() or f"exit code {code}"
        if self._before is not None:
            self._arguments, self._before = self._before, None
            self.ended.emit(f"The engine did not start: {why}. It goes on as it was.")
            self._begin_anew()
            return
        if not self._answered:
            self._give_up(f"The engine did not start: {why}")
            return
        wait_s = WAITS_S[min(self._tries, len(WAITS_S) - 1)]
        self._tries += 1
        self._again.start(1000 * wait_s)
        self.ended.emit(f"The engine has ended: {why}. Starting it again in {wait_s} s.")

    def _broken(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._give_up(f"The engine cannot be started: {self._process.errorString()}")

    def _give_up(self, why: str) -> None:
        self.wanted = False
        self.changed.emit(False)
        self.ended.emit(why)

    def _last_words(self) -> str:
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1].removeprefix("rtsep: ").rstrip(".") if lines else ""
