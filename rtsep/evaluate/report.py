"""The whole evaluation of a separator, and its figures as JSON."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor

from rtsep.evaluate.figures import (
    Figures,
    breakdown,
    ceiling,
    grouped,
    improvement,
    mean_and_median,
    paraphrase,
    reference,
)
from rtsep.evaluate.mixtures import ABSENT, Mixture, load, read_manifest
from rtsep.evaluate.paraphrases import Paraphrases
from rtsep.evaluate.scores import ReferenceWaves, TargetScore, is_audible, level_db, score_targets
from rtsep.evaluate.separation import oracle_latent_mask, oracle_stft_mask, reconstruct, separate
from rtsep.models.separator import Separator

Embed = Callable[[Sequence[str]], Tensor]
"""Phrases to embeddings (N, text) of unit length."""

Asked = tuple[Mixture, tuple[str, ...]]
"""A mixture and every phrase that it is asked for."""

Progress = Callable[[int, int], None]
"""Called with the number of mixtures done and their total."""


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
        figures |= breakdown(self.targets, lambda score: score.si_sdri_db)
        figures["labels"] = {
            label: improvement(score.si_sdri_db for score in scores) | {"known": scores[0].known}
            for label, scores in grouped(self.targets, lambda score: score.label).items()
        }
        deltas = [score.prompt_delta_db for score in self.targets]
        figures |= mean_and_median("prompt_delta_db", deltas)
        figures |= mean_and_median("target_gain_db", (score.gain_db for score in self.targets))
        figures |= mean_and_median("absent_db", self.absent_db) | {"absent_n": len(self.absent_db)}
        figures |= ceiling(self.targets)
        for category, scores in grouped(self.targets, lambda score: score.category).items():
            figures["categories"][category] |= ceiling(scores)
        figures["paraphrase"] = paraphrase(self.targets) | {
            "known": paraphrase(score for score in self.targets if score.known),
            "unseen": paraphrase(score for score in self.targets if not score.known),
        }
        latent = reference(lambda references: references.oracle_latent_mask_db)
        stft = reference(lambda references: references.oracle_stft_mask_db)
        figures["oracle_latent_mask"] = breakdown(self.targets, latent)
        figures["oracle_stft_mask"] = breakdown(self.targets, stft)
        return figures

    def headline(self) -> dict[str, float]:
        """The few figures that fit in a training log, those left out that were not measured."""
        figures = self.to_json()
        entries = figures["sets"] | {name: figures[name] for name in ("known", "unseen")}
        found = {f"{name}_si_sdri_db": entry["si_sdri_db"] for name, entry in entries.items()}
        found |= {name: figures[name] for name in ("prompt_delta_db", "absent_db", "codec_ceiling_si_sdr_db")}
        return {name: value for name, value in found.items() if value is not None}


def evaluate_file(
    separator: Separator,
    embed: Embed,
    manifest: Path,
    root: Path | None = None,
    *,
    limit: int | None = None,
    references: bool = True,
    codebooks: int | None = None,
    paraphrases: Paraphrases | None = None,
    progress: Progress | None = None,
) -> Report:
    """Evaluate a separator on a manifest: the one entry for the CLI and for validation while training.

    Args:
        separator: the model, on any device.
        embed: the text encoder that it was trained with.
        manifest: JSON lines, see ``rtsep.evaluate.mixtures``.
        root: folder that the clips' paths are relative to; by default the one above the manifest's.
        limit: about so many mixtures, taken evenly over the manifest; all by default.
        references: also measure oracle masks and the codec's ceiling; takes two and a half times as long.
        codebooks: of the ceiling through codes; all by default.
        paraphrases: also ask for each target in these words; three each take two to four times as long.
        progress: told how far it has come.

    Raises:
        ConfigError: the manifest or a clip is missing or damaged.
    """
    root = manifest.absolute().parent.parent if root is None else root
    mixtures = read_manifest(manifest, root)
    if limit is not None and limit < len(mixtures):
        mixtures = [mixtures[number * len(mixtures) // limit] for number in range(limit)]
    return evaluate(
        separator,
        embed,
        mixtures,
        root,
        references=references,
        codebooks=codebooks,
        paraphrases=paraphrases or {},
        progress=progress,
    )


@torch.inference_mode()
def evaluate(
    separator: Separator,
    embed: Embed,
    mixtures: Sequence[Mixture],
    root: Path,
    *,
    batch_size: int = 4,
    references: bool = True,
    codebooks: int | None = None,
    paraphrases: Paraphrases = MappingProxyType({}),
    progress: Progress | None = None,
) -> Report:
    """Evaluate a separator on mixtures whose clips lie under ``root``; see ``evaluate_file``."""
    device = next(separator.parameters()).device
    asked = [(mixture, _asked(mixture, paraphrases)) for mixture in mixtures]
    phrases = sorted({phrase for _, some in asked for phrase in some})
    parameters = separator.film_head(embed(phrases).to(device))
    film = dict(zip(phrases, parameters, strict=True))
    targets: list[TargetScore] = []
    absent_db: list[float] = []
    done = 0
    for batch in _batches(asked, batch_size):
        waves = [load(mixture, root, separator.sample_rate) for mixture, _ in batch]
        sources = torch.stack(waves).to(device)
        batch_film = torch.stack([torch.stack([film[phrase] for phrase in some]) for _, some in batch])
        outputs = separate(separator, sources.sum(dim=1), batch_film[:, :, None]).cpu()
        bounds = _reference_waves(separator, sources, codebooks) if references else [None] * len(batch)
        for (mixture, _), own, output, bound in zip(batch, sources.cpu(), outputs, bounds, strict=True):
            count = len(mixture.prompts)
            if mixture.set != ABSENT:
                said = [len(paraphrases.get(source.prompt, ())) for source in mixture.sources]
                paraphrased = output[count:].split(said)
                targets += score_targets(mixture, own, output[:count], bound, paraphrased)
            mixed = own.sum(dim=0)
            if mixture.absent_prompt is not None and is_audible(mixed):
                absent_db.append(level_db(output[count - 1], mixed))
        done += len(batch)
        if progress is not None:
            progress(done, len(mixtures))
    return Report(len(mixtures), tuple(targets), tuple(absent_db))


def _asked(mixture: Mixture, paraphrases: Paraphrases) -> tuple[str, ...]:
    """Every phrase that a mixture is asked for: its prompts, then the paraphrases of each target's."""
    if mixture.set == ABSENT:
        return mixture.prompts
    others = (paraphrases.get(source.prompt, ()) for source in mixture.sources)
    return (*mixture.prompts, *chain.from_iterable(others))


def _batches(asked: Sequence[Asked], size: int) -> Iterator[list[Asked]]:
    """Mixtures of one shape together."""
    shapes: dict[tuple[float, int, int], list[Asked]] = defaultdict(list)
    for mixture, phrases in asked:
        shapes[mixture.duration_s, len(mixture.sources), len(phrases)].append((mixture, phrases))
    for alike in shapes.values():
        for start in range(0, len(alike), size):
            yield alike[start : start + size]


def _reference_waves(separator: Separator, sources: Tensor, codebooks: int | None) -> list[ReferenceWaves]:
    """Oracles and reconstructions of sources (B, S, T), one for each mixture."""
    waves = (
        oracle_latent_mask(separator, sources),
        oracle_stft_mask(sources, separator.hop),
        reconstruct(separator.codec, sources, codes=False),
        reconstruct(separator.codec, sources, codes=True, codebooks=codebooks),
    )
    return [ReferenceWaves(*rows) for rows in zip(*(wave.cpu() for wave in waves), strict=True)]
