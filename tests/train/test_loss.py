"""The losses: shape, level, silence, reconstruction."""

from __future__ import annotations

import math

import pytest
import torch
from builders import transparent_separator
from torch import Tensor
from train_builders import MIXING, mixer

from rtsep.train.loss import reconstruction_loss, separation_loss, spectral_loss
from rtsep.train.objective import Objective
from rtsep.train.pool import Pool
from rtsep.train.recipe import LossConfig


def test_the_loss_minds_shape_and_level_and_asks_for_silence_where_nothing_is() -> None:
    generator = torch.Generator().manual_seed(0)
    target, other = torch.randn(2, 1, 4000, generator=generator)
    mixture, zero = target + other, torch.zeros(1, 4000)

    def loss(estimate: Tensor, wanted: Tensor = target, silence: float = 0.3) -> float:
        return separation_loss(estimate, wanted, mixture, silence).item()

    # The level term knows 30 dB, against a mixture of twice the target's energy; so does the shape term.
    assert loss(target) == pytest.approx(-30, abs=0.1)
    assert loss(zero) == pytest.approx((-3 + 30) / 2, abs=0.1)
    assert loss(target) < loss(0.5 * target) < loss(mixture) < loss(zero)
    assert loss(zero, zero) == pytest.approx(-20 * 0.3, abs=0.01)
    assert loss(zero, zero, silence=1.0) == pytest.approx(-20, abs=0.03)
    assert loss(target, silence=1.0) == loss(target)  # what is present is no matter of silence
    assert loss(mixture, zero) == pytest.approx(0, abs=0.1)
    assert loss(0.3 * mixture, zero) < loss(mixture, zero)


@pytest.mark.parametrize("level", [0.0, 1e-8, 1.0, 100.0])
def test_the_losses_and_their_gradients_are_finite_even_in_silence(level: float) -> None:
    target = level * torch.randn(3, 1, 3000, generator=torch.Generator().manual_seed(0))
    for estimate in (torch.zeros(3, 1, 3000), target.clone(), -target):
        estimate.requires_grad_(True)
        for wanted in (target, torch.zeros_like(target)):
            total = separation_loss(estimate, wanted, target, 0.3) + reconstruction_loss(estimate, wanted)
            total = total + spectral_loss(estimate, wanted)
            (gradient,) = torch.autograd.grad(total, estimate)
            assert total.isfinite()
            assert gradient.isfinite().all()


def test_reconstruction_is_counted_down_to_forty_decibels() -> None:
    wave = torch.randn(2, 1, 1000, generator=torch.Generator().manual_seed(0))
    assert reconstruction_loss(wave, wave).item() == pytest.approx(-40, abs=0.01)
    assert reconstruction_loss(0.9 * wave, wave).item() == pytest.approx(-20, abs=0.1)
    assert reconstruction_loss(torch.zeros_like(wave), wave).item() == pytest.approx(0, abs=0.01)


def test_the_whole_crop_is_scored_with_the_delay_taken_out(pool: Pool) -> None:
    batch = mixer(pool, MIXING.model_copy(update={"seconds": 0.1203, "sources": (1.0,), "prompts": 1})).draw()
    found = Objective(transparent_separator(), LossConfig(reconstruction=1))(*batch)
    assert found["reconstruction"].item() == pytest.approx(-40, abs=0.01)
    assert found["separation"].item() == pytest.approx(-30, abs=0.01)


def test_the_spectral_loss_minds_level_and_quiet_bands_but_not_phase() -> None:
    generator = torch.Generator().manual_seed(0)
    wave = torch.randn(2, 1, 8000, generator=generator)
    assert spectral_loss(wave, wave).item() == 0
    assert spectral_loss(-wave, wave).item() == 0
    # Half the amplitude: convergence 0.5, and everywhere a logarithm of 2.
    assert spectral_loss(0.5 * wave, wave).item() == pytest.approx(0.5 + math.log(2), abs=0.01)
    tone = torch.sin(torch.arange(8000) * 0.3).expand(1, 1, -1)
    hissing = tone + 0.01 * torch.randn(1, 1, 8000, generator=generator)
    assert reconstruction_loss(tone, hissing).item() < -30
    assert spectral_loss(tone, hissing).item() > 1


def test_half_of_the_items_may_go_through_codes(pool: Pool) -> None:
    batch = mixer(pool, MIXING.model_copy(update={"batch": 40})).draw()
    separator = transparent_separator()

    def reconstruction(**weights: float) -> float:
        torch.manual_seed(0)
        config = LossConfig(separation=0, reconstruction=1, codes=1, **weights)
        return Objective(separator, config)(*batch)["reconstruction"].item()

    continuous, half, coded = (reconstruction(through_codes=share) for share in (0.0, 0.5, 1.0))
    assert continuous == pytest.approx(-40, abs=0.01)
    assert -12 < coded < -2  # the codebooks have not learned anything
    assert half == pytest.approx((continuous + coded) / 2, abs=6)


def test_only_losses_with_a_weight_are_computed(pool: Pool) -> None:
    batch = mixer(pool).draw()
    for names in (
        ("separation",),
        ("spectrum",),
        ("codes",),
        ("codes", "reconstruction", "separation", "spectrum"),
    ):
        weights = {"separation": 0.0} | dict.fromkeys(names, 0.5)
        found = Objective(transparent_separator(), LossConfig(**weights))(*batch)
        assert sorted(found) == sorted(names)
        assert all(loss.ndim == 0 and loss.dtype == torch.float32 for loss in found.values())
