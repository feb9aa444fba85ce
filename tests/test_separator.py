"""The separator: prompts side by side, how masks are joined, what a stereo pair shares, and causality."""

from __future__ import annotations

import math

import pytest
import torch
from builders import (
    CODEC,
    linear_separator,
    random_films,
    random_sizes,
    tensors,
    tiny_separator,
    transparent_separator,
)
from torch import Tensor

from rtsep.models.codec import CodecConfig
from rtsep.models.masker import MaskerConfig
from rtsep.models.separator import Mix, Separation, Separator

HOP = CODEC.hop


def mix(wanted: list[float], removed: list[float], weights: list[list[float]]) -> Mix:
    tensors = map(torch.tensor, (wanted, removed, weights, [0.0] * len(weights)))
    return Mix(*tensors)


KEEP = mix([1.0], [0.0], [[1.0]])
TWO_OF_THREE = mix([1.0, 1.0, 0.0], [0.0, 0.0, 1.0], [[1.0, 0.5, 0.0], [-1.0, -1.0, -1.0]])


def mixture(hops: int, channels: int = 1, batch: int = 1, hop: int = HOP, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(batch, channels, hops * hop, generator=torch.Generator().manual_seed(seed))


def separate(separator: Separator, wave: Tensor, films: Tensor, joined: Mix | None = None) -> Separation:
    """From the start, every mixture of the batch under the same prompts."""
    batch, channels, _ = wave.shape
    prompts = len(films)
    outputs = prompts if joined is None else len(joined.weights)
    state = separator.initial_state(batch, channels, prompts, outputs)
    film = films[None, :, None].expand(batch, -1, -1, -1)
    separation: Separation = separator(wave, film, state, joined)[0]
    return separation


@pytest.mark.parametrize("joined", [None, TWO_OF_THREE], ids=["prompts", "mix"])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("most", [1, 4, 30])
def test_chunks_give_the_whole(channels: int, most: int, joined: Mix | None) -> None:
    separator, films = tiny_separator(), random_films(tiny_separator(), 3)
    wave = mixture(60, channels, batch=2)
    whole = separate(separator, wave, films, joined)
    outputs = 3 if joined is None else 2
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
    fresh = linear_separator()
    films, signs = random_films(fresh, 1), torch.tensor([1.0, -1.0])[:, None]
    wave = mixture(50, channels=2)
    expected = separate(fresh, wave, films, KEEP).wave
    assert (separate(fresh, wave * signs, films, KEEP).wave * signs - expected).abs().max() <= 1e-6
    assert expected.std() > 0.001


def some_masks(prompts: int, seed: int = 0) -> Tensor:
    """(2, P, 4, 50), from 0 to 1, both of which occur."""
    masks = torch.rand(2, prompts, 4, 50, generator=torch.Generator().manual_seed(seed))
    return (1.4 * masks - 0.2).clamp(0, 1)


def stems(masks: Tensor, removed: list[float]) -> Tensor:
    count = len(removed)
    return mix([1 - each for each in removed], removed, [[1.0] * count]).stems(masks)


def test_one_prompts_mask_stays_what_it_is() -> None:
    masks = some_masks(1)
    assert torch.equal(stems(masks, [0.0]), masks)
    assert torch.equal(stems(masks, [1.0]), masks)
    assert torch.equal(KEEP(masks), masks)


def test_masks_that_fit_side_by_side_stay_what_they_are() -> None:
    masks = some_masks(3) / 3
    assert torch.equal(stems(masks, [0.0] * 3), masks)


def test_masks_that_claim_more_than_there_is_share_it_in_proportion() -> None:
    masks = torch.tensor([1.0, 0.5, 0.5])[None, :, None, None]
    assert stems(masks, [0.0] * 3).flatten().tolist() == [0.5, 0.25, 0.25]


def test_what_is_removed_goes_first_and_the_others_share_what_is_left() -> None:
    masks = some_masks(3)
    a, b, c = masks.unbind(1)
    found = stems(masks, [0.0, 0.0, 1.0])
    both = (a + b).clamp(min=1)
    expected = torch.stack([a / both * (1 - c), b / both * (1 - c), c], dim=1)
    assert torch.allclose(found, expected, atol=1e-6)
    one = torch.ones(1, 2, 1, 1)
    assert stems(one, [0.0, 1.0]).flatten().tolist() == [0.0, 1.0]


@pytest.mark.parametrize("removed", [[0.0] * 8, [1.0] * 8, [0.0, 1.0] * 4, [0.0], [1.0]])
def test_shares_lie_between_nothing_and_everything_and_so_does_their_sum(removed: list[float]) -> None:
    found = stems(some_masks(len(removed)), removed)
    assert float(found.min()) >= -1e-6
    assert float(found.sum(dim=1).max()) <= 1 + 1e-6


def test_an_unwanted_prompt_takes_nothing() -> None:
    masks = some_masks(3)
    found = mix([1.0, 0.0, 1.0], [0.0] * 3, [[1.0] * 3]).stems(masks)
    assert not found[:, 1].any()
    assert torch.equal(found[:, ::2], stems(masks[:, ::2], [0.0] * 2))


def test_gains_are_of_the_shares_and_move_no_other_strip() -> None:
    masks = some_masks(2)
    shares = stems(masks, [0.0, 0.0])
    weights = [[1.0, 0.0], [0.0, 2.0], [0.5, 4.0], [-1.0, -1.0]]
    found = mix([1.0, 1.0], [0.0, 0.0], weights)(masks)
    assert found.shape == (2, 4, 4, 50)
    for output, (first, second) in enumerate(weights):
        assert torch.allclose(found[:, output], first * shares[:, 0] + second * shares[:, 1], atol=1e-6)


@pytest.mark.parametrize("removed", [[0.0] * 3, [0.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
def test_stems_and_the_input_less_the_stems_are_the_input(removed: list[float]) -> None:
    separator = linear_separator()
    wave, films = mixture(40, channels=2), random_films(separator, 3)
    kept = [1 - each for each in removed]
    weights = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [-1.0] * 3]
    found = separate(separator, wave, films, mix(kept, removed, weights)).wave
    assert found.shape == (1, 4, 2, 40 * HOP)
    lookahead = separator.lookahead
    found[:, 3, :, lookahead:] += wave[..., :-lookahead]
    total = found.sum(dim=1)[..., lookahead:]
    assert (total - wave[..., :-lookahead]).abs().max() <= 1e-6
    assert all(float(found[:, output, :, lookahead:].std()) > 0.001 for output in range(4))


def test_a_removed_prompt_is_what_the_kept_one_leaves() -> None:
    separator = linear_separator()
    films, wave = random_films(separator, 1), mixture(40)
    kept = separate(separator, wave, films, KEEP).wave
    removed = separate(separator, wave, films, mix([0.0], [1.0], [[-1.0]])).wave
    assert torch.equal(kept, -removed)
    assert kept.std() > 0.001


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("prompts", [1, 3, 8])
def test_the_decoder_runs_once_an_output_however_many_prompts_there_are(prompts: int, outputs: int) -> None:
    separator = tiny_separator()
    decoded: list[int] = []
    separator.codec.decoder.register_forward_pre_hook(lambda _, given: decoded.append(len(given[0])))
    ones = [1.0] * prompts
    separate(
        separator, mixture(3, channels=2), random_films(separator, prompts), mix(ones, ones, [ones] * outputs)
    )
    assert decoded == [2 * outputs]  # both channels of each, in one call


@pytest.mark.parametrize("level", [0.0, 1e-6, 0.1, 10.0])
def test_the_upper_gain_lies_between_zero_and_one(level: float) -> None:
    separator = tiny_separator()
    wave = level * mixture(40, channels=2) / 0.1
    gain = separate(separator, wave, random_films(separator, 3)).upper_gain
    assert float(gain.min()) >= 0
    assert float(gain.max()) <= 1 + 1e-6


def test_the_upper_gain_is_the_mean_of_the_mask_weighted_by_the_mixtures_energy() -> None:
    separator, films = tiny_separator(), random_films(tiny_separator(), 3)
    wave = mixture(40, channels=2, batch=2)
    latent, _ = separator.codec.encode(wave.flatten(0, 1)[:, None], separator.codec.encoder.initial_state(4))
    energy = latent.unflatten(0, (2, 2)).square().sum(dim=1)
    features = separator.masker.features(latent.unflatten(0, (2, 2))).repeat_interleave(3, dim=0)
    state = separator.masker.initial_state(6)
    masks, _ = separator.masker(features, films.repeat(2, 1)[:, None], state)
    masks = TWO_OF_THREE(masks.unflatten(0, (2, 3)))
    upper = torch.arange(CODEC.latent) % CODEC.stem_kernel >= CODEC.stem_kernel // 2
    weight = energy[:, None, upper]
    expected = (masks[:, :, upper] * weight).sum(dim=2) / weight.sum(dim=2)
    found = separate(separator, wave, films, TWO_OF_THREE).upper_gain
    assert found.shape == (2, 2, 40)
    assert (found - expected)[..., 3:].abs().max() <= 1e-5
    assert found[:, 0].min() > 0 > found[:, 1].max()


def test_the_upper_gain_of_a_constant_mask_is_that_mask_and_of_digital_silence_nothing() -> None:
    separator = transparent_separator()
    with torch.no_grad():
        separator.masker.leave.bias.fill_(math.log(0.25 / 0.75))
    films = random_films(separator, 1)
    assert (separate(separator, mixture(20), films, KEEP).upper_gain - 0.25).abs().max() <= 1e-4
    doubled = mix([1.0], [0.0], [[-2.0]])
    assert (separate(separator, mixture(20), films, doubled).upper_gain + 0.5).abs().max() <= 2e-4
    assert not separate(separator, 0 * mixture(20), films, KEEP).upper_gain.any()


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
        _, state = separator(chunk, films[None, :, None], state, mix([1.0, 1.0], [0.0, 0.0], [[1.0, 1.0]]))
    assert [part.shape for part in tensors(state)] == shapes
