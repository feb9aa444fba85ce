"""Fixed mixtures of labelled clips: a manifest of JSON lines, and the audio it describes.

A source is read from ``start`` seconds of its file for at most the mixture's length, multiplied by
10^(gain_db / 20) and placed ``at`` seconds into silence; the mixture is the sum of its sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import soundfile
import soxr
import torch
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from torch import Tensor

from rtsep.errors import CommandError, ConfigError
from rtsep.models.kinds import fault_of
from rtsep.models.text import clean_prompt

Prompt = Annotated[str, AfterValidator(clean_prompt)]
Decibels = Annotated[float, Field(ge=-200, le=200)]
Seconds = Annotated[float, Field(ge=0.001, le=600)]
Place = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""In a file or a mixture, seconds."""

ABSENT = "absent"
"""The set whose mixtures are asked only for something that does not sound."""


@dataclass(frozen=True)
class Source:
    """One sound of a mixture, as a line of the manifest describes it."""

    path: str
    """Relative to the evaluation's root folder."""
    gain_db: Decibels
    prompt: Prompt
    category: str
    known_label: bool
    """Whether the label occurs in the training data."""
    start_s: Place = Field(alias="start")
    at_s: Place = Field(alias="at")


@dataclass(frozen=True)
class Mixture:
    """One line of a manifest."""

    id: str
    set: str
    """Name of the protocol that made it: pair, range, trio, speech, absent."""
    duration_s: Seconds = Field(alias="seconds")
    sources: tuple[Source, ...] = Field(min_length=1)
    absent_prompt: Prompt | None = None
    """Names nothing that sounds in the mixture."""

    @property
    def prompts(self) -> tuple[str, ...]:
        """The sources' prompts in order, then the absent one where there is one."""
        absent = () if self.absent_prompt is None else (self.absent_prompt,)
        return (*(source.prompt for source in self.sources), *absent)


def read_manifest(manifest: Path, root: Path) -> list[Mixture]:
    """Read all mixtures of a manifest whose clips lie under ``root``; empty lines are passed over.

    Raises:
        ConfigError: the file cannot be read or holds no mixture, a line is not as described, or a clip is
            missing.
    """
    try:
        lines = manifest.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the manifest {manifest}: {error}") from error
    mixtures = list(_parse(lines, manifest, root))
    if not mixtures:
        raise ConfigError(f"{manifest} holds no mixture: one JSON object a line is expected")
    return mixtures


def _parse(lines: list[str], manifest: Path, root: Path) -> Iterator[Mixture]:
    adapter = TypeAdapter(Mixture)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{manifest}, line {number}"
        try:
            mixture = adapter.validate_json(line)
        except CommandError as error:
            raise ConfigError(f"{where}: {error}") from error
        except ValidationError as error:
            raise ConfigError(f"{where}: {fault_of(error, '')}") from error
        if mixture.set == ABSENT and mixture.absent_prompt is None:
            raise ConfigError(f"{where}: the set {ABSENT} needs an absent_prompt")
        for source in mixture.sources:
            if not (root / source.path).is_file():
                raise ConfigError(f"{where}: no clip {root / source.path} (give the right --root)")
        yield mixture


def load(mixture: Mixture, root: Path, sample_rate: int) -> Tensor:
    """The sources of a mixture as it has them, placed and at their level: (S, T), float32.

    Clips of another rate are resampled, those with several channels averaged.

    Raises:
        ConfigError: a clip cannot be read as audio.
    """
    sources = torch.zeros(len(mixture.sources), round(mixture.duration_s * sample_rate))
    for row, source in zip(sources, mixture.sources, strict=True):
        clip = _excerpt(root / source.path, source.start_s, mixture.duration_s, sample_rate)
        place = row[round(source.at_s * sample_rate) :]
        length = min(len(place), len(clip))
        place[:length] = clip[:length] * 10 ** (source.gain_db / 20)
    return sources


def _excerpt(path: Path, start_s: float, duration_s: float, sample_rate: int) -> Tensor:
    """At most ``duration_s`` seconds of a clip, mono, (T,)."""
    # Whole and then cut: a seek into Ogg starts the decoder afresh and need not give the same samples.
    try:
        audio, clip_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        raise ConfigError(f"cannot read the clip {path}: {error}") from error
    start = round(start_s * clip_rate)
    mono = audio[start : start + round(duration_s * clip_rate)].mean(axis=1)
    if clip_rate != sample_rate:
        mono = soxr.resample(mono, clip_rate, sample_rate)
    return torch.from_numpy(mono)
