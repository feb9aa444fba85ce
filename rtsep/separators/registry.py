"""The door: separators that packages bring by entry points, and bundles, by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import torch

from rtsep.errors import BundleError, ConfigError, RtsepError
from rtsep.models.bundle import bundle_folders, find_bundle, load_bundle, read_config
from rtsep.separators.codecsep import CodecSep
from rtsep.separators.protocol import LiveSeparator

GROUP = "rtsep.separators"
"""Entry points of this group are separators; see ``protocol``."""

OWN = "rtsep"


@dataclass(frozen=True)
class Entry:
    """A separator that can be named, without having been made."""

    name: str
    said: str
    """What it is, or why it cannot be had."""
    figures: str
    """Rate, hop, lookahead and where it comes from, as far as they are known."""


def installed() -> dict[str, EntryPoint]:
    """Every entry point of the group, by name; of two with one name rtsep's own, else the first package's."""
    found = sorted(entry_points(group=GROUP), key=lambda each: (package_of(each) != OWN, package_of(each)))
    return {each.name: each for each in reversed(found)}


def names() -> list[str]:
    """Every separator that can be named, bundles first."""
    folders = bundle_folders()
    return [*folders, *(name for name in sorted(installed()) if name not in folders)]


def open_separator(name: str, device: torch.device) -> LiveSeparator:
    """A separator by name: a package's, or a bundle, by name or folder.

    Args:
        name: from ``names``, or a bundle's folder.
        device: what is to run it.

    Raises:
        BundleError: there is none of that name, or its files are damaged.
        ConfigError: the package that brings it cannot be used.
    """
    points = installed()
    if name in points:
        return _made(points[name], device)
    try:
        find_bundle(name)
    except BundleError as error:
        raise BundleError(f"{error}; packages have {', '.join(sorted(points)) or 'none'}") from error
    return CodecSep(load_bundle(name), device)


def entries() -> Iterator[Entry]:
    """What can be named; a package that cannot be loaded is listed with the reason."""
    folders, points = bundle_folders(), installed()
    for name in names():
        if name in folders:
            config = read_config(folders[name])
            codec = config.codec
            figures = _figures(codec.sample_rate, codec.hop, codec.lookahead)
            yield Entry(name, config.description, f"{figures}, text {config.text_encoder}, {folders[name]}")
            continue
        origin = f"package {package_of(points[name])}"
        try:
            kind = points[name].load()
        except Exception as error:  # whatever another's package does wrong must not hide the others
            yield Entry(name, f"cannot be loaded ({type(error).__name__}: {error})", origin)
            continue
        known: list[Any] = [getattr(kind, part, None) for part in ("sample_rate", "hop", "lookahead")]
        figures = f"{_figures(*known)}, " if None not in known else ""
        yield Entry(name, getattr(kind, "description", "") or "no description", figures + origin)


def _made(point: EntryPoint, device: torch.device) -> LiveSeparator:
    try:
        separator = point.load()(device)
    except RtsepError:
        raise
    except Exception as error:  # likewise
        raise ConfigError(
            f"separator {point.name} of package {package_of(point)} cannot be used "
            f"({type(error).__name__}: {error}): update or remove the package"
        ) from error
    needed = ("sample_rate", "hop", "lookahead", "condition_size", "condition", "initial_state", "step")
    missing = [part for part in needed if not hasattr(separator, part)]
    if missing:
        raise ConfigError(
            f"separator {point.name} of package {package_of(point)} has no {', '.join(missing)}: "
            "see docs/plugin.md"
        )
    found: LiveSeparator = separator
    return found


def _figures(sample_rate: int, hop: int, lookahead: int) -> str:
    return (
        f"{sample_rate} Hz, hop {hop}, lookahead {lookahead} ({1000 * (hop + lookahead) / sample_rate:g} ms)"
    )


def package_of(point: EntryPoint) -> str:
    """The name of the package that brings it."""
    return point.dist.name if point.dist is not None else "unknown"
