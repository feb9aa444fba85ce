"""A separator on a benchmark: every clip's scores, raw first, and what they come to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import soundfile
import soxr
import torch
from torch import Tensor

from rtsep.errors import ConfigError
from rtsep.evaluate.benchmarks import Item, read_benchmark
from rtsep.evaluate.figures import Figures, mean_and_median
from rtsep.evaluate.report import Embed, Progress
from rtsep.evaluate.scores import is_audible, sdr_db, si_sdr_db
from rtsep.evaluate.separation import channel_share, ratio_masked, separate
from rtsep.evaluate.visqol import has_visqol, visqol_mos
from rtsep.models.separator import Separator


@dataclass(frozen=True)
class ClipScore:
    """One target of one clip; a field is None where it was not measured."""

    clip: str
    prompt: str
    si_sdr_db: float
    """Of the raw output for the target's prompt alone."""
    si_sdri_db: float
    """That less the unprocessed mixture's."""
    sdri_db: float
    """Likewise by plain SDR, which minds the level."""
    masked_si_sdr_db: float | None = None
    """Of the mixture under the ratio mask of the outputs for all sources' prompts, as CodecSep reports it."""
    masked_si_sdri_db: float | None = None
    masked_sdri_db: float | None = None
    visqol: float | None = None
    """Of the raw output, 1 to 5."""
    masked_visqol: float | None = None
    channel_share: float | None = None
    """How much of the mask's variance is between channels, the rest being over time: 0 to 1."""


@dataclass(frozen=True)
class BenchmarkReport:
    """What a benchmark found."""

    benchmark: str
    clips: tuple[ClipScore, ...]
    missing: tuple[str, ...]
    """Files that are not there; their clips are left out."""
    silent: int
    """Clips left out because target or rest is silent."""

    def to_json(self) -> Figures:
        """Means and medians of everything that was measured; what was not is None."""
        figures: Figures = {"benchmark": self.benchmark, "clips": len(self.clips)}
        figures |= {"missing": len(self.missing), "silent": self.silent}
        for name in SCORES:
            values = [value for clip in self.clips if (value := getattr(clip, name)) is not None]
            figures |= mean_and_median(name, values) | {f"{name}_n": len(values)}
        figures["missing_files"] = list(self.missing)
        return figures


SCORES = tuple(field.name for field in fields(ClipScore))[2:]
"""Fields of ``ClipScore`` that are figures."""


def run_benchmark(
    separator: Separator,
    embed: Embed,
    benchmark: str,
    root: Path,
    *,
    limit: int | None = None,
    mask: bool = False,
    progress: Progress | None = None,
) -> BenchmarkReport:
    """Score a separator on a benchmark.

    Args:
        separator: the model, on any device.
        embed: the text encoder that it was trained with.
        benchmark: a name of ``BENCHMARKS``.
        root: its folder.
        limit: about so many clips, taken evenly; all by default.
        mask: also measure how much of each mask is channel-wise.
        progress: told how far it has come.

    Raises:
        ConfigError: the layout is wrong, every file is missing, or one cannot be read.
    """
    items = read_benchmark(benchmark, root)
    if not items:
        raise ConfigError(f"{benchmark} below {root} lists no clips: its list has a head and no rows")
    if limit is not None and limit < len(items):
        items = [items[number * len(items) // limit] for number in range(limit)]
    missing = tuple(str(path) for item in items for path in item.files if not path.is_file())
    gone = set(missing)
    there = [item for item in items if not gone & {str(path) for path in item.files}]
    if not there:
        raise ConfigError(
            f"none of the {len(items)} clips of {benchmark} is there: {missing[0]} is missing, among others"
        )
    film = _films(separator, embed, there)
    clips: list[ClipScore] = []
    for done, item in enumerate(there, start=1):
        score = _score(separator, film, item, mask=mask)
        clips += [] if score is None else [score]
        if progress is not None:
            progress(done, len(there))
    unique = tuple(dict.fromkeys(missing))
    return BenchmarkReport(benchmark, tuple(clips), unique, len(there) - len(clips))


@torch.inference_mode()
def _films(separator: Separator, embed: Embed, items: Iterable[Item]) -> dict[str, Tensor]:
    """FiLM parameters of every phrase that is asked for."""
    phrases = sorted({phrase for item in items for phrase in (item.prompt, *(item.others or ()))})
    device = next(separator.parameters()).device
    return dict(zip(phrases, separator.film_head(embed(phrases).to(device)), strict=True))


@torch.inference_mode()
def _score(separator: Separator, films: dict[str, Tensor], item: Item, *, mask: bool) -> ClipScore | None:
    """The scores of one clip; None where there is nothing to separate."""
    mixture, target = load_item(item, separator.sample_rate)
    if not (is_audible(target) and is_audible(mixture - target)):
        return None
    device = next(separator.parameters()).device
    film = torch.stack([films[phrase] for phrase in (item.prompt, *(item.others or ()))])[None, :, None]
    outputs = separate(separator, mixture[None].to(device), film)[0].cpu()
    waves = {"": outputs[0]}
    if item.others:
        waves["masked_"] = ratio_masked(mixture, outputs, separator.hop)[0]
    found: dict[str, float | None] = {}
    for kind, wave in waves.items():
        found |= _scores_of(kind, wave, target, mixture)
        if has_visqol():
            found[f"{kind}visqol"] = visqol_mos(wave, target, separator.sample_rate)
    if mask:
        found["channel_share"] = channel_share(separator, mixture[None].to(device), film[:, :1])
    return ClipScore(item.name, item.prompt, **found)  # type: ignore[arg-type]  # names made above


def _scores_of(kind: str, wave: Tensor, target: Tensor, mixture: Tensor) -> dict[str, float | None]:
    """Scores of a wave (T,), their names after ``kind``."""
    si_sdr, before = (float(si_sdr_db(x, target)) for x in (wave, mixture))
    sdr, sdr_before = (float(sdr_db(x, target)) for x in (wave, mixture))
    return {
        f"{kind}si_sdr_db": si_sdr,
        f"{kind}si_sdri_db": si_sdr - before,
        f"{kind}sdri_db": sdr - sdr_before,
    }


def load_item(item: Item, sample_rate: int) -> tuple[Tensor, Tensor]:
    """Mixture and target, (T,) each, mono; both cut to the shorter one.

    Raises:
        ConfigError: a file cannot be read.
    """
    target = _mono(item.target, sample_rate)
    other = _mono(item.files[1], sample_rate)
    length = min(len(target), len(other))
    target, other = target[:length], other[:length]
    if item.mixture is not None:
        return other, target
    power = other.square().sum()
    level = (target.square().sum() / power).sqrt() if power > 0 else torch.tensor(0.0)
    return target + level * other, target


def _mono(path: Path, sample_rate: int) -> Tensor:
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        raise ConfigError(f"cannot read the clip {path}: {error}") from error
    mono = samples.mean(axis=1)
    return torch.from_numpy(mono if rate == sample_rate else soxr.resample(mono, rate, sample_rate))
