"""Sound card and separator, and the buttons that start and stop an engine with them."""

from __future__ import annotations

from PyQt6.QtCore import QSettings, Qt, pyqtBoundSignal, pyqtSignal
from PyQt6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from gui.devices import Device, Separator
from gui.picker import Picker

DEFAULT = "the system's choice"
ALL = "all"
NONE = "none"
OWN = "default"
"""The separator that ships with rtsep, which is always there."""


class EngineBar(QWidget):
    """Picks what an engine starts with; it is remembered by name, and stays picked while it is missing.

    Args:
        settings: what is remembered.
        elsewhere: the computer on which the engine runs, if not here: nothing is started or stopped then.
    """

    separator_picked = pyqtSignal()
    """Another separator than the one that runs."""
    start = pyqtSignal()
    stop = pyqtSignal()
    reload = pyqtSignal()

    def __init__(self, settings: QSettings, elsewhere: str = "") -> None:
        super().__init__()
        self._settings, self._elsewhere = settings, elsewhere
        self.devices: list[Device] = []
        self.separators: list[Separator] = []
        self._running = ""
        self.host_api = self._picker("Host API", 80)
        self.input = self._picker("Input device", 140)
        self.output = self._picker("Output device", 140)
        self.separator = self._picker("Separator", 100)
        self.midi = self._picker("MIDI input", 80)
        self.again = self._button("Reload", "look again for sound cards", self.reload)
        self.go = self._button(
            "Start", "start an engine with these devices and the strips' sounds", self.start
        )
        self.halt = self._button("Stop", "stop the engine that was started here", self.stop)
        self.state = QLabel("")
        self._arrange()
        self._fill(self.host_api, [ALL], self._stored("host_api", ALL))
        self._refill()
        self.host_api.activated.connect(self._refill)
        self._fill(self.midi, [NONE], self._stored("midi", NONE))
        self.show_separator("")
        keys = {"host_api": self.host_api, "input": self.input, "output": self.output, "midi": self.midi}
        keys["separator"] = self.separator
        for key, picker in keys.items():
            picker.activated.connect(
                lambda _, p=picker, k=key: settings.setValue(f"devices/{k}", p.currentText())
            )
        self.separator.activated.connect(self._picked)
        self.show_state(answers=False, own=False)

    def show_devices(self, devices: list[Device]) -> None:
        """Offer these."""
        self.devices = devices
        apis = list(dict.fromkeys(device.host_api for device in devices))
        self._fill(self.host_api, [ALL, *apis], self.host_api.currentText())
        self._refill()

    def show_midi(self, names: list[str]) -> None:
        """Offer these MIDI inputs."""
        self._fill(self.midi, [NONE, *names], self.midi.currentText())

    def show_separators(self, separators: list[Separator]) -> None:
        """Offer these."""
        self.separators = separators
        self.show_separator(self._running)

    def show_separator(self, name: str, *, keep: bool = False) -> None:
        """Show the one that runs; none ("") goes back to the one that was picked, or to ``name`` if kept."""
        self._running = name
        if keep:
            self._settings.setValue("devices/separator", name)
        known = [each.name for each in self.separators] or [OWN]
        self._fill(self.separator, known, name or self._stored("separator", OWN))
        for row, each in enumerate(self.separators):
            about = f"{each.said}\n{each.figures}"
            self.separator.setItemData(row, about, Qt.ItemDataRole.ToolTipRole)

    def flags(self) -> list[str]:
        """The choice as arguments of ``rtsep run``."""
        found: list[str] = []
        if self.separator.currentText() != OWN:
            found += ["--separator", self.separator.currentText()]
        for picker, flag in ((self.input, "--input"), (self.output, "--output")):
            text = picker.currentText()
            device = next((each for each in self._fitting(flag == "--input") if _words(each) == text), None)
            if text != DEFAULT:
                found += [flag, device.flag(self.devices) if device else text]
        if self.midi.currentText() != NONE:
            found += ["--midi", self.midi.currentText()]
        return found

    def show_state(self, *, answers: bool, own: bool) -> None:
        """Say whether an engine answers, and whether it was started here: only such a one can be stopped."""
        self.go.setEnabled(not answers and not own)
        self.halt.setEnabled(own)
        self.separator.setEnabled((own or not answers) and not self._elsewhere)
        if self._elsewhere:
            self.state.setText(f"The engine runs on {self._elsewhere}: it is started and stopped there.")
            return
        self.state.setText(
            ("runs" if answers else "starting") if own else ("started elsewhere" if answers else "no engine")
        )

    def _arrange(self) -> None:
        """Two rows, for names of sound cards are long; of an engine elsewhere only its separator is shown."""
        start: list[QWidget] = [QLabel("MIDI"), self.midi, self.again, self.go, self.halt]
        devices: list[QWidget] = [QLabel("Host API"), self.host_api]
        devices += [QLabel("Input"), self.input, QLabel("Output"), self.output]
        above, below, rows = QHBoxLayout(), QHBoxLayout(), QVBoxLayout(self)
        for row, widgets in (
            (above, devices),
            (below, [QLabel("Separator"), self.separator, *start, self.state]),
        ):
            for widget in widgets:
                stretches = widget in (self.input, self.output, self.separator, self.midi)
                row.addWidget(widget, int(stretches))
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addLayout(above)
        rows.addLayout(below)
        if self._elsewhere:
            for widget in (*devices, *start):
                widget.hide()

    def _picked(self) -> None:
        if self.separator.currentText() != self._running:
            self.separator_picked.emit()

    def _fitting(self, capture: bool) -> list[Device]:
        api = self.host_api.currentText()
        return [
            each
            for each in self.devices
            if api in (ALL, each.host_api) and (each.inputs if capture else each.outputs) > 0
        ]

    def _refill(self) -> None:
        for picker, key in ((self.input, "input"), (self.output, "output")):
            now = picker.currentText() or self._stored(key, DEFAULT)
            self._fill(picker, [DEFAULT, *map(_words, self._fitting(key == "input"))], now)

    def _fill(self, picker: QComboBox, texts: list[str], chosen: str) -> None:
        picker.clear()
        picker.addItems(texts if chosen in texts else [*texts, chosen])
        picker.setCurrentText(chosen)

    def _stored(self, key: str, default: str) -> str:
        return str(self._settings.value(f"devices/{key}", default))

    def _picker(self, name: str, width: int) -> QComboBox:
        picker = Picker(name, f"{name.lower()} of an engine that is started here")
        picker.setMinimumWidth(width)
        picker.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        return picker

    def _button(self, text: str, help: str, signal: pyqtBoundSignal) -> QPushButton:
        button = QPushButton(text)
        button.setAccessibleName(f"{text} engine" if text != "Reload" else "Reload devices")
        button.setToolTip(help)
        button.clicked.connect(lambda _: signal.emit())
        return button


def _words(device: Device) -> str:
    return f"{device.name}, {device.host_api}"
