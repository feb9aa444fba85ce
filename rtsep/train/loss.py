"""The separation loss: shape, level and silence.

Level alone (SNR) lets a model that is unsure fall silent, which costs it nothing and leaves the
listener nothing: with it, 700 steps ended 9 dB below the mixture on pairs (weights not averaged).
Shape alone (SI-SDR) leaves the gain free. Half of each, and a light push towards silence where the
prompt names nothing that sounds.
"""

from __future__ import annotations

import torch
from torch import Tensor

FLOOR = 1e-3
"""Errors 30 dB down count as none, so that easy examples do not take over."""

ABSENT_FLOOR = 1e-2
"""Silence is silent enough 20 dB below the mixture; more would teach the model to give up."""

RESOLUTIONS = (256, 1024, 2048)
"""Windows of the spectral loss, samples: 11, 43 and 85 ms at 24 kHz."""

AUDIBLE = 1e-5
"""A target more than 50 dB below the mixture counts as absent."""


def separation_loss(estimate: Tensor, target: Tensor, mixture: Tensor, silence: float) -> Tensor:
    """Mean loss in dB.

    For a present target the mean of two terms: the error's energy against the mixture's, and the
    inverse SI-SDR (Le Roux et al. 2019), both with a floor. For an absent one the output's energy
    against the mixture's, at ``silence``.

    Args:
        estimate: (..., T).
        target: (..., T), zero where the prompt names nothing in the mixture.
        mixture: (..., T), broadcast against the others.
        silence: weight of the push to silence where a target is absent.
    """
    whole = _energy(mixture) + 1e-6
    wanted, given = _energy(target), _energy(estimate)
    level = _db(_energy(estimate - target) / whole + FLOOR)
    along = (estimate * target).sum(dim=-1).square() / ((given + 1e-6 * whole) * (wanted + 1e-6 * whole))
    shape = _db((1 - along).clamp(min=0) + FLOOR) - _db(along + FLOOR)
    quiet = silence * _db(given / whole + ABSENT_FLOOR)
    return torch.where(wanted > AUDIBLE * whole, (level + shape) / 2, quiet).mean()


def si_sdr_loss(estimate: Tensor, target: Tensor) -> Tensor:
    """Negative SI-SDR (Le Roux et al. 2019) of (..., T), mean in dB, as the paper trains with it."""
    estimate = estimate - estimate.mean(dim=-1, keepdim=True)
    target = target - target.mean(dim=-1, keepdim=True)
    scale = (estimate * target).sum(dim=-1, keepdim=True) / (_energy(target) + 1e-8)[..., None]
    along = scale * target
    return -_db((_energy(along) + 1e-8) / (_energy(estimate - along) + 1e-8)).mean()


def reconstruction_loss(estimate: Tensor, target: Tensor) -> Tensor:
    """Error of a codec's output (..., T) against its input, in dB, with a floor 40 dB down."""
    return _db(_energy(estimate - target) / (_energy(target) + 1e-6) + 1e-4).mean()


def spectral_loss(estimate: Tensor, target: Tensor) -> Tensor:
    """Multi-resolution STFT loss of (..., T) (Yamamoto et al. 2020, section 2.2), mean over resolutions.

    Each adds its spectral convergence, |S - S^| / |S|, and the mean difference of the logarithms of
    the amplitudes, which counts quiet bands as much as loud ones.
    """
    estimate, target = estimate.flatten(0, -2).float(), target.flatten(0, -2).float()
    total = estimate.new_zeros(())
    for size in RESOLUTIONS:
        window = torch.hann_window(size, device=estimate.device)
        heard, wanted = (
            torch.view_as_real(torch.stft(wave, size, size // 4, window=window, return_complex=True))
            .square()
            .sum(dim=-1)
            .add(1e-7)
            .sqrt()
            for wave in (estimate, target)
        )
        convergence = (heard - wanted).norm(dim=(1, 2)) / wanted.norm(dim=(1, 2))
        total = total + convergence.mean() + (heard.log() - wanted.log()).abs().mean()
    return total / len(RESOLUTIONS)


def _energy(x: Tensor) -> Tensor:
    return x.square().sum(dim=-1)


def _db(ratio: Tensor) -> Tensor:
    return 10 * ratio.log10()
