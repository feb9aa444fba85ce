"""Effects of pedalboard: its own, and VST3 plugins or Audio Units by path. The only file that imports it.

pedalboard is under the GPL, and so an extra of its own, imported when the first effect is asked for.
"""

from __future__ import annotations

import enum
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from rtsep.control import Parameter, Value
from rtsep.effects.protocol import Format, Knobs, Samples, checked, turned
from rtsep.effects.ranges import FIXED, described
from rtsep.effects.stream import Stream
from rtsep.errors import ConfigError

PLUGINS = (".vst3", ".component")
"""Of plugins from elsewhere, which run in a process of their own."""

_LEFT_OUT = (
    *("ExternalPlugin", "IIRFilter", "Plugin", "PluginContainer", "Pedalboard", "Chain", "Mix"),
    *(
        "PitchShift",
        "GSMFullRateCompressor",
    ),  # silent block by block; the first by pedalboard's issue 415
)


def pedalboard() -> ModuleType:
    """The library.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import pedalboard as library
    except ImportError as error:
        raise ConfigError(f"effects need {error.name}: pip install 'rtsep[effects]'") from error
    module: ModuleType = library
    return module


def builtin_names() -> list[str]:
    """pedalboard's own effects."""
    library = pedalboard()
    found = ((name, getattr(library, name)) for name in dir(library) if name[0].isupper())
    return [
        name
        for name, each in found
        if isinstance(each, type)
        and issubclass(each, library.Plugin)
        and not name.endswith("Plugin")
        and name not in _LEFT_OUT
    ]


class Builtin:
    """One of pedalboard's own effects.

    Args:
        name: as pedalboard calls it.
        settings: of its parameters, and of what can only be chosen at the start.
        form: the sound it is to take.

    Raises:
        ConfigError: there is no such effect or parameter, or the value does not fit.
    """

    def __init__(self, name: str, settings: dict[str, Value], form: Format) -> None:
        library = pedalboard()
        if name not in builtin_names():
            raise ConfigError(
                f"no effect {name!r}; there is {', '.join(builtin_names())}, or give the path of a plugin "
                f"({', '.join((*PLUGINS, '.py'))})"
            )
        kind = getattr(library, name)
        fixed = {key: value for key, value in settings.items() if key in FIXED}
        try:
            self._plugin = kind(**{key: _fixed(kind, key, value) for key, value in fixed.items()})
        except (TypeError, ValueError, RuntimeError) as error:
            said = str(error).strip().splitlines()[0]
            raise ConfigError(f"{name} cannot be made of {fixed or 'nothing'}: {said}") from error
        parameters = described(self._plugin)
        open_ = Knobs(parameters)
        for key, value in settings.items():
            if key not in fixed:
                setattr(self._plugin, key, turned(open_, key, value, name))
        rate, block = float(form.sample_rate), form.block

        def process(samples: Samples) -> Samples:
            result: Samples = self._plugin.process(samples, rate, buffer_size=block, reset=False)
            return result

        self._stream = Stream(process, form, lambda: 0)
        values = tuple(_plain(getattr(self._plugin, each.name)) for each in parameters)
        self.knobs = Knobs(parameters, values, self._stream.latency_samples)

    def process(self, block: Samples) -> Samples:
        """See ``Effect``."""
        return checked(block, self._stream(block))

    def turn(self, name: str, value: Value) -> None:
        """See ``Effect``."""
        setattr(self._plugin, name, value)

    def clear(self) -> None:
        """See ``Effect``."""
        self._plugin.reset()
        self._stream.clear()

    def end(self) -> None:
        """There is nothing to let go of."""


