"""Presets: small TOML files that say what differs from an untouched console.

Their keys are the names of ``PARAMETERS`` with dots for slashes, and a table ``run`` for what can only be
chosen at the start::

    prompt.1.text = "speech"
    prompt.1.gain = 3.0
    residual.mute = false
    residual.gain = -20.0

    [run]
    reserve_ms = 40.0

    [learn]
    "midi/1/cc/7" = "prompt/1/gain"
    "/1/fader3" = "wet"

and a table for each effect, in their order, of which only the name or path is needed::

    [[insert]]
    effect = "Compressor"
    place = "prompt/1"
    param.threshold_db = -18.0
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tomli_w
from platformdirs import user_config_path

from rtsep.control import PARAMETERS, Bindings, Console, InsertSpec, Value
from rtsep.control.inserts import same_rack
from rtsep.errors import CommandError, ConfigError

RUN = "run"
"""The table of what can only be chosen at the start."""

LEARN = "learn"
"""The table of controls and the parameters that they turn."""

INSERT = "insert"
"""The tables of effects."""

_NAME = re.compile(r"[\w][\w .+-]{0,60}")

_INSTALLED = Path(__file__).parent / "shipped_presets"
SHIPPED = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[1] / "presets"
"""Inside the package where it was installed (pyproject.toml puts them there), beside it in a checkout."""


@dataclass(frozen=True)
class Preset:
    """What a preset file holds."""

    console: Console
    run: Mapping[str, Any] = field(default_factory=dict)
    """Settings of a run, not checked yet."""
    inserts: tuple[InsertSpec, ...] = ()
    """Effects; none leaves those that run as they are."""


class Presets:
    """The presets that ship with rtsep and those of the user, which win where names are equal.

    Args:
        own: the user's folder, by default in the user's configuration folder.
    """

    def __init__(self, own: Path | None = None) -> None:
        self.own = own or user_config_path("rtsep") / "presets"

    def names(self) -> list[str]:
        """Every preset's name, in alphabetical order."""
        return sorted(self._files())

    def prompts(self) -> list[str]:
        """The words of every preset that ships."""
        found = [self.read(str(path)).console for path in sorted(SHIPPED.glob("*.toml"))]
        return sorted({strip.text for console in found for strip in console.strips if strip.text})

    def load(self, name: str) -> Console:
        """The console of a preset, by name alone: whoever sends one must not open files.

        Raises:
            ConfigError: naming file, key and what is allowed.
        """
        return self._named(name).console

    def values(self, name: str, console: Console) -> dict[str, Value]:
        """What loading a preset, by name alone, sets on a console; one without effects lets those be.

        Raises:
            CommandError: it wants other effects than those that run.
            ConfigError: naming file, key and what is allowed.
        """
        found = self._named(name)
        return dict(found.console.items()) | same_rack(console.inserts, found.inserts)

    def _files(self) -> dict[str, Path]:
        """Every preset's file by its name, whoever has given it that name."""
        return {path.stem: path for folder in (SHIPPED, self.own) for path in folder.glob("*.toml")}

    def _run_of(self, name: str) -> dict[str, Any]:
        """The table of a run's settings that a preset has; one that cannot be read has none."""
        with suppress(ConfigError):
            if name in self._files() and (run := self.read(name).run):
                return {RUN: dict(run)}
        return {}

    def _named(self, name: str) -> Preset:
        if name not in self._files():
            raise ConfigError(f"no preset {name!r}: have {', '.join(self.names())}")
        return self.read(name)

    def read(self, name: str) -> Preset:
        """A preset, by name or path.

        Raises:
            ConfigError: naming file, key and what is allowed.
        """
        path = self._files().get(name, Path(name))
        try:
            if not path.is_file():  # a pipe or a device would never end
                raise FileNotFoundError(name)
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(
                f"no preset {name!r}: have {', '.join(self.names())}, or give a TOML file"
            ) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: {error}") from error
        try:
            return _preset(table)
        except CommandError as error:
            raise ConfigError(f"{path}: {error}") from error

    def save(self, name: str, console: Console) -> Path:
        """Write a console to the user's folder, with the settings of a run that a preset of that name has;
        returns the file.

        Raises:
            CommandError: the name cannot be a file's.
            ConfigError: the file cannot be written.
        """
        if not _NAME.fullmatch(name):
            raise CommandError(
                f"a preset cannot be called {name!r}: use letters, digits, spaces, and . + - _, at most 61"
            )
        path = self.own / f"{name}.toml"
        partial = path.with_suffix(".part")
        try:
            self.own.mkdir(parents=True, exist_ok=True)
            partial.write_text(tomli_w.dumps(_table(console) | self._run_of(name)), encoding="utf-8")
            partial.replace(path)
        except OSError as error:
            raise ConfigError(f"cannot write the preset {path}: {error.strerror}") from error
        return path


_KEYS = [name.replace("/", ".") for name in PARAMETERS if not name.startswith("prompt/")]


def _preset(table: dict[str, Any]) -> Preset:
    """What a file's table holds. Raises CommandError with what is wrong, but for the file."""
    run, learn, inserts = table.pop(RUN, {}), table.pop(LEARN, {}), table.pop(INSERT, [])
    for key, inner in ((RUN, run), (LEARN, learn)):
        if not isinstance(inner, dict):
            raise CommandError(f"{key} is {inner!r}, but must be a table")
    if not isinstance(inserts, list):
        raise CommandError(f"{INSERT} must be written as tables, [[{INSERT}]]")
    console = Console()
    for key, value in _flat(table):
        if key not in PARAMETERS:
            raise CommandError(
                f"unknown key {key.replace('/', '.')!r}; known are prompt.1.text to "
                f"prompt.8.negative, {', '.join(_KEYS)}, and the tables {RUN}, {LEARN} and [[{INSERT}]]"
            )
        console = console.turned(key, value)
    specs = tuple(map(InsertSpec.of, inserts))
    try:
        return Preset(replace(console, learnt=Bindings.of(learn)), run, specs)
    except CommandError as error:
        raise CommandError(f"{LEARN}: {error}") from error


def _table(console: Console) -> dict[str, Any]:
    """What of a console differs from an untouched one, as a preset file says it."""
    table = _nested(Console().changes(replace(console, inserts=())))
    if console.learnt:
        table[LEARN] = dict(console.learnt)
    if console.inserts:
        table[INSERT] = [insert.table for insert in console.inserts]
    return table


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a nested table with the path to it."""
    for key, value in table.items():
        path = f"{above}{key}"
        if isinstance(value, dict):
            yield from _flat(value, f"{path}/")
        else:
            yield path, value


def _nested(values: Mapping[str, Value]) -> dict[str, Any]:
    """The opposite of ``_flat``."""
    table: dict[str, Any] = {}
    for path, value in values.items():
        *above, key = path.split("/")
        inner = table
        for part in above:
            inner = inner.setdefault(part, {})
        inner[key] = value
    return table
