"""The published DAC in our layers: sample for sample what the package makes, whole and streamed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from builders import MASKER, random_films, random_sizes, stream, tiny_separator
from published_dac import SHAPES, package_forward, random_dac, save_as_the_package_does
from torch import Tensor

from rtsep.models.codec import Codec
from rtsep.models.dac import DacConfig
from rtsep.models.dac_weights import dac_codec, read_checkpoint
from rtsep.pipeline import Timing

FRAMES = 14


class Pair(NamedTuple):
    package: Any
    ours: Codec


@pytest.fixture(scope="module", params=SHAPES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    package = random_dac(**SHAPES[request.param])
    path = save_as_the_package_does(package, tmp_path_factory.mktemp("dac") / "weights.pth")
    return Pair(package, dac_codec(read_checkpoint(path), str(path)))


def sound(codec: Codec, frames: int = FRAMES) -> Tensor:
    """Noise of so many frames, and the silence after it that brings all of it out, in whole hops."""
    hop = codec.config.hop
    wave = torch.zeros(2, 1, hop * (frames + -(-codec.config.lookahead // hop)))
    wave[..., : frames * hop] = 0.3 * torch.randn(
        2, 1, frames * hop, generator=torch.Generator().manual_seed(1)
    )
    return wave


def step(codec: Codec, quantized: bool = False) -> Any:
    """Wave to wave as one streaming step."""

    def forward(wave: Tensor, state: Any) -> tuple[Tensor, Any]:
        latent, encoder_state = codec.encode(wave, state[0])
        if quantized:
            codes, _ = codec.quantizer.encode(latent, ())
            latent, _ = codec.quantizer.decode(codes, ())
        wave, decoder_state = codec.decode(latent, state[1])
        return wave, (encoder_state, decoder_state)

    return forward


def test_whole_it_is_what_the_package_makes_after_the_declared_lookahead(pair: Pair) -> None:
    wave, ours = sound(pair.ours), pair.ours
    length, lookahead = FRAMES * ours.config.hop, ours.config.lookahead
    _, expected = package_forward(pair.package, wave)
    found, _ = step(ours)(wave, ours.initial_state(2))
    assert expected[..., :length].std() > 0.05
    difference = found[..., lookahead : lookahead + length] - expected[..., :length]
    assert difference.abs().max() <= 1e-5


def test_streamed_in_random_chunks_it_is_what_it_is_whole(pair: Pair) -> None:
    wave, ours = sound(pair.ours), pair.ours
    whole, _ = step(ours)(wave, ours.initial_state(2))
    sizes = random_sizes(wave.shape[-1] // ours.config.hop, 5)
    streamed, _ = stream(step(ours), wave, ours.initial_state(2), sizes, ours.config.hop)
    assert (streamed - whole).abs().max() <= 1e-5


def test_its_codes_are_the_packages_and_say_the_same(pair: Pair) -> None:
    wave, ours = sound(pair.ours), pair.ours
    latent, _ = package_forward(pair.package, wave)
    quantized, codes, *_ = pair.package.quantizer(latent)
    found = ours.quantizer(latent)
    assert torch.equal(found.codes, codes) and len(codes.unique()) > 8
    assert (found.latent - quantized).abs().max() <= 1e-5
    assert (ours.quantizer.decode(codes, ())[0] - quantized).abs().max() <= 1e-5
    fewer = pair.package.quantizer.from_codes(codes[:, :2])[0]
    assert (ours.quantizer.decode(codes[:, :2], ())[0] - fewer).abs().max() <= 1e-5


def test_streamed_through_codes_it_is_the_packages_whole_forward(pair: Pair) -> None:
    wave, ours = sound(pair.ours), pair.ours
    length, lookahead, hop = FRAMES * ours.config.hop, ours.config.lookahead, ours.config.hop
    expected = pair.package(wave, ours.config.sample_rate)["audio"]
    sizes = random_sizes(wave.shape[-1] // hop, 5, seed=1)
    found, _ = stream(step(ours, quantized=True), wave, ours.initial_state(2), sizes, hop)
    difference = found[..., lookahead : lookahead + length] - expected[..., :length]
    assert difference.abs().max() <= 1e-5


def test_the_states_at_16_khz_give_whole_hops_where_the_package_lacks_8_samples(pair: Pair) -> None:
    latent = torch.randn(1, pair.ours.config.latent, 10)
    wave, _ = pair.ours.decode(latent, pair.ours.initial_state(1)[1])
    odd = pair.ours.config.hop == 320
    assert wave.shape[-1] == 10 * pair.ours.config.hop
    assert pair.package.decode(latent).shape[-1] == wave.shape[-1] - 8 * odd


def test_the_padding_of_sd_codec_is_met_sample_for_sample_too(tmp_path: Path) -> None:
    package = random_dac(**SHAPES["dac-16k"])
    path = save_as_the_package_does(package, tmp_path / "weights.pth")
    ours = dac_codec(read_checkpoint(path), str(path), padding="floor")
    package.decoder.model[2].block[1].padding = (2,)  # the stage of stride 5: half of it, rounded down
    wave, length, lookahead = sound(ours), FRAMES * ours.config.hop, ours.config.lookahead
    _, expected = package_forward(package, wave)
    assert expected.shape[-1] == wave.shape[-1] + 8
    found, _ = step(ours)(wave, ours.initial_state(2))
    difference = found[..., lookahead : lookahead + length] - expected[..., :length]
    assert difference.abs().max() <= 1e-5


@pytest.mark.parametrize(
    ("sample_rate", "strides", "most_ms"),
    [(16_000, (2, 4, 5, 8), 360), (24_000, (2, 4, 5, 8), 240), (44_100, (2, 4, 8, 8), 209)],
)
def test_the_published_shapes_need_no_more_lookahead_than_counted(
    sample_rate: int, strides: tuple[int, ...], most_ms: float
) -> None:
    config = DacConfig(
        kind="dac", sample_rate=sample_rate, strides=strides, decoder_strides=tuple(reversed(strides))
    )
    assert most_ms - 10 < 1000 * config.lookahead / sample_rate <= most_ms


def test_a_separator_on_it_streams_and_declares_its_lookahead(pair: Pair) -> None:
    masker = MASKER.model_copy(update={"group": 1})
    separator = tiny_separator(pair.ours.config, masker)
    separator.codec.load_state_dict(pair.ours.state_dict())
    films = random_films(separator, 2)[None, :, None].expand(2, -1, -1, -1)
    wave, hop = sound(pair.ours, frames=6), separator.hop

    def forward(mixture: Tensor, state: Any) -> tuple[Tensor, Any]:
        separation, state = separator(mixture, films, state)
        assert bool((separation.upper_gain >= 0).all() and (separation.upper_gain <= 1).all())
        return separation.wave, state

    whole, _ = forward(wave, separator.initial_state(2, 1, 2, 2))
    sizes = random_sizes(wave.shape[-1] // hop, 4)
    streamed, _ = stream(forward, wave, separator.initial_state(2, 1, 2, 2), sizes, hop)
    assert (streamed - whole).abs().max() <= 1e-5 and whole.std() > 1e-3
    timing = Timing(separator, 48_000)
    assert timing.lookahead == separator.lookahead == pair.ours.config.lookahead
