"""The codec: a fresh one reconstructs, streams, lags by what it declares; codes say what they should."""

from __future__ import annotations

from typing import cast

import pytest
import torch
from builders import CODEC, random_sizes, stirred, stream
from torch import Tensor

from rtsep.models.codec import Codec, CodecConfig
from rtsep.models.lapped import lapped_transform
from rtsep.models.quantize import VectorQuantizer

STRIDED = CODEC.model_copy(update={"strides": (2, 4)})
CONFIGS = [
    pytest.param(CodecConfig(codebook_size=16), 60.0, id="default"),
    pytest.param(CODEC, 60.0, id="tiny"),
    pytest.param(CODEC.model_copy(update={"stem_overlap": 16, "stem_kernel": 32}), 60.0, id="full-overlap"),
    pytest.param(CODEC.model_copy(update={"stem_overlap": 1}), 60.0, id="one-sample-overlap"),
    # The stages between start near a permutation of the samples, not at one: Snake bends, 1 % is random.
    pytest.param(STRIDED, 30.0, id="strided"),
]


def fresh(config: CodecConfig, seed: int = 0) -> Codec:
    torch.manual_seed(seed)
    return Codec(config).requires_grad_(False)


def through(codec: Codec, wave: Tensor) -> Tensor:
    """Encode and decode (B, 1, T) from the start."""
    encoder_state, decoder_state = codec.initial_state(len(wave))
    latent, _ = codec.encode(wave, encoder_state)
    return codec.decode(latent, decoder_state)[0]


@pytest.mark.parametrize(("config", "least_db"), CONFIGS)
def test_a_fresh_codec_reconstructs_after_its_lookahead(config: CodecConfig, least_db: float) -> None:
    codec = fresh(config)
    wave = 0.1 * torch.randn(2, 1, 24 * config.hop)
    error = through(codec, wave)[..., config.lookahead :] - wave[..., : -config.lookahead]
    ratio = wave.square().mean() / error.square().mean()
    assert 10 * ratio.log10() >= least_db


@pytest.mark.parametrize(("config", "least_db"), CONFIGS)
def test_an_impulse_comes_out_at_the_declared_lookahead(config: CodecConfig, least_db: float) -> None:
    codec = fresh(config)
    for at in (0, 1, config.hop - 1, 2 * config.hop + 3):
        wave = torch.zeros(1, 1, 12 * config.hop)
        wave[..., at] = 0.5
        assert int(through(codec, wave).abs().argmax()) == at + config.lookahead


@pytest.mark.parametrize("config", [CODEC, STRIDED], ids=["tiny", "strided"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 5e-6), (torch.float64, 1e-13)])
@pytest.mark.parametrize("most", [1, 3, 17])
def test_chunks_of_hops_give_the_whole(
    config: CodecConfig, most: int, dtype: torch.dtype, tolerance: float
) -> None:
    codec = cast(Codec, stirred(fresh(config))).to(dtype)
    wave = 0.1 * torch.randn(2, 1, 40 * config.hop, dtype=dtype)
    sizes = random_sizes(40, most, most)
    encoder_state, decoder_state = codec.initial_state(2)
    latent, _ = codec.encode(wave, encoder_state)
    chunked, _ = stream(codec.encode, wave, encoder_state, sizes, config.hop)
    assert latent.shape == (2, config.latent, 40)
    assert (chunked - latent).abs().max() <= tolerance
    decoded, _ = codec.decode(latent, decoder_state)
    chunked, _ = stream(codec.decode, latent, decoder_state, sizes)
    assert decoded.shape == wave.shape
    assert (chunked - decoded).abs().max() <= tolerance


def test_the_latent_frame_ends_with_its_hop() -> None:
    codec = cast(Codec, stirred(fresh(STRIDED)))
    hop = STRIDED.hop
    wave = torch.randn(1, 1, 8 * hop)
    changed = wave.clone()
    changed[..., 5 * hop :] += 1
    state = codec.initial_state(1)[0]
    latent, other = codec.encode(wave, state)[0], codec.encode(changed, state)[0]
    assert torch.equal(latent[..., :5], other[..., :5])
    assert not torch.allclose(latent[..., 5], other[..., 5])


def test_white_noise_fills_the_latent_to_the_level_that_is_promised() -> None:
    codec = fresh(CODEC)
    latent, _ = codec.encode(torch.randn(1, 1, 2000 * CODEC.hop), codec.initial_state(1)[0])
    assert latent.square().mean().item() == pytest.approx(4.0, rel=0.3)


@pytest.mark.parametrize(("kernel", "hop", "overlap"), [(63, 16, 8), (64, 16, 17), (64, 16, 0), (30, 16, 16)])
def test_an_impossible_lapped_transform_is_refused(kernel: int, hop: int, overlap: int) -> None:
    with pytest.raises(ValueError, match=f"no lapped transform of kernel {kernel}"):
        lapped_transform(kernel, hop, overlap)


def test_the_lookup_minds_direction_and_not_length() -> None:
    torch.manual_seed(0)
    book = VectorQuantizer(12, 16, 4)
    with torch.no_grad():
        assert book.project_in.bias is not None
        book.project_in.bias.zero_()
        z = torch.randn(2, 12, 30)
        _, codes = book.encode(z)
        assert torch.equal(book.encode(7 * z)[1], codes)
        assert not torch.equal(book.encode(-z)[1], codes)
        book.codebook.mul_(torch.rand(16, 1) + 0.1)
        assert torch.equal(book.encode(z)[1], codes)
    projected = book.project_in(z)
    cosine = torch.cosine_similarity(projected[:, None], book.codebook[None, :, :, None], dim=2)
    assert torch.equal(cosine.argmax(dim=1), codes)
