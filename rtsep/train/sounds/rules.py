"""Which files of which package are which sound."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from rtsep.errors import ConfigError
from rtsep.models.kinds import fault_of
from rtsep.train.sounds.packages import audio_in, licences_of

SHIPPED = Path(__file__).parent / "debian.toml"
MOST_OF_A_LABEL = 40
"""Files that one package gives to one label."""

MOST_SPEECH = 150
Rules = dict[str, dict[str, dict[str, list[str]]]]
"""By package, category and label: patterns of paths."""


@dataclass(frozen=True)
class Sound:
    """Where a sound comes from and what it is."""

    package: str
    licence: str
    label: str
    category: str
    source: str
    """Path inside the package, or what was played."""


def read_rules(path: Path) -> Rules:
    """Which files are which sound.

    Raises:
        ConfigError: it cannot be read, or has something else in it.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        return TypeAdapter(Rules).validate_python(table)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot read the rules {path}: {error}") from error
    except ValidationError as error:
        raise ConfigError(f"{path}: {fault_of(error)} (package, category, label = patterns)") from error


def select(
    rules: Mapping[str, Mapping[str, list[str]]], package: str, root: Path
) -> list[tuple[Path, Sound]]:
    """The files of an unpacked package that the rules name, evenly chosen where there are many of a label.

    Raises:
        ConfigError: a pattern matches nothing: the package has changed.
    """
    files = {f"/{path.relative_to(root)}": path for path in audio_in(root)}
    licence = licences_of(root)
    chosen: list[tuple[Path, Sound]] = []
    for category, labels in rules.items():
        for label, patterns in labels.items():
            matched: dict[str, None] = {}
            for pattern in patterns:
                names = [name for name in files if fnmatchcase(name, pattern)]
                if not names:
                    raise ConfigError(f"{package} has no {pattern}, which is to be {label!r}")
                matched |= dict.fromkeys(names)
            most = MOST_SPEECH if category == "speech" else MOST_OF_A_LABEL
            step = max(1.0, len(matched) / most)
            every = list(matched)
            names = [every[int(number * step)] for number in range(min(most, len(every)))]
            chosen += [(files[name], Sound(package, licence, label, category, name)) for name in names]
    return chosen
