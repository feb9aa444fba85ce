"""The window: every part in its place, and each tied to the client."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt6.QtCore import QSettings, QSize, Qt
from PyQt6.QtGui import QCloseEvent
from PyQt6.QtWidgets import (
    QApplication,
    QGridLayout,
    QLabel,
    QMainWindow,
    QMessageBox,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from gui.client import Client
from gui.devices import RTSEP, Lister
from gui.engine_bar import EngineBar
from gui.fields import Field
from gui.figures import Figures
from gui.keys import bind
from gui.learning import Learning
from gui.lexicon import Lexicon
from gui.memory import remember, restore
from gui.meters import Meter
from gui.notice import Notice
from gui.process import EngineProcess
from gui.pulse import Pulse
from gui.roll import Roll
from gui.spectrogram import Spectrogram
from gui.strip import Strips, make_field
from gui.theme import CHOICES, colours_for, palette, style_sheet
from gui.transport import Transport
from gui.wiring import wire
from rtsep.control import PARAMETERS

MASTER = ("gain", "wet", "full_band")


class Panel(QMainWindow):
    """The panel.

    Args:
        client: speaks with the engine; opened here.
        settings: what is remembered.
        command: how rtsep's own commands are run.
    """

    def __init__(self, client: Client, settings: QSettings, command: Sequence[str] = RTSEP) -> None:
        super().__init__()
        self.client, self.settings = client, settings
        self.asks = True
        """Whether it asks before it stops an engine of its own."""
        self.engine, self.lister = EngineProcess(command, self), Lister(command, self)
        self.pulse, self.lexicon = Pulse(self), Lexicon(settings, self)
        self.transport, self.notice, self.strips = Transport(), Notice(), Strips(self.lexicon)
        self.meters = {side: Meter(title, self.pulse) for side, title in (("in", "Input"), ("out", "Output"))}
        self.troubles: dict[str, str] = {}
        """What the engine suffers from, fault and overload, for as long as it does."""
        self.spectrogram, self.figures = Spectrogram(self.pulse), Figures()
        self.engine_bar = EngineBar(settings, client.elsewhere)
        master = {name: make_field(PARAMETERS[name], self.lexicon) for name in MASTER}
        self.fields: dict[str, Field] = self.strips.fields | master | {"bypass": self.transport.bypass}
        self.learning = Learning(self.fields, self)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self._arrange(master)
        self.actions_by_name = bind(self, wire(self))
        self.transport.theme.setCurrentText(str(settings.value("theme", "system")))
        self.paint_theme()
        restore(settings, self, self.splitter)
        client.open()
        if not client.elsewhere:
            self.lister.reload()

    def paint_theme(self) -> None:
        """Take on the theme that is picked, and remember it."""
        choice = self.transport.theme.currentText()
        self.settings.setValue("theme", choice)
        colours = colours_for(choice)
        self.setPalette(palette(colours))
        self.setStyleSheet(style_sheet(colours))
        self.spectrogram.paint(colours)
        self.figures.split.paint(colours)
        for meter in self.meters.values():
            meter.bar.paint(colours)

    def next_theme(self) -> None:
        """Go on to the next theme."""
        self.transport.theme.setCurrentIndex((self.transport.theme.currentIndex() + 1) % len(CHOICES))

    def start_engine(self) -> None:
        """Start an engine with the devices that are picked and the sounds on the strips."""
        self.hand_on()
        self.engine.start(self._flags())

    def change_separator(self) -> None:
        """Have an engine that was started here go on with the separator that is picked."""
        if self.engine.wanted:
            self.engine.start_over(self._flags())

    def hand_on(self) -> None:
        """Have the next engine take over what is shown, each on its own strip, which flags cannot say."""
        self.client.keep({name: field.value for name, field in self.fields.items()})

    def _flags(self) -> list[str]:
        keep, remove = self.strips.prompts()
        flags = ["--osc", "--osc-port", str(self.client.port), *self.engine_bar.flags()]
        flags += [part for text in keep for part in ("--prompt", text)]
        flags += [part for text in remove for part in ("--remove", text)]
        return flags

    def may_close(self) -> bool:
        """Whether to close although that stops an engine which was started here."""
        asked = QMessageBox.question(
            self, "rtsep", "The engine was started here and stops with the panel. Stop it and close?"
        )
        return asked == QMessageBox.StandardButton.Yes

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Remember the layout, unsubscribe, stop what was started here."""
        if event is not None and self.asks and self.engine.wanted and not self.may_close():
            event.ignore()
            return
        remember(self.settings, self, self.splitter)
        self.lister.close()
        self.engine.close()  # which it may have to be asked for over OSC
        self.client.close()
        super().closeEvent(event)

    def _arrange(self, master: dict[str, Field]) -> None:
        """Lay everything out; the tab key follows the order of creation, top to bottom."""
        self.setWindowTitle("rtsep")
        screen = self.screen()
        assert screen is not None
        self.resize(QSize(1240, 720).boundedTo(screen.availableGeometry().size()))
        right, moving = QWidget(), QVBoxLayout()
        moving.setContentsMargins(8, 0, 0, 0)
        for widget in (*self.meters.values(), self.spectrogram):
            moving.addWidget(widget)
        moving.setStretch(2, 1)
        right.setLayout(moving)
        self.splitter.addWidget(self.strips)
        self.splitter.addWidget(right)
        self.splitter.setSizes([720, 520])
        self.splitter.setChildrenCollapsible(False)
        knobs = QGridLayout()
        for row, (title, name) in enumerate((("Master", "gain"), ("Wet", "wet"))):
            knobs.addWidget(QLabel(title), row, 0)
            knobs.addWidget(master[name], row, 1)
        knobs.addWidget(master["full_band"], 0, 2)
        knobs.addWidget(self.figures, 0, 3, 2, 1)
        knobs.setColumnStretch(1, 1)
        knobs.setColumnStretch(3, 2)
        knobs.setHorizontalSpacing(16)
        layout = QVBoxLayout()
        layout.addWidget(self.transport)
        layout.addWidget(self.splitter, 1)
        layout.addLayout(knobs)
        layout.addWidget(self.engine_bar)
        roll = Roll(layout)
        centre = QWidget()
        whole = QVBoxLayout(centre)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(roll, 1)
        whole.addWidget(self.notice)  # which says what went wrong wherever that was
        self.setCentralWidget(centre)
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        application.focusChanged.connect(roll.follow)
