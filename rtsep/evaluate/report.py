"""The whole evaluation of a separator, and its figures as JSON."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import torch
from torch import Tensor

from rtsep.evaluate.mixtures import ABSENT, Mixture, load, read_manifest
from rtsep.evaluate.scores import References, ReferenceWaves, TargetScore, is_audible, level_db, score_targets
from rtsep.evaluate.separation import oracle_latent_mask, oracle_stft_mask, reconstruct, separate
from rtsep.models.separator import Separator
from rtsep.models.text import embed

SETS = ("pair", "range", "trio", "speech")
"""The sets of the protocol in which every source is a target; a report has them all, however small."""

Progress = Callable[[int, int], None]
"""Called with the number of mixtures done and their total."""

Figures = dict[str, Any]

Measure = Callable[[TargetScore], float | None]


@dataclass(frozen=True)
class Report:
    """What an evaluation found."""

    mixtures: int
    targets: tuple[TargetScore, ...]
    absent_db: tuple[float, ...]
    """Level of each output for an absent prompt against its mixture."""

    def to_json(self) -> Figures:
        """All figures, ready for JSON: a figure that nothing was measured for is None, never NaN."""
        figures: Figures = {"mixtures": self.mixtures, "targets": len(self.targets)}
        figures |= _breakdown(self.targets, lambda score: score.si_sdri_db)
        figures["labels"] = {
            label: _improvement(score.si_sdri_db for score in scores)
            for label, scores in _by(self.targets, lambda score: score.label).items()
        }
        deltas = [score.prompt_delta_db for score in self.targets]
        figures |= _mean_and_median("prompt_delta_db", deltas)
        figures |= _mean_and_median("absent_db", self.absent_db) | {"absent_n": len(self.absent_db)}
        figures |= _ceiling(self.targets)
        for category, scores in _by(self.targets, lambda score: score.category).items():
            figures["categories"][category] |= _ceiling(scores)
        latent = _reference(lambda references: references.oracle_latent_mask_db)
        stft = _reference(lambda references: references.oracle_stft_mask_db)
        figures["oracle_latent_mask"] = _breakdown(self.targets, latent)
        figures["oracle_stft_mask"] = _breakdown(self.targets, stft)
        return figures


def evaluate_file(
    separator: Separator,
    text_encoder: str,
    manifest: Path,
    root: Path | None = None,
    *,
    limit: int | None = None,
    references: bool = True,
    progress: Progress | None = None,
) -> Report:
    """Evaluate a separator on a manifest: the one entry for the CLI and for validation while training.

    Args:
        separator: the model, on any device.
        text_encoder: name of the text encoder that it was trained with.
        manifest: JSON lines, see ``rtsep.evaluate.mixtures``.
        root: folder that the clips' paths are relative to; by default the one above the manifest's.
        limit: about so many mixtures, taken evenly over the manifest; all by default.
        references: also measure oracle masks and the codec's ceiling, for about as much time again.
        progress: told how far it has come.

    Raises:
        ConfigError: the manifest or a clip is missing or damaged.
        BundleError: there is no such text encoder.
    """
    root = manifest.absolute().parent.parent if root is None else root
    mixtures = read_manifest(manifest, root)
    if limit is not None and limit < len(mixtures):
        mixtures = [mixtures[number * len(mixtures) // limit] for number in range(limit)]
    return evaluate(separator, text_encoder, mixtures, root, references=references, progress=progress)


@torch.inference_mode()
def evaluate(
    separator: Separator,
    text_encoder: str,
    mixtures: Sequence[Mixture],
    root: Path,
    *,
    batch_size: int = 8,
    references: bool = True,
    progress: Progress | None = None,
) -> Report:
    """Evaluate a separator on mixtures whose clips lie under ``root``; see ``evaluate_file``."""
    device = next(separator.parameters()).device
    phrases = sorted({prompt for mixture in mixtures for prompt in mixture.prompts})
    parameters = separator.film_head(embed(text_encoder, phrases).to(device))
    film = dict(zip(phrases, parameters, strict=True))
    targets: list[TargetScore] = []
    absent_db: list[float] = []
    done = 0
    for batch in _batches(mixtures, batch_size):
        sources = torch.stack([load(mixture, root, separator.sample_rate) for mixture in batch])
        sources = sources.to(device)
        batch_film = torch.stack([torch.stack([film[p] for p in mixture.prompts]) for mixture in batch])
        outputs = separate(separator, sources.sum(dim=1), batch_film[:, :, None]).cpu()
        bounds = _reference_waves(separator, sources) if references else [None] * len(batch)
        for mixture, own, output, bound in zip(batch, sources.cpu(), outputs, bounds, strict=True):
            if mixture.set != ABSENT:
                targets += score_targets(mixture, own, output, bound)
            mixed = own.sum(dim=0)
            if mixture.absent_prompt is not None and is_audible(mixed):
                absent_db.append(level_db(output[-1], mixed))
        done += len(batch)
        if progress is not None:
            progress(done, len(mixtures))
    return Report(len(mixtures), tuple(targets), tuple(absent_db))


def _batches(mixtures: Sequence[Mixture], size: int) -> Iterator[list[Mixture]]:
    """Mixtures of one shape together."""
    shapes: dict[tuple[float, int, int], list[Mixture]] = defaultdict(list)
    for mixture in mixtures:
        shapes[mixture.duration_s, len(mixture.sources), len(mixture.prompts)].append(mixture)
    for alike in shapes.values():
        for start in range(0, len(alike), size):
            yield alike[start : start + size]


def _reference_waves(separator: Separator, sources: Tensor) -> list[ReferenceWaves]:
    """Oracles and reconstructions of sources (B, S, T), one for each mixture."""
    waves = (
        oracle_latent_mask(separator, sources),
        oracle_stft_mask(sources, separator.hop),
        reconstruct(separator.codec, sources, codes=False),
        reconstruct(separator.codec, sources, codes=True),
    )
    return [ReferenceWaves(*rows) for rows in zip(*(wave.cpu() for wave in waves), strict=True)]


def _breakdown(scores: Sequence[TargetScore], measure: Measure) -> Figures:
    """An improvement by set, by category, and by whether the label was trained on."""
    sets: dict[str, list[TargetScore]] = {name: [] for name in SETS} | _by(scores, lambda score: score.set)
    figures: Figures = {"sets": {name: _improvement(map(measure, some)) for name, some in sets.items()}}
    spoken = _improvement(measure(score) for score in sets["speech"] if score.category == "speech")
    figures["sets"]["speech"] |= {f"speech_targets_{key}": value for key, value in spoken.items()}
    figures["known"] = _improvement(measure(score) for score in scores if score.known)
    figures["unseen"] = _improvement(measure(score) for score in scores if not score.known)
    categories = _by(scores, lambda score: score.category)
    figures["categories"] = {name: _improvement(map(measure, some)) for name, some in categories.items()}
    return figures


def _ceiling(scores: Sequence[TargetScore]) -> Figures:
    """The codec's own SI-SDR, continuous and through codes."""
    continuous = map(_reference(lambda references: references.codec_db), scores)
    codes = map(_reference(lambda references: references.codec_codes_db), scores)
    return _mean_and_median("codec_ceiling_si_sdr_db", continuous) | _mean_and_median(
        "codec_ceiling_codes_si_sdr_db", codes
    )


def _reference(read: Callable[[References], float]) -> Measure:
    """Reads one figure of a score's references, where it has them."""
    return lambda score: None if score.references is None else read(score.references)


def _by(scores: Iterable[TargetScore], key: Callable[[TargetScore], str]) -> dict[str, list[TargetScore]]:
    """Scores grouped by a key, in alphabetical order."""
    groups: dict[str, list[TargetScore]] = defaultdict(list)
    for score in sorted(scores, key=key):
        groups[key(score)].append(score)
    return dict(groups)


def _improvement(values: Iterable[float | None]) -> Figures:
    """SI-SDR improvements as mean, median and their number."""
    known = [value for value in values if value is not None]
    return _mean_and_median("si_sdri_db", known) | {"n": len(known)}


def _mean_and_median(name: str, values: Iterable[float | None]) -> Figures:
    """``name`` and ``median_name``, None where there is no value or one is not finite."""
    known = [value for value in values if value is not None]
    usable = bool(known) and all(map(math.isfinite, known))
    return {
        name: round(fmean(known), 3) if usable else None,
        f"median_{name}": round(median(known), 3) if usable else None,
    }
