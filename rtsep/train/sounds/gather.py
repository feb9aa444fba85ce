"""Gather labelled sounds into one folder, with a table to train on and mixtures of what is held out."""

from __future__ import annotations

import csv
import os
import random
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from rich.console import Console
from rich.progress import track

from rtsep.errors import ConfigError
from rtsep.train.pool import decode_all
from rtsep.train.sounds import instruments, rules
from rtsep.train.sounds.cut import read_clips
from rtsep.train.sounds.likeness import ALIKE, Library
from rtsep.train.sounds.packages import fetch_packages, licences_of
from rtsep.train.sounds.rules import Sound
from rtsep.train.sounds.writer import COLUMNS, SAMPLE_RATE, TABLE, Cut, Writer
from rtsep.train.table import read_rows

PIECES = 2
"""Times that each program or drum is played on each SoundFont."""


def gather(
    out: Path,
    *,
    cache: Path,
    files: Path = rules.SHIPPED,
    played: Path = instruments.SHIPPED,
    unlike: Iterable[Path] = (),
    also: Iterable[Path] = (),
) -> None:
    """Fetch the packages, cut their sounds into clips, play the instruments and write ``out/sounds.csv``.

    Args:
        out: folder for the table and the clips, FLAC at 24 kHz, mono.
        cache: folder for the unpacked packages.
        files: TOML that says which files of which package are which sound.
        played: TOML that says which instruments are played.
        unlike: tables of clips that are evaluated on; what sounds like one of these is left out.
        also: tables whose clips are to stand in the new one as well, where they lie.

    Raises:
        ConfigError: the rules are wrong, a package or FluidSynth is missing, or a table cannot be read.
    """
    console = Console(stderr=True)
    chosen, orchestra = rules.read_rules(files), instruments.read_orchestra(played)
    forbidden = [row.path for table in unlike for row in read_rows(table)]
    library = Library(decode_all(forbidden, SAMPLE_RATE), SAMPLE_RATE) if forbidden else None
    roots = dict(zip(chosen, fetch_packages(list(chosen), cache), strict=True))
    found = {name: rules.select(chosen[name], name, root) for name, root in roots.items()}
    fonts = fetch_packages(orchestra.soundfonts, cache)
    writer = Writer(out, console)
    torch.set_num_threads(1)  # each job has a processor of its own
    with ThreadPoolExecutor(os.cpu_count()) as executor, TemporaryDirectory() as temporary:
        pieces = list(_pieces(orchestra, fonts, Path(temporary)))
        jobs = deque(executor.submit(_read, *each, library) for sounds in found.values() for each in sounds)
        jobs += [executor.submit(_play, *piece, library) for piece in pieces]
        try:
            for _ in track(range(len(jobs)), "cutting clips", transient=True, console=console):
                writer.write(jobs.popleft().result())
        finally:
            executor.shutdown(cancel_futures=True)  # one that fails ends them all
    writer.finish(row for table in also for row in _others(table, out))
    console.print(f"{writer.summary} in {out / TABLE}", highlight=False, soft_wrap=True)


def _read(path: Path, sound: Sound, library: Library | None) -> Cut:
    try:
        clips = read_clips(path, SAMPLE_RATE)
    except ConfigError as error:  # packages hold a few files that are not what their names say
        return Cut(sound, [], 0, str(error))
    kept = [clip for clip in clips if library is None or library.likeness(clip).max() <= ALIKE]
    return Cut(sound, kept, len(clips) - len(kept))


def _others(table: Path, out: Path) -> Iterator[dict[str, str]]:
    """Rows of another table, their paths as seen from ``out``."""
    read_rows(table)  # says what is wrong with it
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            path = os.path.relpath(table.parent / row["path"], out)
            yield {column: row.get(column) or "" for column in COLUMNS} | {"path": path}


def _pieces(
    orchestra: instruments.Orchestra, fonts: list[Path], folder: Path
) -> Iterator[tuple[Path, Path, Sound]]:
    """Everything to be played: a MIDI file, the SoundFont for it, and what it is."""
    number = 0
    for font in fonts:
        licence = licences_of(font)
        files = sorted(path for path in font.rglob("*.sf[23]") if not path.is_symlink())
        if not files:
            raise ConfigError(f"{font.name} holds no SoundFont")
        parts = [
            (label, item.category, program, item, False)
            for label, item in orchestra.melodic.items()
            for program in item.programs
        ] + [
            (label, item.category, kit, item, True)
            for label, item in orchestra.drums.items()
            for kit in item.kits
        ]
        for label, category, program, item, drums in parts:
            for piece in range(PIECES):
                chance = random.Random(f"{font.name} {label} {program} {piece}")
                notes = item.perform(chance)
                midi = folder / f"{number}.mid"
                number += 1
                instruments.write_midi(notes, program, midi, drums=drums)
                source = f"{'kit' if drums else 'program'} {program}, piece {piece}"
                yield midi, files[0], Sound(font.name, licence, label, category, source)


def _play(midi: Path, soundfont: Path, sound: Sound, library: Library | None) -> Cut:
    out = midi.with_suffix(".wav")
    instruments.play(midi, soundfont, out, SAMPLE_RATE)
    found = _read(out, sound, library)
    out.unlink()
    return found
