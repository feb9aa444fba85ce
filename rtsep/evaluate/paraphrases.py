"""Other ways to ask for each label of an evaluation, none of which training has heard."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from rtsep.errors import CommandError, ConfigError
from rtsep.evaluate.mixtures import Prompt
from rtsep.models.kinds import fault_of

SHIPPED = Path(__file__).parent / "paraphrases.toml"
"""Three for every label of the mixtures that rtsep is developed on."""

Paraphrases = Mapping[str, tuple[str, ...]]
"""Phrases by the prompt that they stand for."""


def read_paraphrases(path: Path = SHIPPED) -> Paraphrases:
    """Read paraphrases: TOML, a list of phrases for each label.

    Raises:
        ConfigError: the file cannot be read, or holds something else or an empty phrase.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
        return TypeAdapter(dict[Prompt, tuple[Prompt, ...]]).validate_python(found)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot read the paraphrases {path}: {error}") from error
    except CommandError as error:
        raise ConfigError(f"{path}: {error}") from error
    except ValidationError as error:
        raise ConfigError(f"{path}: {fault_of(error)} (a label has a list of phrases)") from error
