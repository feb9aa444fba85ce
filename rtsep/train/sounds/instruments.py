"""Instruments of General MIDI, played by FluidSynth: random notes, in character with each."""

from __future__ import annotations

import random
import shutil
import subprocess
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from rtsep.errors import ConfigError
from rtsep.models.kinds import fault_of

SHIPPED = Path(__file__).parent / "instruments.toml"

SECONDS = 9.0
SLOT_S = SECONDS + 2.0
"""From the beginning of one piece to that of the next: the last notes fade in between."""

TICKS = 480
"""Ticks of a second: tempo is 60 and one beat is one second."""

DRUM_CHANNEL = 9
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10))
"""Major, minor, and the two pentatonic ones."""


@dataclass(frozen=True)
class Note:
    """A key held down."""

    start_s: float
    length_s: float
    key: int
    velocity: int


class Melodic(BaseModel):
    """An instrument with pitches."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    programs: tuple[int, ...]
    low: int
    high: int
    style: Literal["sustained", "plucked", "struck"]
    category: str = "music"

    def perform(self, chance: random.Random) -> list[Note]:
        """Notes of a scale that go up and down within an instrument's range, for ``SECONDS``."""
        scale, root = chance.choice(SCALES), chance.randrange(12)
        keys = [key for key in range(self.low, self.high + 1) if (key - root) % 12 in scale]
        # A part of the range for each piece: nobody plays all of it in nine seconds.
        width = min(len(keys), chance.randint(6, 12))
        first = chance.randint(0, len(keys) - width)
        keys = keys[first : first + width]
        pace = {"sustained": 0.45, "plucked": 0.3, "struck": 0.22}[self.style] * 2 ** chance.uniform(-1, 1)
        loudness, time, place, notes = chance.randint(50, 120), 0.0, chance.randrange(width), list[Note]()
        while time < SECONDS - 0.3:
            length = pace * chance.choice((1, 1, 1, 2, 2, 4))
            if chance.random() > 0.12:
                held = length * (0.97 if self.style == "sustained" else chance.uniform(0.6, 1.5))
                chord = self.style == "plucked" and chance.random() < 0.3
                for key in {keys[(place + step) % width] for step in ((0, 2, 4) if chord else (0,))}:
                    velocity = max(20, min(127, loudness + chance.randint(-15, 15)))
                    notes.append(Note(time, min(held, SECONDS - time), key, velocity))
            time += length
            place = max(0, min(width - 1, place + chance.choice((-3, -2, -1, -1, 0, 1, 1, 2, 3))))
        return notes


class Drum(BaseModel):
    """Keys of the drum channel."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[int, ...]
    kits: tuple[int, ...]
    category: str = "music"

    def perform(self, chance: random.Random) -> list[Note]:
        """A bar of random strokes, repeated with small changes, for ``SECONDS``."""
        step = chance.uniform(0.09, 0.22)
        keys = self.keys if chance.random() < 0.5 or len(self.keys) > 6 else (chance.choice(self.keys),)
        density = chance.uniform(0.15, 0.5)
        bar = [(chance.random() < density, chance.choice(keys)) for _ in range(16)]
        bar[0] = (True, bar[0][1])
        loudness, notes = chance.randint(60, 120), list[Note]()
        for number in range(int(SECONDS / step)):
            strikes, key = bar[number % 16]
            if strikes != (chance.random() < 0.05):
                velocity = max(20, min(127, loudness + chance.randint(-20, 7)))
                notes.append(Note(number * step, step, key, velocity))
        return notes


class Orchestra(BaseModel):
    """What is played, and on what: tables ``melodic`` and ``drums`` by label."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    soundfonts: tuple[str, ...]
    """Packages that hold one."""
    melodic: dict[str, Melodic]
    drums: dict[str, Drum]


def read_orchestra(path: Path = SHIPPED) -> Orchestra:
    """Read what is to be played.

    Raises:
        ConfigError: it cannot be read, or has something else in it.
    """
    try:
        return Orchestra.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot read the instruments {path}: {error}") from error
    except ValidationError as error:
        raise ConfigError(f"{path}: {fault_of(error)}") from error


@dataclass(frozen=True)
class Piece:
    """What one instrument plays."""

    program: int
    notes: list[Note]
    drums: bool


def write_midi(pieces: Sequence[Piece], path: Path) -> None:
    """Write pieces one after the other, each in ``SLOT_S``, as a MIDI file.

    Raises:
        ConfigError: the library for it is missing.
    """
    try:
        import mido
    except ImportError as error:
        raise ConfigError("playing instruments needs mido: pip install 'rtsep[midi]'") from error
    events = []
    for number, piece in enumerate(pieces):
        channel, begin = DRUM_CHANNEL if piece.drums else 0, number * SLOT_S
        change = mido.Message("program_change", channel=channel, program=piece.program)
        events.append((round(TICKS * begin), 0, change))
        for note in piece.notes:
            for kind, time in (("note_off", note.start_s + note.length_s), ("note_on", note.start_s)):
                message = mido.Message(kind, channel=channel, note=note.key, velocity=note.velocity)
                events.append((round(TICKS * (begin + time)), 1 + (kind == "note_on"), message))
    # At one time: a new instrument, then keys are let go, then struck.
    events.sort(key=lambda event: event[:2])
    track, now = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=1_000_000)]), 0
    for time, _, message in events:
        track.append(message.copy(time=time - now))
        now = time
    file = mido.MidiFile(ticks_per_beat=TICKS)
    file.tracks.append(track)
    file.save(str(path))


def play(midi: Path, soundfont: Path, out: Path, sample_rate: int) -> None:
    """Play a MIDI file on a SoundFont into a sound file.

    Raises:
        ConfigError: there is no FluidSynth, or it fails.
    """
    if shutil.which("fluidsynth") is None:
        raise ConfigError("playing instruments needs FluidSynth: apt-get install fluidsynth")
    command = ["fluidsynth", "-n", "-i", "-q", "-r", str(sample_rate), "-g", "0.5", "-F", str(out)]
    done = subprocess.run([*command, str(soundfont), str(midi)], capture_output=True, text=True, check=False)
    if done.returncode or not out.exists():
        raise ConfigError(f"FluidSynth could not play {soundfont}: {done.stderr.strip()[-200:]}")
