"""Configurations of several kinds in one place of a file, and what is wrong with one that is none.

``kind`` says which; left out it means ours.
"""

from __future__ import annotations

from typing import Any

from pydantic import Discriminator, ValidationError

_MARK = "kind "


def tag(kind: str) -> str:
    """What pydantic is to call a kind, so that ``fault_of`` can tell it from a key."""
    return _MARK + kind


def kind_or(default: str) -> Discriminator:
    """Tells kinds apart by their key ``kind``; without it, it is the default."""

    def tag_of(config: Any) -> str:
        kind = config.get("kind", default) if isinstance(config, dict) else getattr(config, "kind", default)
        return tag(str(kind))

    return Discriminator(tag_of)


def fault_of(error: ValidationError, whole: str = "the file") -> str:
    """The first thing that is wrong with a configuration: its key as in the file, why, and the value.

    Args:
        error: what pydantic found.
        whole: what to call it where no key alone is wrong; nothing, if it goes without saying.
    """
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"] if not str(part).startswith(_MARK)) or whole
    said = first["msg"].removeprefix("Value error, ")
    if said.startswith("Input should") and isinstance(first["input"], str | int | float):
        said += f", not {first['input']!r:.80}"
    return ": ".join(filter(None, (key, said)))
