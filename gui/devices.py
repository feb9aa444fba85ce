"""Which sound cards and separators there are, as ``rtsep devices --json`` and ``rtsep bundles --json`` tell.

The panel itself loads no audio library, and no torch.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PyQt6.QtCore import QObject, QProcess, pyqtSignal

RTSEP = (sys.executable, "-m", "rtsep")
"""How rtsep's own commands are run."""


@dataclass(frozen=True)
class Device:
    """A sound card, as one host API offers it."""

    index: int
    name: str
    host_api: str
    inputs: int
    outputs: int

    def flag(self, devices: Sequence[Device]) -> str:
        """How to name it to ``rtsep run``: in words where they mean only this one, for indices change."""
        words = f"{self.name}, {self.host_api}"
        alike = [each for each in devices if words.lower() in f"{each.name}, {each.host_api}".lower()]
        return words if alike == [self] else str(self.index)


def parse(text: str) -> list[Device]:
    """The devices in what the command printed.

    Raises:
        ValueError: it is something else.
    """
    try:
        return [
            Device(
                int(each["index"]), str(each["name"]), str(each["host_api"]),
                int(each["max_channels_in"]), int(each["max_channels_out"]),
            )
            for each in json.loads(text)
        ]  # fmt: skip
    except (TypeError, KeyError) as error:
        raise ValueError(f"not a list of devices ({error!r})") from error


@dataclass(frozen=True)
class Separator:
    """What can separate: a bundle, or what an installed package brings."""

    name: str
    said: str
    figures: str


def parse_separators(text: str) -> list[Separator]:
    """The separators in what the command printed.

    Raises:
        ValueError: it is something else.
    """
    try:
        return [
            Separator(str(each["name"]), str(each["said"]), str(each["figures"])) for each in json.loads(text)
        ]
    except (TypeError, KeyError) as error:
        raise ValueError(f"not a list of separators ({error!r})") from error


class Lister(QObject):
    """Asks for the sound cards, the MIDI inputs and the separators, beside everything else."""

    listed = pyqtSignal(list)
    """The sound cards."""
    midi_listed = pyqtSignal(list)
    """The names of the MIDI inputs."""
    separators_listed = pyqtSignal(list)
    """What can separate."""
    failed = pyqtSignal(str)

    def __init__(self, command: Sequence[str] = RTSEP, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._command = tuple(command)
        self._process = self._asking(self._finished)
        self._midi = self._asking(self._finished_midi)
        self._separators = self._asking(self._finished_separators)
        self._process.errorOccurred.connect(self._broken)

    def reload(self) -> None:
        """Ask again, unless that is under way."""
        for process, line in (
            (self._process, ["devices", "--json"]),
            (self._midi, ["devices", "--midi", "--json"]),
            (self._separators, ["bundles", "--json"]),
        ):
            if process.state() == QProcess.ProcessState.NotRunning:
                process.start(self._command[0], [*self._command[1:], *line])

    def close(self) -> None:
        """Ask no more."""
        for process in (self._process, self._midi, self._separators):
            process.blockSignals(True)
            process.kill()
            process.waitForFinished(1000)

    def _asking(self, answer: Callable[[], None]) -> QProcess:
        process = QProcess(self)
        process.finished.connect(answer)
        return process

    def _finished_midi(self) -> None:
        """Without the packages for MIDI there are no inputs, which is no news."""
        try:
            found = json.loads(_said(self._midi)[0])
        except ValueError:
            return
        if isinstance(found, list) and all(isinstance(name, str) for name in found):
            self.midi_listed.emit(found)

    def _finished(self) -> None:
        out, said = _said(self._process)
        try:
            self.listed.emit(parse(out))
        except ValueError as error:
            self.failed.emit(f"the sound cards cannot be listed: {said or error}")

    def _finished_separators(self) -> None:
        out, said = _said(self._separators)
        try:
            self.separators_listed.emit(parse_separators(out))
        except ValueError as error:
            self.failed.emit(f"the separators cannot be listed: {said or error}")

    def _broken(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self.failed.emit(f"the sound cards cannot be listed: {self._process.errorString()}")


def _said(process: QProcess) -> tuple[str, str]:
    """What a command has printed, and the last line of its complaints."""
    out, complaints = (
        bytes(each.data()).decode(errors="replace").strip()
        for each in (process.readAllStandardOutput(), process.readAllStandardError())
    )
    return out, complaints.splitlines()[-1] if complaints else ""
