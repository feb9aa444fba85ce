"""Widgets made from ``PARAMETERS``: a switch for what is on or off, a fader for a number.

A field sends what the user does and shows what the engine says. Showing never sends, and while the user
has hold of it nothing is shown over his hand.
"""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent, QMouseEvent, QWheelEvent
from PyQt6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QPushButton, QSlider, QWidget

from rtsep.control import Parameter, Value

CAPTIONS = {"enable": "On", "negative": "Remove", "full_band": "Full band", "wet": "Wet"}
"""Words on a widget where the parameter's own name would not do."""


def caption(name: str) -> str:
    """The short word for a parameter, as a button shows it."""
    part = name.rpartition("/")[2]
    return CAPTIONS.get(part, part.capitalize())


def spoken(name: str) -> str:
    """The whole name of a parameter, as a screen reader says it: "Strip 2 gain"."""
    match name.split("/"):
        case ["prompt", number, "text"]:
            return f"Strip {number} sound"
        case ["prompt", number, _]:
            return f"Strip {number} {caption(name).lower()}"
        case ["residual", _]:
            return f"Everything else {caption(name).lower()}"
    return {"gain": "Master gain", "wet": "Wet, result against input"}.get(name, caption(name))


class Field(QWidget):
    """A widget for one parameter; ``control`` is the part of it that takes the keyboard."""

    edited = pyqtSignal(str, object)
    """The user wants this value: name, value."""

    def __init__(self, parameter: Parameter, control: QWidget, *others: QWidget) -> None:
        super().__init__()
        self.parameter, self.control = parameter, control
        self.value: Value = parameter.default
        self._quiet = False
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (*others, control):
            layout.addWidget(widget)
            widget.setAccessibleName(spoken(parameter.name))
            widget.setAccessibleDescription(parameter.help)
            widget.setToolTip(parameter.help)
        control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFocusProxy(control)

    @property
    def held(self) -> bool:
        """Whether the user is in the middle of an edit."""
        return False

    def finish(self) -> None:
        """Take what has been typed and not entered as if it had been."""

    def show_value(self, value: Value) -> None:
        """Show what the engine holds, without sending anything."""
        self.value = value
        if not self.held:
            self._show()

    def _show(self) -> None:
        self._quiet = True
        self.draw(self.value)
        self._quiet = False

    def draw(self, value: Value) -> None:
        """Put a value on the screen."""
        raise NotImplementedError(f"{type(self).__name__} draws nothing")

    def _edit(self, value: Value) -> None:
        if not self._quiet:
            self.value = value
            self._show()
            self.edited.emit(self.parameter.name, value)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Escape drops what has been typed and not sent."""
        if event is not None and event.key() == Qt.Key.Key_Escape:
            self._show()
            return
        super().keyPressEvent(event)


class Switch(Field):
    """On or off: a button that stays down."""

    def __init__(self, parameter: Parameter) -> None:
        self.button = QPushButton(caption(parameter.name))
        self.button.setCheckable(True)
        self.button.setProperty("part", parameter.name.rpartition("/")[2])
        super().__init__(parameter, self.button)
        self.draw(parameter.default)
        self.button.toggled.connect(self._edit)

    def draw(self, value: Value) -> None:
        """Press or release the button."""
        self.button.setChecked(bool(value))


class _Spin(QDoubleSpinBox):
    """Turns only for a wheel over a box that has the focus: on stage a stray wheel must do nothing."""

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        if event is not None and not self.hasFocus():
            event.ignore()
            return
        super().wheelEvent(event)


class _Slider(QSlider):
    """For the mouse: a double click goes back to the default."""

    reset = pyqtSignal()

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        if event is not None:
            event.ignore()

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        self.reset.emit()


class Fader(Field):
    """A number: a slider for the mouse, and a box for the keyboard (arrows, page up and down, digits)."""

    def __init__(self, parameter: Parameter) -> None:
        decibels = parameter.unit == "dB"
        self._steps = 10 if decibels else 100
        self.slider, self.box = _Slider(Qt.Orientation.Horizontal), _Spin()
        self.slider.setRange(round(parameter.low * self._steps), round(parameter.high * self._steps))
        self.slider.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.slider.setMinimumWidth(50)
        self.box.setRange(parameter.low, parameter.high)
        self.box.setDecimals(1 if decibels else 2)
        self.box.setSingleStep(1.0 if decibels else 0.05)
        self.box.setSuffix(f" {parameter.unit}" if parameter.unit else "")
        self.box.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        self.box.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.box.setFixedWidth(84)
        self.box.setKeyboardTracking(False)  # "-12" typed must not be heard as -1 first
        super().__init__(parameter, self.box, self.slider)
        self.draw(parameter.default)
        self.slider.valueChanged.connect(lambda step: self._edit(step / self._steps))
        self.slider.reset.connect(lambda: self._edit(parameter.default))
        self.box.valueChanged.connect(self._edit)

    @property
    def held(self) -> bool:
        """Whether the slider is under the mouse button, or digits are being typed."""
        typed = (
            self.box.hasFocus()
            and self.box.text() != self.box.textFromValue(self.box.value()) + self.box.suffix()
        )
        return self.slider.isSliderDown() or typed

    def finish(self) -> None:
        """Take the digits on the line."""
        self.box.interpretText()

    def draw(self, value: Value) -> None:
        """Move slider and box."""
        self.slider.setValue(round(float(value) * self._steps))
        self.box.setValue(float(value))
