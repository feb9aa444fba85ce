"""Sources made to sound different: a sound that is played faster is the same sound, faster."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rtsep.train.shaping import cut, interpolation

RATE = 24_000


def crop(samples: Tensor, length: int, offset: int, speed: float, start: int = 0, clip: int = 0) -> Tensor:
    """One crop of a clip of so many samples, of all by default."""
    last = (clip or len(samples)) - 1
    column = [torch.tensor([[value]]) for value in (start, last, offset)]
    return cut(samples, interpolation(), length, *column, torch.tensor([[speed]]))[0]


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
