"""The masker: bounded, deaf to phase and sign, steered by its parameters, the same in any chunks."""

from __future__ import annotations

from typing import cast

import pytest
import torch
from builders import CODEC, MASKER, random_sizes, stirred, stream, tensors
from torch import Tensor

from rtsep.models.film_head import FilmHead
from rtsep.models.masker import Masker, MaskerConfig
from rtsep.nn.attention import PERIOD
from rtsep.nn.film import film

GROUPS = CODEC.latent // MASKER.group


def masker(seed: int = 0) -> Masker:
    torch.manual_seed(seed)
    made = cast(Masker, stirred(Masker(MASKER, CODEC.latent), seed))
    with torch.no_grad():
        made.leave.weight.mul_(4)
    return made.eval().requires_grad_(False)


def parameters(prompts: int, frames: int = 1, seed: int = 0) -> Tensor:
    """FiLM parameters of made-up prompts, (P, frames, parameters)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(prompts, frames, masker().film_size, generator=generator)


def features(batch: int, frames: int, seed: int = 1) -> Tensor:
    return torch.randn(batch, GROUPS, frames, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_a_mask_lies_between_zero_and_one(scale: float) -> None:
    model = masker()
    mask, _ = model(scale * features(2, 30), scale * parameters(2), model.initial_state(2))
    assert mask.shape == (2, CODEC.latent, 30)
    assert float(mask.min()) >= 0
    assert float(mask.max()) <= 1
    assert float(mask.max() - mask.min()) > 0.5


def test_channels_of_a_group_share_their_mask() -> None:
    model = masker()
    mask, _ = model(features(1, 10), parameters(1), model.initial_state(1))
    pairs = mask.unflatten(1, (-1, MASKER.group))
    assert torch.equal(pairs[:, :, 0], pairs[:, :, 1])
    assert not torch.allclose(pairs[:, 0], pairs[:, 1])


def test_no_mask_value_is_below_the_floor() -> None:
    config = MASKER.model_copy(update={"floor": 0.05})
    model = Masker(config, CODEC.latent).requires_grad_(False)
    with torch.no_grad():
        model.leave.weight.zero_()
        model.leave.bias.copy_(torch.linspace(-40, 40, len(model.leave.bias)))
    mask, _ = model(features(1, 3), parameters(1), model.initial_state(1))
    assert float(mask.min()) == pytest.approx(0.05)
    assert float(mask.max()) == pytest.approx(1)


@pytest.mark.parametrize("most", [1, 3, MASKER.window, 40])
@pytest.mark.parametrize("frames", [1, 90])
def test_chunks_give_the_whole(most: int, frames: int) -> None:
    model = masker()
    x, steer = features(2, 90), parameters(2, frames)
    whole, _ = model(x, steer, model.initial_state(2))
    sizes, at, state = random_sizes(90, most, most), 0, model.initial_state(2)
    parts = []
    for size in sizes:
        part = steer if frames == 1 else steer[:, at : at + size]
        mask, state = model(x[..., at : at + size], part, state)
        parts.append(mask)
        at += size
    assert (torch.cat(parts, dim=-1) - whole).abs().max() <= 2e-6


def test_what_was_long_ago_is_forgotten() -> None:
    model = masker()
    memory = MASKER.layers * (MASKER.window - 1) + 2
    x, steer = features(1, 60), parameters(1)
    changed = x.clone()
    changed[..., 10] += 5
    mask, _ = model(x, steer, model.initial_state(1))
    other, _ = model(changed, steer, model.initial_state(1))
    moved = (mask != other).any(dim=1)[0].nonzero().flatten()
    assert int(moved.min()) == 10
    assert MASKER.window < int(moved.max()) - 10 <= memory
    assert torch.equal(mask[..., 11 + memory :], other[..., 11 + memory :])


def test_a_stream_older_than_three_periods_of_the_positions_is_as_good_as_new() -> None:
    model = masker()
    steer = parameters(1)
    x = features(1, 3 * PERIOD + 40)
    old, state = stream(
        lambda part, kept: model(part, steer, kept), x, model.initial_state(1), [PERIOD] * 3 + [40]
    )
    assert [part.shape for part in tensors(state)] == [part.shape for part in tensors(model.initial_state(1))]
    young, _ = model(x[..., -80:], steer, model.initial_state(1))
    assert (old[..., -40:] - young[..., -40:]).abs().max() <= 5e-6


def test_the_parameters_steer_the_mask() -> None:
    model = masker()
    x = features(1, 20).expand(2, -1, -1)
    mask, _ = model(x, parameters(2), model.initial_state(2))
    assert (mask[0] - mask[1]).abs().max() > 0.1


def test_features_mind_neither_phase_nor_the_sign_or_order_of_channels() -> None:
    model = masker()
    latent = torch.randn(1, 2, CODEC.latent, 9)
    expected = model.features(latent)
    signs = torch.tensor([1.0, -1.0])[None, :, None, None]
    assert torch.equal(model.features(latent * signs), expected)
    assert torch.equal(model.features(latent.flip(1)), expected)
    turned = latent.unflatten(2, (-1, 2)).flip(3).flatten(2, 3)  # cosine and sine change places
    assert torch.allclose(model.features(turned), expected, atol=1e-6)


def test_silence_has_finite_features() -> None:
    assert masker().features(torch.zeros(1, 1, CODEC.latent, 3)).isfinite().all()


def test_film_scales_and_shifts() -> None:
    x = torch.tensor([[[1.0, 2.0]]])
    scale, shift = torch.tensor([[[3.0, 0.5]]]), torch.tensor([[[10.0, -1.0]]])
    assert torch.equal(film(x, scale, shift), torch.tensor([[[13.0, 0.0]]]))


def test_a_fresh_film_head_starts_near_scale_one_and_shift_zero() -> None:
    torch.manual_seed(0)
    model = Masker(MASKER, CODEC.latent)
    head = FilmHead(MASKER, model.neutral_film())
    found = head(torch.nn.functional.normalize(torch.randn(50, MASKER.text), dim=-1))
    assert found.shape == (50, model.film_size)
    for share in found.split([2 * MASKER.width] * (2 * MASKER.layers + 1), dim=-1):
        scale, shift = share.chunk(2, dim=-1)
        assert scale.mean().item() == pytest.approx(1, abs=0.1)
        assert shift.mean().item() == pytest.approx(0, abs=0.1)


def test_groups_that_do_not_divide_the_latent_are_refused() -> None:
    with pytest.raises(ValueError, match="64 channels cannot be cut into groups of 3"):
        Masker(MASKER.model_copy(update={"group": 3}), 64)


def test_a_head_of_ours_has_a_layer_between() -> None:
    with pytest.raises(ValueError, match="text_hidden"):
        MaskerConfig(text_hidden=0)