class External:
    """A VST3 plugin or an Audio Unit; to be loaded in its process's main thread.

    One that takes another number of channels gets what it takes: stereo twice the same, mono once a channel.

    Args:
        path: of its file or bundle.
        settings: of its parameters.
        form: the sound it is to take.

    Raises:
        ConfigError: it cannot be loaded, or has no such parameter.
    """

    def __init__(self, path: Path, settings: dict[str, Value], form: Format) -> None:
        self._form = form
        self.plugins = [_loaded(path)]
        self._width = form.channels
        if not self._takes(form.channels):
            self._width = 2 if form.channels == 1 else 1
            if not self._takes(self._width):
                raise ConfigError(f"{path.name} takes neither one channel nor two: it is no effect")
            self.plugins += [_loaded(path) for _ in range(form.channels - 1) if self._width == 1]
        table = {name: each for name, each in self.plugins[0].parameters.items() if _turns(each)}
        parameters = tuple(_parameter(name, each) for name, each in table.items())
        for name, value in settings.items():
            self.turn(name, turned(Knobs(parameters), name, value, path.stem))
        for plugin in self.plugins:
            plugin.reset()
        self._stream = Stream(self._run, form, lambda: int(self.plugins[0].reported_latency_samples))
        self.knobs = Knobs(parameters, self.values(parameters), self._stream.latency_samples)

    def values(self, parameters: tuple[Parameter, ...]) -> tuple[Value, ...]:
        """How its knobs stand."""
        return tuple(
            _near(each, _plain(getattr(self.plugins[0], each.name), each.kind)) for each in parameters
        )

    def process(self, block: Samples) -> Samples:
        """See ``Effect``."""
        return checked(block, self._stream(block))

    def turn(self, name: str, value: Value) -> None:
        """See ``Effect``."""
        for plugin in self.plugins:
            setattr(plugin, name, value)

    def clear(self) -> None:
        """See ``Effect``."""
        for plugin in self.plugins:
            plugin.reset()
        self._stream.clear()

    def end(self) -> None:
        """There is nothing to let go of: it goes with its process."""

    def _takes(self, channels: int) -> bool:
        try:
            self._through(self.plugins[0], np.zeros((channels, self._form.block), np.float32))
        except ValueError:
            return False
        return True

    def _through(self, plugin: Any, samples: Samples) -> Samples:
        rate, block = float(self._form.sample_rate), self._form.block
        result: Samples = plugin.process(samples, rate, buffer_size=block, reset=False)
        return result

    def _run(self, samples: Samples) -> Samples:
        if self._width == len(samples):
            return self._through(self.plugins[0], samples)
        if self._width == 2:
            both: Samples = self._through(self.plugins[0], np.repeat(samples, 2, axis=0))
            mean: Samples = both.mean(axis=0, keepdims=True)
            return mean
        parts = [self._through(*each) for each in zip(self.plugins, samples[:, None], strict=True)]
        return np.concatenate(parts)


def _loaded(path: Path) -> Any:
    try:
        return pedalboard().load_plugin(str(path))
    except (ImportError, RuntimeError, ValueError) as error:
        said = str(error).strip().splitlines()[-1].strip()
        raise ConfigError(f"cannot load the plugin {path}: {said}") from error


def _turns(knob: Any) -> bool:
    """Whether a plugin's parameter is a knob: meters and what the host is told are not to be automated."""
    return bool(knob.is_automatable) and (knob.type is not str or len(knob.valid_values) > 1)


def _parameter(name: str, knob: Any) -> Parameter:
    """A plugin's parameter as one of ours."""
    default = _plain(getattr(knob, "default_raw_value", 0.0), float)
    if knob.type is bool:
        return Parameter(name, knob.name, bool(default))
    if knob.type is str:
        choices = tuple(map(str, knob.valid_values))
        return Parameter(name, knob.name, choices[0], choices=choices)
    low, high = float(knob.min_value), float(knob.max_value)
    return Parameter(name, knob.name, low, low, high, knob.units or "")


def _plain(value: Any, kind: type = object) -> Value:
    """A value without pedalboard's wrapping."""
    if kind is bool or isinstance(value, bool):
        return bool(value)
    return str(value) if kind is str or isinstance(value, str) else float(value)


def _near(parameter: Parameter, value: Value) -> Value:
    """A value that a plugin rounds beyond its own range, back in it."""
    return min(max(value, parameter.low), parameter.high) if isinstance(value, float) else value


def _fixed(kind: type, key: str, value: Value) -> Any:
    """What can only be chosen at the start: enumerations by name, everything else as it is."""
    for each in vars(kind).values():
        if isinstance(each, type) and issubclass(each, enum.Enum) and str(value) in each.__members__:
            return each[str(value)]
        members = getattr(each, "__members__", {})
        if str(value) in members:
            return members[str(value)]
    return value
