"""What is measured of one output: its delay, its distance from the target, and what an oracle reaches."""

import numpy as np
import pytest
import torch
from eval_builders import tone_and_noise, with_constant_mask

from rtsep.evaluate.scores import FLOOR_DB, gain_db, si_sdr_db
from rtsep.evaluate.separation import oracle_latent_mask, oracle_stft_mask, reconstruct, separate


@pytest.mark.parametrize("length", [4800, 4801, 5039])
def test_delay_is_compensated_to_the_sample(separator, length):
    with_constant_mask(separator, 20.0)
    mixtures = torch.randn(2, length)
    film = separator.film_head(torch.randn(2, 3, 384))[:, :, None]
    outputs = separate(separator, mixtures, film)
    assert outputs.shape == (2, 3, length)
    assert torch.allclose(outputs, mixtures[:, None].expand_as(outputs), atol=1e-4)


def test_untrained_codec_reconstructs_each_source(separator):
    waves = torch.randn(2, 2, 5000)
    assert (si_sdr_db(reconstruct(separator.codec, waves, codes=False), waves) > 40).all()
    assert reconstruct(separator.codec, waves, codes=True).shape == waves.shape


def test_oracle_masks_improve_on_the_mixture(separator):
    sources = torch.from_numpy(np.stack(tone_and_noise())).float()[None]
    unprocessed = si_sdr_db(sources.sum(dim=1, keepdim=True).expand_as(sources), sources)
    assert (si_sdr_db(oracle_latent_mask(separator, sources), sources) > unprocessed + 10).all()
    assert (si_sdr_db(oracle_stft_mask(sources, separator.hop), sources) > unprocessed + 10).all()


def test_the_oracle_masks_any_length(separator):
    sources = torch.randn(1, 2, 30)
    assert oracle_stft_mask(sources, separator.hop).shape == sources.shape


def test_si_sdr_of_a_quiet_estimate_is_that_of_a_loud_one_and_silence_earns_nothing():
    target = torch.randn(1000)
    estimate = target + 0.1 * torch.randn(1000)
    assert si_sdr_db(1e-6 * estimate, target) == pytest.approx(float(si_sdr_db(estimate, target)), abs=1e-3)
    assert si_sdr_db(torch.zeros(1000), target) == FLOOR_DB


def test_the_gain_of_a_target_is_its_own_whatever_else_is_in_the_output():
    target, other = torch.sin(torch.arange(1000) * 0.3), torch.sin(torch.arange(1000) * 0.7)
    assert gain_db(target + other, target) == pytest.approx(0, abs=0.1)
    assert gain_db(0.1 * target + other, target) == pytest.approx(-20, abs=0.5)
    assert gain_db(-target, target) == gain_db(torch.zeros(1000), target) == FLOOR_DB
