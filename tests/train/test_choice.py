"""Random choices: as often as their weights say, never what has none."""

from __future__ import annotations

import pytest
import torch

from rtsep.train.choice import choose

DRAWS = 20_000


@pytest.mark.parametrize("weights", [[1.0, 2.0, 0.0, 5.0], [0.0, 0.0, 3.0, 0.0], [0.0, 1e-6, 1e6, 0.0]])
def test_choices_come_as_often_as_their_weights_say_and_never_what_has_none(weights: list[float]) -> None:
    drawn = choose(torch.tensor(weights).expand(DRAWS, -1), torch.Generator().manual_seed(0))
    shares = drawn.bincount(minlength=4) / DRAWS
    expected = torch.tensor(weights) / sum(weights)
    assert torch.allclose(shares, expected, atol=0.015)
    assert not shares[torch.tensor(weights) == 0].any()


def test_each_row_goes_by_its_own_weights() -> None:
    weights = torch.eye(50).repeat(20, 1)
    drawn = choose(weights, torch.Generator().manual_seed(0))
    assert torch.equal(drawn, torch.arange(50).repeat(20))
