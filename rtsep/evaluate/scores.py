"""Scores of one mixture's outputs, in dB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rtsep.errors import ConfigError
from rtsep.evaluate.mixtures import Mixture

FLOOR_DB = -80.0
"""Lowest value of any score: digital silence has none, and must neither reward nor ruin a mean."""

AUDIBLE_RMS = 1e-5
"""A source below -100 dBFS is silent."""


@dataclass(frozen=True)
class References:
    """What bounds a target's score."""

    oracle_latent_mask_db: float
    """SI-SDR improvement of the ideal mask in the separator's latents."""
    oracle_stft_mask_db: float
    """SI-SDR improvement of the ideal ratio mask on an STFT."""
    codec_db: float
    """SI-SDR of the codec's reconstruction of the target alone, continuous path."""
    codec_codes_db: float
    """The same through codes."""


@dataclass(frozen=True)
class TargetScore:
    """One source of one mixture as the target."""

    set: str
    category: str
    label: str
    known: bool
    si_sdri_db: float
    """SI-SDR of the output for the target's prompt, less that of the unprocessed mixture."""
    prompt_delta_db: float | None
    """Less that of the output for another prompt; None where the mixture has only one prompt."""
    gain_db: float
    """How loud the target is in the output, against the mixture's own: 0 is as it should be."""
    references: References | None
    paraphrase_si_sdri_db: float | None = None
    """Like ``si_sdri_db``, mean over the paraphrases of the target's prompt; None where there are none."""


@dataclass(frozen=True)
class ReferenceWaves:
    """What stands beside the separator's output, each (S, T)."""

    oracle_latent_mask: Tensor
    oracle_stft_mask: Tensor
    codec: Tensor
    codec_codes: Tensor


def si_sdr_db(estimates: Tensor, targets: Tensor) -> Tensor:
    """Scale-invariant, zero-mean signal-to-distortion ratio of (..., T), (...), at least ``FLOOR_DB``."""
    try:
        from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio
    except ImportError as error:
        raise ConfigError("scores need torchmetrics: pip install 'rtsep[train]'") from error
    # torchmetrics adds the precision's epsilon to energies: in float64 and at unit level that is nothing,
    # in float32 it draws a quiet estimate toward 0 dB. An estimate of zeros would get 0 dB still.
    estimates, targets = _unit_level(estimates), _unit_level(targets)
    ratio = scale_invariant_signal_distortion_ratio(estimates, targets, zero_mean=True)
    return ratio.masked_fill((estimates == 0).all(dim=-1), FLOOR_DB).clamp(min=FLOOR_DB)


def sdr_db(estimates: Tensor, targets: Tensor) -> Tensor:
    """Plain signal-to-distortion ratio of (..., T), (...), at least ``FLOOR_DB``; a wrong level counts.

    What AudioSep and others call SDR; BSS Eval's filters are not in it.
    """
    try:
        from torchmetrics.functional.audio import signal_noise_ratio
    except ImportError as error:
        raise ConfigError("scores need torchmetrics: pip install 'rtsep[train]'") from error
    # At unit level for the same reason as above; both by one factor, or the level would not count.
    peak = targets.double().abs().amax(dim=-1, keepdim=True)
    peak = peak.where(peak > 0, 1)
    ratio: Tensor = signal_noise_ratio(estimates.double() / peak, targets.double() / peak)
    return ratio.clamp(min=FLOOR_DB)


def level_db(output: Tensor, mixture: Tensor) -> float:
    """Energy of an output (T,) against its mixture's, at least ``FLOOR_DB``."""
    ratio = output.double().square().sum() / mixture.double().square().sum()
    return float((10 * ratio.log10()).clamp(min=FLOOR_DB))


def gain_db(output: Tensor, target: Tensor) -> float:
    """Gain of a target (T,) in an output, at least ``FLOOR_DB``.

    It is the scale that SI-SDR leaves free (Le Roux et al. 2019): a separator that falls silent where it is
    unsure loses nothing there, and all of it here.
    """
    output, target = output.double(), target.double()
    gain = (output * target).sum() / target.square().sum()
    return float((20 * gain.clamp(min=0).log10()).clamp(min=FLOOR_DB))


def is_audible(wave: Tensor) -> bool:
    """Whether (T,) is more than silence and a constant."""
    return float(wave.double().std()) > AUDIBLE_RMS


def score_targets(
    mixture: Mixture,
    sources: Tensor,
    outputs: Tensor,
    references: ReferenceWaves | None,
    paraphrased: Sequence[Tensor] = (),
) -> list[TargetScore]:
    """Scores of every source as the target in turn.

    Silent sources are left out, and those with nothing audible beside them, which nothing can improve.

    Args:
        mixture: what was mixed.
        sources: (S, T).
        outputs: (P, T), one for each of ``mixture.prompts``.
        references: oracle masks and reconstructions of the sources, where they are wanted.
        paraphrased: for each source, where they are wanted, the outputs for its prompt's paraphrases, (N, T).
    """
    mixed = sources.sum(dim=0)
    unprocessed = si_sdr_db(mixed.expand_as(sources), sources)
    shape = (len(outputs), *sources.shape)
    every = si_sdr_db(outputs[:, None].expand(shape), sources.expand(shape))
    bounds = None if references is None else _bounds(references, sources, unprocessed)
    scores = []
    for number, source in enumerate(mixture.sources):
        if not (is_audible(sources[number]) and is_audible(mixed - sources[number])):
            continue
        matched, other = every[number, number], _other_prompt(mixture, number)
        paraphrase = None
        if paraphrased and len(paraphrased[number]):
            said = si_sdr_db(paraphrased[number], sources[number].expand_as(paraphrased[number]))
            paraphrase = float((said - unprocessed[number]).mean())
        scores.append(
            TargetScore(
                set=mixture.set,
                category=source.category,
                label=source.prompt,
                known=source.known_label,
                si_sdri_db=float(matched - unprocessed[number]),
                gain_db=gain_db(outputs[number], sources[number]),
                prompt_delta_db=None if other is None else float(matched - every[other, number]),
                references=None if bounds is None else bounds[number],
                paraphrase_si_sdri_db=paraphrase,
            )
        )
    return scores


def _bounds(waves: ReferenceWaves, sources: Tensor, unprocessed: Tensor) -> list[References]:
    """The references' scores, one for each source."""
    columns = torch.stack(
        [
            si_sdr_db(waves.oracle_latent_mask, sources) - unprocessed,
            si_sdr_db(waves.oracle_stft_mask, sources) - unprocessed,
            si_sdr_db(waves.codec, sources),
            si_sdr_db(waves.codec_codes, sources),
        ],
        dim=1,
    )
    return [References(*row) for row in columns.tolist()]


def _other_prompt(mixture: Mixture, number: int) -> int | None:
    """The mismatched prompt of a source, by number: the next source's, else the absent one."""
    prompts, count = mixture.prompts, len(mixture.sources)
    order = [*range(number + 1, count), *range(number), *range(count, len(prompts))]
    return next((other for other in order if prompts[other] != prompts[number]), None)


def _unit_level(waves: Tensor) -> Tensor:
    """(..., T) in float64 at a peak of 1; zeros stay zeros."""
    waves = waves.double()
    peak = waves.abs().amax(dim=-1, keepdim=True)
    return waves / peak.where(peak > 0, 1)
