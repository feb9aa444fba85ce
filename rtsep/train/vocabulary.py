"""Words for sounds: what else a label of a data set is called, of what kind it is, and what is like a sound
that no data set has."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rtsep.errors import ConfigError
from rtsep.models.kinds import fault_of

SHIPPED = Path(__file__).parent / "vocabulary.toml"

HAS = "an entry has says and kinds, one of the unheard says and like"


class Entry(BaseModel):
    """One label, or one kind of sound."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    says: tuple[str, ...] = ()
    """Other phrases that mean just this."""
    kinds: tuple[str, ...] = ()
    """What it is one of: keys of ``Vocabulary.kinds``."""


class Unheard(BaseModel):
    """One sound that is not recorded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    says: tuple[str, ...] = ()
    """Other phrases that mean just this."""
    like: tuple[str, ...] = Field(min_length=1)
    """Labels that sound like it; those that a data set lacks say nothing there."""


class Vocabulary(BaseModel):
    """Phrases of labels and kinds; a label that is missing here is known by its own words alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds: dict[str, Entry] = {}
    labels: dict[str, Entry] = {}
    unheard: dict[str, Unheard] = {}

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
    """Read a vocabulary, TOML with the tables ``kinds``, ``labels`` and ``unheard``.

    Raises:
        ConfigError: it cannot be read, or has something else in it.
    """
    try:
        vocabulary = Vocabulary.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot read the vocabulary {path}: {error}") from error
    except ValidationError as error:
        raise ConfigError(f"{path}: {fault_of(error)} ({HAS})") from error
    for table in (vocabulary.labels, vocabulary.kinds):
        for name, entry in table.items():
            for kind in entry.kinds:
                if kind not in vocabulary.kinds:
                    raise ConfigError(f"{path}: {name!r} is of kind {kind!r}, which the table 'kinds' lacks")
    return vocabulary
