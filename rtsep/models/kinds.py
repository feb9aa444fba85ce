"""Configurations of several kinds in one place of a file: ``kind`` says which, and left out means ours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Discriminator

_MARK = "kind "


def tag(kind: str) -> str:
    """What pydantic is to call a kind, so that ``key_of`` can tell it from a key."""
    return _MARK + kind


def kind_or(default: str) -> Discriminator:
    """Tells kinds apart by their key ``kind``; without it, it is the default."""

    def tag_of(config: Any) -> str:
        kind = config.get("kind", default) if isinstance(config, dict) else getattr(config, "kind", default)
        return tag(str(kind))

    return Discriminator(tag_of)


def key_of(location: Iterable[int | str]) -> str:
    """The key that a validation error is about, as it stands in the file, where no kind stands between."""
    return ".".join(str(part) for part in location if not str(part).startswith(_MARK)) or "the file"
