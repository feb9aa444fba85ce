"""Words for the labels of a data set: what else a sound is called, and of what kind it is."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from rtsep.errors import ConfigError
from rtsep.models.kinds import fault_of

SHIPPED = Path(__file__).parent / "vocabulary.toml"


class Entry(BaseModel):
    """One label, or one kind of sound."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    says: tuple[str, ...] = ()
    """Other phrases that mean just this."""
    kinds: tuple[str, ...] = ()
    """What it is one of: keys of ``Vocabulary.kinds``."""


class Vocabulary(BaseModel):
    """Phrases of labels and kinds; a label that is missing here is known by its own words alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds: dict[str, Entry] = {}
    labels: dict[str, Entry] = {}

    def says(self, label: str) -> tuple[str, ...]:
        """Phrases for a label beside itself."""
        return self.labels[label].says if label in self.labels else ()

    def kinds_of(self, label: str, category: str) -> tuple[str, ...]:
        """Every kind that a label is one of, its category's and those above them included."""
        found: dict[str, None] = {}
        ahead = [*(self.labels[label].kinds if label in self.labels else ()), category]
        while ahead:
            kind = ahead.pop(0)
            if kind in self.kinds and kind not in found:
                found[kind] = None
                ahead += self.kinds[kind].kinds
        return tuple(found)


def read_vocabulary(path: Path = SHIPPED) -> Vocabulary:
    """Read a vocabulary, TOML with the tables ``kinds`` and ``labels``.

    Raises:
        ConfigError: it cannot be read, or has something else in it.
    """
    try:
        vocabulary = Vocabulary.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot read the vocabulary {path}: {error}") from error
    except ValidationError as error:
        raise ConfigError(f"{path}: {fault_of(error)} (an entry has says and kinds)") from error
    for table in (vocabulary.labels, vocabulary.kinds):
        for name, entry in table.items():
            for kind in entry.kinds:
                if kind not in vocabulary.kinds:
                    raise ConfigError(f"{path}: {name!r} is of kind {kind!r}, which the table 'kinds' lacks")
    return vocabulary
