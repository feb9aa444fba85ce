"""Gather labelled sounds into one folder, with a table to train on and mixtures of what is held out."""

from __future__ import annotations

import csv
import os
import random
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import soundfile
import torch
from rich.console import Console
from rich.progress import track

from rtsep.errors import ConfigError
from rtsep.train.pool import Samples, decode_all
from rtsep.train.sounds import instruments, rules
from rtsep.train.sounds.cut import read_clips, tidied
from rtsep.train.sounds.likeness import ALIKE, Library
from rtsep.train.sounds.packages import fetch_packages, licences_of
from rtsep.train.sounds.rules import Sound
from rtsep.train.sounds.writer import COLUMNS, SAMPLE_RATE, TABLE, Cut, Writer
from rtsep.train.table import read_rows

PIECES = 2
"""Times that each program or drum is played on each SoundFont."""

AT_ONCE = 40
"""Pieces that FluidSynth plays in one go: some SoundFonts take longer to load than to play."""

FADED = SAMPLE_RATE // 4
"""Samples at the end of a slot that are left out: the next piece must not be heard."""


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
        out: folder for the table and the clips, Ogg Opus at 24 kHz, mono, some 40 kbit/s: they are to travel.
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
    with ThreadPoolExecutor(os.cpu_count()) as executor:
        jobs = deque(executor.submit(_read, *each, library) for sounds in found.values() for each in sounds)
        jobs += [
            executor.submit(_play, played, font, library)
            for font in fonts
            for played in _pieces(orchestra, font)
        ]
        try:
            for _ in track(range(len(jobs)), "cutting clips", transient=True, console=console):
                for each in jobs.popleft().result():
                    writer.write(each)
        finally:
            executor.shutdown(cancel_futures=True)  # one that fails ends them all
    writer.finish(row for table in also for row in _others(table, out))
    console.print(f"{writer.summary} in {out / TABLE}", highlight=False, soft_wrap=True)


def _read(path: Path, sound: Sound, library: Library | None) -> list[Cut]:
    try:
        clips = read_clips(path, SAMPLE_RATE)
    except ConfigError as error:  # packages hold a few files that are not what their names say
        return [Cut(sound, [], 0, str(error))]
    return [_kept(sound, clips, library)]


def _kept(sound: Sound, clips: list[Samples], library: Library | None) -> Cut:
    kept = [clip for clip in clips if library is None or library.likeness(clip).max() <= ALIKE]
    return Cut(sound, kept, len(clips) - len(kept))


def _others(table: Path, out: Path) -> Iterator[dict[str, str]]:
    """Rows of another table, their paths as seen from ``out``."""
    read_rows(table)  # says what is wrong with it
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            path = os.path.relpath(table.parent / row["path"], out)
            yield {column: row.get(column) or "" for column in COLUMNS} | {"path": path}


Played = list[tuple[instruments.Piece, Sound]]


def _pieces(orchestra: instruments.Orchestra, package: Path) -> Iterator[Played]:
    """Everything that is played on the SoundFont of a package, some at a time."""
    licence, played = licences_of(package), Played()
    parts: dict[str, tuple[instruments.Melodic | instruments.Drum, tuple[int, ...], bool]] = {
        **{label: (part, part.programs, False) for label, part in orchestra.melodic.items()},
        **{label: (part, part.kits, True) for label, part in orchestra.drums.items()},
    }
    for label, (part, programs, is_drum) in parts.items():
        for program, number in product(programs, range(PIECES)):
            notes = part.perform(random.Random(f"{package.name} {label} {program} {number}"))
            source = f"{'kit' if is_drum else 'program'} {program}, piece {number}"
            sound = Sound(package.name, licence, label, part.category, source)
            played.append((instruments.Piece(program, notes, is_drum), sound))
    for first in range(0, len(played), AT_ONCE):
        yield played[first : first + AT_ONCE]


def _play(played: Played, package: Path, library: Library | None) -> list[Cut]:
    fonts = sorted(path for path in package.rglob("*.sf[23]") if not path.is_symlink())
    if not fonts:
        raise ConfigError(f"{package.name} holds no SoundFont")
    with TemporaryDirectory() as folder:
        midi, out = Path(folder, "played.mid"), Path(folder, "played.wav")
        instruments.write_midi([piece for piece, _ in played], midi)
        instruments.play(midi, fonts[0], out, SAMPLE_RATE)
        whole = soundfile.read(out, dtype="float32", always_2d=True)[0].mean(axis=1)
    slot = round(instruments.SLOT_S * SAMPLE_RATE)
    waves = [whole[slot * number :][: slot - FADED] for number in range(len(played))]
    return [
        _kept(sound, tidied(wave, SAMPLE_RATE), library)
        for (_, sound), wave in zip(played, waves, strict=True)
    ]
