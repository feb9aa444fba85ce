"""A Python file as an effect: ``class Effect`` with ``process``. It runs in a process of its own."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from rtsep.control import Parameter, Value
from rtsep.effects.protocol import Format, Knobs, Samples, checked, turned
from rtsep.errors import ConfigError

SUFFIX = ".py"


class Script:
    """The ``Effect`` of a file, made with ``Effect(sample_rate, channels)``.

    Its ``process`` takes (channels, n) float32 samples and returns as many, ``latency_samples`` late (0 if
    it does not say). ``PARAMETERS`` names its attributes that turn, with first, lowest and highest value, and
    a unit if there is one: ``{"depth": (0.5, 0.0, 1.0), "on": (True,)}``. Its ``clear``, if it has one,
    forgets what was heard before: it is called when the effect is switched on again.

    Args:
        path: of the file.
        settings: of its parameters.
        form: the sound it is to take.

    Raises:
        ConfigError: the file has no such class, or the class no such parameter.
    """

    def __init__(self, path: Path, settings: dict[str, Value], form: Format) -> None:
        try:
            kind = runpy.run_path(str(path))["Effect"]
            self._effect: Any = kind(form.sample_rate, form.channels)
            given = getattr(self._effect, "PARAMETERS", {})
            parameters = tuple(_parameter(name, *row) for name, row in given.items())
            latency = int(getattr(self._effect, "latency_samples", 0))
        except Exception as error:  # whatever somebody's file may raise
            raise ConfigError(f"{path}: no effect ({type(error).__name__}: {error})") from error
        open_ = Knobs(parameters)
        values = {each.name: each.default for each in parameters}
        values |= {name: turned(open_, name, value, path.stem) for name, value in settings.items()}
        for name, value in values.items():
            setattr(self._effect, name, value)
        self.knobs = Knobs(parameters, tuple(values.values()), latency)

    def process(self, block: Samples) -> Samples:
        """See ``Effect``."""
        return checked(block, self._effect.process(block))

    def turn(self, name: str, value: Value) -> None:
        """See ``Effect``."""
        setattr(self._effect, name, value)

    def clear(self) -> None:
        """See ``Effect``."""
        if hasattr(self._effect, "clear"):
            self._effect.clear()

    def end(self) -> None:
        """There is nothing to let go of: it goes with its process."""


def _parameter(
    name: str, default: bool | float, low: float = 0.0, high: float = 1.0, unit: str = ""
) -> Parameter:
    first = default if isinstance(default, bool) else float(default)
    return Parameter(name, name.replace("_", " "), first, float(low), float(high), unit)
