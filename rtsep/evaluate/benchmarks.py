"""The field's benchmarks as their authors publish them: which clip, which target, which words.

Six are mixture lists of AudioSep (Liu et al. 2023), whose ``evaluation`` folder holds
``metadata/NAME_eval.csv`` and ``data/NAME``. Where its mixtures are not there, those of a list that names two
clips are made from the data set itself, both at one energy. DnR (Petermann et al. 2022) has mixture and stems
in a folder a clip.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rtsep.errors import CommandError, ConfigError
from rtsep.models.text import clean_prompt

DNR_STEMS = {"speech": "speech", "music": "music", "sfx": "sound effects"}
"""Files of DnR, and what they are called here."""


@dataclass(frozen=True)
class Item:
    """One target in one mixture."""

    name: str
    """Of the clip, in the report."""
    prompt: str
    target: Path
    mixture: Path | None
    """None where the mixture is to be made of ``target`` and ``noise``."""
    noise: Path | None = None
    others: tuple[str, ...] | None = None
    """What the other sources are called; None where the list does not say."""

    @property
    def files(self) -> tuple[Path, ...]:
        """What has to be there."""
        wanted = (self.target, self.mixture or self.noise)
        return tuple(path for path in wanted if path is not None)


def read_benchmark(name: str, root: Path) -> list[Item]:
    """The items of a benchmark below ``root``, whether their files are there or not.

    Raises:
        ConfigError: the layout below ``root`` is another.
    """
    if not root.is_dir():
        raise ConfigError(f"no folder {root}: --root is where the benchmark {name} lies")
    try:
        return BENCHMARKS[name](root)
    except CommandError as error:
        raise ConfigError(f"{name} below {root}: {error}") from error


def _dnr(root: Path) -> list[Item]:
    """DnR version 2: ``tt/ID/mix.wav`` and its three stems."""
    folders = sorted(path.parent for path in (root / "tt").glob("*/mix.wav"))
    if not folders:
        raise ConfigError(f"no {root / 'tt' / 'ID' / 'mix.wav'}: DnR's test set lies in its folder tt")
    return [
        Item(
            f"{folder.name}/{stem}",
            prompt,
            folder / f"{stem}.wav",
            folder / "mix.wav",
            others=tuple(other for key, other in DNR_STEMS.items() if key != stem),
        )
        for folder in folders
        for stem, prompt in DNR_STEMS.items()
    ]


def _pairs(name: str, column: str, clips: str) -> Callable[[Path], list[Item]]:
    """Reader of a list with the columns idx, caption, ..., source and noise.

    Args:
        name: of the list and of its folder.
        column: of the target's file; the other sources' come after it.
        clips: folder of the data set itself.
    """

    def read(root: Path) -> list[Item]:
        rows = list(_rows(root, name, ("idx", "caption", column)))
        head, rows = rows[0], rows[1:]
        at = head.index(column)
        words = {row[at]: row[1] for row in reversed(rows)}
        folder, whole = _data(root, name), root / clips
        made = next(folder.glob("mixture-*.wav"), None)
        if made is None and not (len(head) == at + 2 and whole.is_dir()):
            raise ConfigError(
                f"no {folder / 'mixture-0.wav'}: the mixtures that AudioSep publishes are expected there"
                + (f", or the data set's own clips in {whole}" if len(head) == at + 2 else "")
            )
        items = []
        for row in rows:
            noises = row[at + 1 : len(head)]
            known = all(noise in words for noise in noises)
            others = tuple(clean_prompt(words[noise]) for noise in noises) if known else None
            prompt, number = clean_prompt(row[1]), row[0]
            if made is None:
                item = Item(number, prompt, whole / row[at], None, whole / noises[0], others)
            else:
                target, mixture = (folder / f"{kind}-{number}.wav" for kind in ("segment", "mixture"))
                item = Item(number, prompt, target, mixture, others=others)
            items.append(item)
        return items

    return read


def _vggsound(root: Path) -> list[Item]:
    """Files of mixture and sources by path, and the words for both sources."""
    rows = list(_rows(root, "vggsound", ("file_id", "mix_wav", "s0_wav", "s0_text", "s1_wav", "s1_text")))
    folder = _data(root, "vggsound")
    return [
        Item(row[0], clean_prompt(row[3]), folder / row[2], folder / row[1], others=(clean_prompt(row[5]),))
        for row in rows[1:]
    ]


def _audioset(root: Path) -> list[Item]:
    """A folder a class, with up to ten pairs of mixture and source; nothing says what else sounds."""
    rows = list(_rows(root, "audioset", ("idx", "caption", "src_wav", "noise_wav")))
    folder, before = _data(root, "audioset"), "evaluation/data/audioset/"
    paths = [[folder / name.removeprefix(before) for name in row[2:4]] for row in rows[1:]]
    return [
        Item(source.name.removesuffix(",source.wav"), clean_prompt(row[1]), source, mixture)
        for row, (source, mixture) in zip(rows[1:], paths, strict=True)
    ]


BENCHMARKS: dict[str, Callable[[Path], list[Item]]] = {
    "dnr-v2": _dnr,
    "audiocaps": _pairs("audiocaps", "src_wav", "audio"),
    "esc50": _pairs("esc50", "src_wav", "audio"),
    "clotho": _pairs("clotho", "src_wav", "evaluation"),
    "audioset": _audioset,
    "vggsound": _vggsound,
    "music": _pairs("music", "src_wav", "audio"),
}
"""Readers by the name of the benchmark."""


def _rows(root: Path, name: str, columns: tuple[str, ...]) -> Iterator[list[str]]:
    """The head and the rows of a published list, empty ones left out."""
    file = f"{name}_eval.csv"
    found = [path for path in (root / "metadata" / file, root / file) if path.is_file()]
    if not found:
        raise ConfigError(
            f"no {root / 'metadata' / file}: AudioSep's list is expected there, from its evaluation/metadata"
        )
    try:
        with found[0].open(newline="", encoding="utf-8-sig") as lines:
            rows = [row for row in csv.reader(lines) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"cannot read {found[0]}: {error}") from error
    if not rows or any(column not in rows[0] for column in columns):
        raise ConfigError(f"{found[0]}: the columns {', '.join(columns)} are expected, in its first line")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) < len(rows[0]):
            raise ConfigError(f"{found[0]}, row {number}: {len(row)} columns, {len(rows[0])} are expected")
    yield from rows


def _data(root: Path, name: str) -> Path:
    """Where AudioSep's mixtures of a benchmark lie: ``data/NAME`` below the root, or the root itself."""
    folder = root / "data" / name
    return folder if folder.is_dir() else root
