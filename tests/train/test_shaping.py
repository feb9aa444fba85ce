"""Sources made to sound different: faster, backwards, swelling, and nothing that was not meant."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from train_builders import CPU, MIXING

from rtsep.train.pool import Clip, Pool
from rtsep.train.shaping import STRANGE_OCTAVES, Shaper
from rtsep.train.waves import amplify, cut, interpolation, swell

RATE = 24_000


def crop(
    samples: Tensor,
    length: int,
    offset: int,
    speed: float,
    start: int = 0,
    clip: int = 0,
    backwards: bool = False,
) -> Tensor:
    """One crop of a clip of so many samples, of all by default."""
    last = (clip or len(samples)) - 1
    column = [torch.tensor([[value]]) for value in (start, last, offset, speed, backwards)]
    return cut(samples, interpolation(), length, *column)[0]


@pytest.mark.parametrize(("frequency", "clean_db"), [(1000, 60), (4000, 50), (8000, 28)])
@pytest.mark.parametrize("speed", [0.85, 1.0, 1.07])
def test_a_tone_played_faster_is_a_higher_tone_and_little_else(
    frequency: int, clean_db: float, speed: float
) -> None:
    turn = 2 * torch.pi * frequency / RATE
    tone = (20_000 * torch.sin(turn * torch.arange(RATE, dtype=torch.float64))).round().to(torch.int16)
    found = crop(tone, 16_000, 500, speed).double()
    at = turn * (500 + speed * torch.arange(16_000, dtype=torch.float64))
    exact = torch.stack([at.sin(), at.cos()], dim=1)
    rest = found - exact @ torch.linalg.lstsq(exact, found[:, None]).solution[:, 0]
    assert float(10 * (found.square().mean() / rest.square().mean()).log10()) > clean_db


def test_at_its_own_speed_a_crop_is_what_the_clip_holds_and_silence_around_it() -> None:
    generator = torch.Generator().manual_seed(0)
    pool = torch.randint(-9000, 9000, (300,), generator=generator).to(torch.int16)
    found = crop(pool, 200, -50, 1.0, start=100, clip=80)
    assert torch.allclose(found[50:130], pool[100:180].float() / 32768, atol=1e-6)
    assert found[:50].abs().max() < 1e-6 and found[130:].abs().max() < 1e-6


def test_a_crop_hears_nothing_of_the_clips_beside_its_own() -> None:
    pool = torch.full((300,), 9000, dtype=torch.int16)
    alone = torch.zeros(300, dtype=torch.int16)
    alone[100:180] = 9000
    for speed in (0.8, 1.0, 1.25):
        within, without = (crop(samples, 200, -50, speed, start=100, clip=80) for samples in (pool, alone))
        assert torch.equal(within, without)
        assert within.max() > 0.2


@pytest.mark.parametrize("speed", [0.5, 1.0, 1.7])
def test_a_crop_backwards_is_the_crop_from_its_end(speed: float) -> None:
    pool = torch.randint(-9000, 9000, (2000,), generator=torch.Generator().manual_seed(0)).to(torch.int16)
    there, back = (crop(pool, 900, 100, speed, backwards=backwards) for backwards in (False, True))
    assert torch.equal(there.flip(0), back)


def test_a_source_swells_by_as_much_as_each_point_says_and_evenly_between_them() -> None:
    found = swell(torch.ones(2, 251), torch.tensor([[0.0, -20.0, 6.0, 0.0], [3.0, 3.0, 3.0, 3.0]]), 100.0)
    in_db = 20 * found.log10()
    for at, gain in ((0, 0.0), (50, -10.0), (100, -20.0), (200, 6.0), (250, 3.0)):
        assert float(in_db[0, at]) == pytest.approx(gain, abs=1e-3)
    assert torch.allclose(in_db[1], torch.tensor(3.0), atol=1e-3)


def test_a_sound_that_nobody_knows_is_far_slower_or_faster_than_it_was() -> None:
    tone = 0.5 * np.sin(2 * np.pi * 2000 / RATE * np.arange(4 * RATE))
    pool = Pool((32768 * tone).astype(np.int16), [Clip("tone", "", "event", 0, len(tone))], RATE)
    config = MIXING.model_copy(update={"seconds": 0.5, "speed": 0.15, "band_limit": 0, "reverberation": 0})
    strange = torch.arange(200)[:, None] < 100
    everywhere = torch.ones(200, 1, dtype=torch.bool)
    waves = Shaper(pool, config, CPU)(
        torch.zeros(200, 1, dtype=torch.long),
        everywhere,
        torch.Generator().manual_seed(0),
        strange=strange,
    )
    octaves = (torch.fft.rfft(waves[:, 0]).abs().argmax(dim=-1) / 0.5 / 2000).log2()
    low, high = STRANGE_OCTAVES
    assert octaves[100:].abs().max() < 0.25
    assert octaves[:100].abs().min() > low - 0.01
    assert octaves[:100].abs().max() < high + 0.01
    assert 20 < int((octaves[:100] > 0).sum()) < 80


def test_a_sound_is_limited_to_its_band_and_equalised_within_it() -> None:
    frequency = torch.tensor([0.0, 100.0, 300.0, 1000.0, 4000.0, 6000.0, 12_000.0])
    knot, beyond = torch.zeros(7, dtype=torch.long), torch.linspace(0, 1, 7)
    knots = torch.tensor([[0.0, 12.0], [0.0, 0.0], [0.0, 0.0]])
    lowest, cutoff = torch.tensor([[0.0], [300.0], [0.0]]), torch.tensor([[1e6], [1e6], [6000.0]])
    in_db = 20 * amplify(frequency, knot, beyond, knots, lowest, cutoff).log10()
    assert torch.allclose(in_db[0], 12 * beyond, atol=1e-3)
    assert float(in_db[1, 2]) == pytest.approx(-6, abs=0.1)
    assert in_db[1, :2].max() < -70 and in_db[1, 3:].abs().max() < 0.01
    assert float(in_db[2, 5]) == pytest.approx(-6, abs=0.1)
    assert in_db[2, 6] < -90 and in_db[2, :4].abs().max() < 0.01
