"""Which sound cards there are, as ``rtsep devices --json`` tells: the panel itself loads no audio library."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
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


class DeviceLister(QObject):
    """Asks for the sound cards and the MIDI inputs, beside everything else."""

    listed = pyqtSignal(list)
    """The sound cards."""
    midi_listed = pyqtSignal(list)
    """The names of the MIDI inputs."""
    failed = pyqtSignal(str)

    def __init__(self, command: Sequence[str] = RTSEP, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._command = tuple(command)
        self._process = QProcess(self)
        self._process.finished.connect(self._finished)
        self._process.errorOccurred.connect(self._broken)
        self._midi = QProcess(self)
        self._midi.finished.connect(self._finished_midi)

    def reload(self) -> None:
        """Ask again, unless that is under way."""
        for process, flags in ((self._process, ["--json"]), (self._midi, ["--midi", "--json"])):
            if process.state() == QProcess.ProcessState.NotRunning:
                process.start(self._command[0], [*self._command[1:], "devices", *flags])

    def close(self) -> None:
        """Ask no more."""
        for process in (self._process, self._midi):
            process.blockSignals(True)
            process.kill()
            process.waitForFinished(1000)

    def _finished_midi(self) -> None:
        """Without the packages for MIDI there are no inputs, which is no news."""
        try:
            found = json.loads(bytes(self._midi.readAllStandardOutput().data()))
        except ValueError:
            return
        if isinstance(found, list) and all(isinstance(name, str) for name in found):
            self.midi_listed.emit(found)

    def _finished(self) -> None:
        out = bytes(self._process.readAllStandardOutput().data()).decode(errors="replace")
        said = bytes(self._process.readAllStandardError().data()).decode(errors="replace").strip()
        try:
            self.listed.emit(parse(out))
        except ValueError as error:
            self.failed.emit(f"the sound cards cannot be listed: {(said.splitlines() or [str(error)])[-1]}")

    def _broken(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self.failed.emit(f"the sound cards cannot be listed: {self._process.errorString()}")
