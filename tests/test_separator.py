"""The separator: prompts side by side, how masks are joined, what a stereo pair shares, and causality."""

from __future__ import annotations

import pytest
import torch
from builders import CODEC, random_films, random_sizes, tensors, tiny_separator, transparent_separator
from torch import Tensor

from rtsep.models.codec import CodecConfig
from rtsep.models.masker import MaskerConfig
from rtsep.models.separator import Mix, Separation, Separator

HOP = CODEC.hop


def mix(base: float, keep: list[float], remove: list[float]) -> Mix:
    return Mix(torch.tensor(base), torch.tensor(keep), torch.tensor(remove))


KEEP = mix(0.0, [1.0], [0.0])


def mixture(hops: int, channels: int = 1, batch: int = 1, hop: int = HOP, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(batch, channels, hops * hop, generator=torch.Generator().manual_seed(seed))


def separate(separator: Separator, wave: Tensor, films: Tensor, joined: Mix | None = None) -> Separation:
    """From the start, every mixture of the batch under the same prompts."""
    batch, channels, _ = wave.shape
    prompts = len(films)
    state = separator.initial_state(batch, channels, prompts, prompts if joined is None else 1)
    film = films[None, :, None].expand(batch, -1, -1, -1)
    separation: Separation = separator(wave, film, state, joined)[0]
    return separation


@pytest.mark.parametrize("joined", [None, mix(0.0, [1.0, 0.5, 0.0], [0.0, 0.0, 1.0])], ids=["stems", "mix"])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("most", [1, 4, 30])
def test_chunks_give_the_whole(channels: int, most: int, joined: Mix | None) -> None:
    separator, films = tiny_separator(), random_films(tiny_separator(), 3)
    wave = mixture(60, channels, batch=2)
    whole = separate(separator, wave, films, joined)
    outputs = 3 if joined is None else 1
    state = separator.initial_state(2, channels, 3, outputs)
    film = films[None, :, None].expand(2, -1, -1, -1)
    waves, gains = [], []
    for chunk in wave.split([size * HOP for size in random_sizes(60, most, most)], dim=-1):
        separation, state = separator(chunk, film, state, joined)
        waves.append(separation.wave)
        gains.append(separation.upper_gain)
    assert whole.wave.shape == (2, outputs, channels, 60 * HOP)
    assert whole.upper_gain.shape == (2, outputs, 60)
    assert (torch.cat(waves, dim=-1) - whole.wave).abs().max() <= 1e-6
    assert (torch.cat(gains, dim=-1) - whole.upper_gain).abs().max() <= 2e-6


def test_changing_the_future_changes_no_past_output_of_the_default_model() -> None:
    torch.manual_seed(0)
    codec, masker = CodecConfig(), MaskerConfig()
    separator = tiny_separator(codec, masker)
    films = random_films(separator, 1)
    wave = mixture(150, hop=codec.hop)
    whole = separate(separator, wave, films, KEEP)
    for hop in (1, 77, 149):
        changed = wave.clone()
        changed[..., hop * codec.hop :] = torch.randn(changed[..., hop * codec.hop :].shape)
        other = separate(separator, changed, films, KEEP)
        assert torch.equal(whole.wave[..., : hop * codec.hop], other.wave[..., : hop * codec.hop])
        assert torch.equal(whole.upper_gain[..., :hop], other.upper_gain[..., :hop])
        assert not torch.allclose(whole.wave[..., hop * codec.hop :], other.wave[..., hop * codec.hop :])


def test_prompts_side_by_side_equal_each_alone() -> None:
    separator, films = tiny_separator(), random_films(tiny_separator(), 4)
    wave = mixture(50, channels=2)
    together = separate(separator, wave, films)
    for number in range(4):
        alone = separate(separator, wave, films[number : number + 1])
        assert (together.wave[:, number] - alone.wave[:, 0]).abs().max() <= 1e-6
        assert (together.upper_gain[:, number] - alone.upper_gain[:, 0]).abs().max() <= 1e-6


def test_one_mask_serves_both_channels_of_a_pair() -> None:
    separator, films = tiny_separator(), random_films(tiny_separator(), 1)
    wave = mixture(50, channels=2)
    expected = separate(separator, wave, films, KEEP)
    swapped = separate(separator, wave.flip(1), films, KEEP)
    assert (swapped.wave.flip(2) - expected.wave).abs().max() <= 1e-6
    assert torch.allclose(swapped.upper_gain, expected.upper_gain, atol=1e-6)


def test_the_sign_of_a_channel_passes_through_a_linear_codec() -> None:
    fresh = Separator(CODEC, tiny_separator().masker.config).requires_grad_(False)
    fresh.masker.load_state_dict(tiny_separator().masker.state_dict())
    films, signs = random_films(fresh, 1), torch.tensor([1.0, -1.0])[:, None]
    wave = mixture(50, channels=2)
    expected = separate(fresh, wave, films, KEEP).wave
    assert (separate(fresh, wave * signs, films, KEEP).wave * signs - expected).abs().max() <= 1e-6
    assert expected.std() > 0.001


def test_masks_join_as_kept_less_removed() -> None:
    masks = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    a, b, c = masks.unbind(1)
    cases = {
        mix(0.0, [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]): a,
        mix(0.0, [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]): (a + b).clamp(max=1),
        mix(1.0, [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]): 1 - c,
        mix(1.0, [0.0, 0.0, 0.0], [0.0, 1.0, 1.0]): (1 - b) * (1 - c),
        mix(0.0, [1.0, 0.5, 0.0], [0.0, 0.0, 1.0]): (a + 0.5 * b).clamp(max=1) * (1 - c),
        mix(0.0, [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]): torch.zeros_like(a),
        mix(1.0, [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]): torch.ones_like(a),
    }
    for joined, expected in cases.items():
        found = joined(masks)
        assert found.shape == (2, 1, 4, 5)
        assert torch.allclose(found[:, 0], expected)


def test_a_removed_prompt_is_what_the_kept_one_leaves() -> None:
    separator, films = tiny_separator(), random_films(tiny_separator(), 1)
    codec_only = Separator(separator.codec.config, separator.masker.config).requires_grad_(False)
    codec_only.masker.load_state_dict(separator.masker.state_dict())
    wave = mixture(40)
    kept = separate(codec_only, wave, films, KEEP).wave
    removed = separate(codec_only, wave, films, mix(1.0, [0.0], [1.0])).wave
    lookahead = codec_only.lookahead
    assert (kept + removed)[0, 0, :, lookahead:].sub(wave[0, :, :-lookahead]).abs().max() <= 1e-5
    assert kept.std() > 0.001
    assert removed.std() > 0.001


@pytest.mark.parametrize("level", [0.0, 1e-6, 0.1, 10.0])
def test_the_upper_gain_lies_between_zero_and_one(level: float) -> None:
    separator = tiny_separator()
    wave = level * mixture(40, channels=2) / 0.1
    gain = separate(separator, wave, random_films(separator, 3)).upper_gain
    assert float(gain.min()) >= 0
    assert float(gain.max()) <= 1 + 1e-6


def test_the_upper_gain_follows_the_mask_of_the_upper_half() -> None:
    separator = transparent_separator()
    with torch.no_grad():
        separator.masker.leave.bias[: CODEC.latent // 4] = -20  # the lower half of the groups
    films = random_films(separator, 1)
    assert (separate(separator, mixture(20), films, KEEP).upper_gain - 1).abs().max() <= 1e-4
    with torch.no_grad():
        separator.masker.leave.bias.neg_()
    assert separate(separator, mixture(20), films, KEEP).upper_gain.max() <= 1e-4


def test_the_state_is_no_larger_after_many_hops() -> None:
    separator, films = tiny_separator(), random_films(tiny_separator(), 2)
    state = separator.initial_state(1, 2, 2, 1)
    shapes = [part.shape for part in tensors(state)]
    for seed in range(50):
        chunk = mixture(1 + seed % 3, channels=2, seed=seed)
        _, state = separator(chunk, films[None, :, None], state, mix(0.0, [1.0, 1.0], [0.0, 0.0]))
    assert [part.shape for part in tensors(state)] == shapes
