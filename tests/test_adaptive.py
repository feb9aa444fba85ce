"""Codes of our codec: they stream, they decode alike on both sides, a lost one is forgotten."""

from __future__ import annotations

import math

import pytest
import torch
from builders import CODEC, random_sizes, stream
from torch import Tensor

from rtsep.models.adaptive import LEVELS, LOWEST_DB, STEP_DB, AdaptiveQuantizer
from rtsep.models.codec import Codec, CodecConfig
from rtsep.models.critical import critical_filters, critical_transform
from rtsep.models.foresight import SMOOTHING, foresee, grouping, mean_spectrum, plan

STRIDED = CODEC.model_copy(update={"strides": (2, 2)})


def codec(config: CodecConfig = CODEC, **changes: int) -> Codec:
    torch.manual_seed(0)
    return Codec(config.model_copy(update=changes)).eval().requires_grad_(False)


def sound(hops: int, hop: int, batch: int = 1) -> Tensor:
    """Tones that change and some noise, (B, 1, hops * hop)."""
    n = torch.arange(hops * hop) + 100 * torch.arange(batch)[:, None]
    tones = 0.2 * torch.sin(0.2 * n) * torch.sin(0.003 * n) + 0.1 * torch.sin(0.45 * n)
    return (tones + 0.003 * torch.randn(batch, hops * hop))[:, None]


def latent_of(model: Codec, wave: Tensor) -> Tensor:
    return model.encode(wave, model.initial_state(len(wave))[0])[0]


def codes_of(model: Codec, z: Tensor, codebooks: int | None = None) -> Tensor:
    return model.quantizer.encode(z, model.quantizer.initial_state(len(z))[0], codebooks)[0]


def ratio_db(wanted: Tensor, found: Tensor) -> float:
    return float(10 * (wanted.square().sum() / (found - wanted).square().sum()).log10())


# --- the transform ---


@pytest.mark.parametrize(("hop", "overlap"), [(16, 12), (240, 192), (16, 16), (16, 1)])
def test_the_critical_transform_is_orthonormal_over_overlapping_frames(hop: int, overlap: int) -> None:
    filters, frames = critical_transform(hop, overlap), 4
    whole = torch.zeros(frames * hop, frames * hop + overlap, dtype=torch.float64)
    for frame in range(frames):
        whole[frame * hop : (frame + 1) * hop, frame * hop : (frame + 1) * hop + overlap] = filters
    assert torch.allclose(whole @ whole.T, torch.eye(frames * hop, dtype=torch.float64), atol=1e-12)


@pytest.mark.parametrize("config", [CODEC, STRIDED, CodecConfig(codebooks=1, codebook_size=2)], ids=str)
def test_coefficients_survive_the_way_through_the_latent(config: CodecConfig) -> None:
    books = codec(config).quantizer
    frames = 4 * books.beside
    coefficients = torch.randn(2, books.bins, frames)
    latent, _ = books._latent(coefficients, books.initial_state(2)[1][1], mend=False)
    assert latent.shape == (2, config.latent, 4)
    assert torch.allclose(books._coefficients(latent), coefficients, atol=1e-3)


def test_all_coefficients_of_a_sound_make_the_sound() -> None:
    model = codec(codebook_bins=16)
    wave = sound(60, CODEC.hop)
    coefficients = model.quantizer._coefficients(latent_of(model, wave))

    def heard(mend: bool) -> float:
        latent, _ = model.quantizer._latent(coefficients, model.quantizer.initial_state(1)[1][1], mend)
        found, _ = model.decode(latent, model.initial_state(1)[1])
        return ratio_db(wave[..., : -CODEC.lookahead], found[..., CODEC.lookahead :])

    assert 10 < heard(False) < 18  # the mirrored sound is still in it
    assert heard(True) > 24


def test_filters_are_made_once_for_one_shape() -> None:
    assert critical_filters(64, 16, 12, 12) is critical_filters(64, 16, 12, 12)


# --- what is foreseen ---


def test_codebooks_share_out_what_is_there_and_leave_less_and_less() -> None:
    spectrum = torch.rand(3, 40) ** 4
    spread, left = plan(spectrum, mean_spectrum(40), 10.0, 5)
    assert spread.shape == (3, 5, 40)
    assert torch.allclose(left[:, 0].sum(dim=1), torch.ones(3), atol=1e-5)
    assert torch.allclose(left[:, :-1] - left[:, 1:], spread.square(), atol=1e-6)
    assert (left.diff(dim=1) <= 0).all()
    assert (left.sum(dim=2).diff(dim=1) < 0).all()


def test_the_bits_of_a_plan_are_those_that_codebooks_have() -> None:
    _, left = plan(torch.rand(2, 40) ** 4, mean_spectrum(40), 10.0, 3)
    bits = 0.5 * (left[:, :1] / left).log2().sum(dim=2)
    assert torch.allclose(bits, torch.tensor([0.0, 6.5, 13.0, 19.5]).expand(2, -1), atol=1e-3)


def test_a_spectrum_is_followed_and_forgotten() -> None:
    tone = torch.zeros(1, 40)
    tone[0, 20] = 1
    spectrum = mean_spectrum(40)[None]
    followed = foresee(spectrum, tone)
    assert abs(int(followed.argmax()) - 20) <= SMOOTHING // 2
    assert (followed / spectrum)[0, 20] > 20
    for _ in range(30):
        followed = foresee(followed, plan(followed, mean_spectrum(40), 10.0, 1)[1][:, 0])
    assert (followed / spectrum)[0, 20] < 3


def test_every_bin_counts_in_one_group() -> None:
    assert torch.equal(grouping(200).sum(dim=1), torch.ones(200))
    assert grouping(200).shape == (200, 40 + 20)


# --- codes ---


@pytest.mark.parametrize("config", [CODEC, STRIDED], ids=["tiny", "strided"])
@pytest.mark.parametrize("most", [1, 7])
def test_codes_of_chunks_are_the_codes_of_the_whole(config: CodecConfig, most: int) -> None:
    model = codec(config)
    z = latent_of(model, sound(40, config.hop, batch=2))
    encoding, decoding = model.quantizer.initial_state(2)
    codes, _ = model.quantizer.encode(z, encoding)
    sizes = random_sizes(40, most, most)
    assert codes.shape == (2, 1 + config.codebooks, 40 * model.quantizer.beside)
    assert torch.equal(stream(model.quantizer.encode, z, encoding, sizes)[0], codes)
    latent, _ = model.quantizer.decode(codes, decoding)
    chunks, _ = stream(model.quantizer.decode, codes, decoding, sizes, model.quantizer.beside)
    assert latent.shape == z.shape
    assert torch.allclose(chunks, latent, atol=1e-5)


def test_codes_of_one_do_not_depend_on_those_beside_it_in_the_batch() -> None:
    model = codec()
    z = latent_of(model, sound(30, CODEC.hop, batch=3))
    assert torch.equal(codes_of(model, z)[1:2], codes_of(model, z[1:2]))


def test_more_codebooks_leave_less_over() -> None:
    model = codec(codebooks=6, codebook_size=64)
    wave = sound(100, CODEC.hop)
    z, found = latent_of(model, wave), []
    for count in range(1, 7):
        heard, _ = model.hear(codes_of(model, z, count), model.initial_hearing(1))
        found.append(ratio_db(wave[..., : -CODEC.lookahead], heard[..., CODEC.lookahead :]))
    assert found == sorted(found)
    assert found[0] > 1
    assert found[-1] > 8


@pytest.mark.parametrize("gain_db", [-36.0, -12.0, 6.0])
def test_a_sound_of_another_level_has_the_same_codes_beside_its_level(gain_db: float) -> None:
    model = codec()
    z = latent_of(model, sound(30, CODEC.hop))
    codes, louder = codes_of(model, z), codes_of(model, z * 10 ** (gain_db / 20))
    assert torch.equal(louder[:, 1:], codes[:, 1:])
    assert ((louder[:, 0] - codes[:, 0]) == round(gain_db / STEP_DB)).all()


def test_a_level_is_off_by_half_a_step_at_most_and_silence_is_silent() -> None:
    books = codec().quantizer
    level_db = torch.linspace(LOWEST_DB + STEP_DB, LOWEST_DB + STEP_DB * (LEVELS - 1), 100)
    coefficients = (10 ** (level_db / 20))[:, None].expand(-1, books.bins)
    spread, _ = plan(books.initial_state(100)[0], books.mean, 4.0, 1)
    level = books._search(coefficients, spread, books.table)[:, 0]
    found = 20 * (books._gain(level)[:, 0] / math.sqrt(books.bins)).log10()
    assert (found - level_db).abs().max() <= STEP_DB / 2 + 1e-3
    silence = torch.zeros(1, CODEC.latent, 5)
    codes = codes_of(codec(), silence)
    assert not codes[:, 0].any()
    assert torch.equal(books.decode(codes, books.initial_state(1)[1])[0], silence)


def test_what_was_decoded_and_not_changed_loses_less_when_it_is_encoded_again() -> None:
    model = codec(codebooks=6, codebook_size=64)
    z = latent_of(model, sound(100, CODEC.hop))
    once, _ = model.quantizer.decode(codes_of(model, z), model.quantizer.initial_state(1)[1])
    twice, _ = model.quantizer.decode(codes_of(model, once), model.quantizer.initial_state(1)[1])
    assert ratio_db(once, twice) > ratio_db(z, once) + 1


def test_a_lost_frame_is_forgotten() -> None:
    model = codec(codebooks=6, codebook_size=64)
    codes = codes_of(model, latent_of(model, sound(220, CODEC.hop)))
    whole, _ = model.quantizer.decode(codes, model.quantizer.initial_state(1)[1])
    rest = torch.cat([codes[..., :100], codes[..., 101:]], dim=2)
    lossy, _ = model.quantizer.decode(rest, model.quantizer.initial_state(1)[1])
    assert ratio_db(whole[..., 180:], lossy[..., 179:]) > 30


# --- learning ---


def test_learning_sees_what_use_does() -> None:
    model = codec(codebooks=4)
    z = latent_of(model, sound(20, CODEC.hop, batch=2))
    quantized = model.quantizer(z)
    assert torch.equal(quantized.codes, codes_of(model, z))
    heard, _ = model.quantizer.decode(quantized.codes, model.quantizer.initial_state(2)[1], mend=True)
    assert torch.allclose(quantized.latent, heard, atol=1e-5)


def test_dropped_codebooks_add_nothing_to_their_item() -> None:
    model = codec(codebooks=4)
    z = latent_of(model, sound(20, CODEC.hop, batch=4))
    kept = model.quantizer(z, torch.tensor([1, 2, 3, 4]))
    for item, count in enumerate((1, 2, 3, 4)):
        own = slice(item, item + 1)
        codes = codes_of(model, z[own], count)
        assert torch.equal(kept.codes[own, : 1 + count], codes)
        alone, _ = model.quantizer.decode(codes, model.quantizer.initial_state(1)[1], mend=True)
        assert torch.allclose(kept.latent[own], alone, atol=1e-5)


def test_codebooks_learn_and_their_table_follows() -> None:
    model = codec(codebook_size=8)
    books: AdaptiveQuantizer = model.quantizer.requires_grad_(True).train()
    z = latent_of(model, sound(30, CODEC.hop, batch=2))
    optimizer = torch.optim.SGD(books.parameters(), 0.7)
    first = books(z).loss.item()
    for _ in range(12):
        optimizer.zero_grad()
        books(z).loss.backward()
        optimizer.step()
    last = books(z)
    assert last.loss.item() < first - 1
    assert torch.equal(codes_of(model.eval(), z), last.codes)


def test_gradients_pass_straight_through() -> None:
    model = codec()
    z = torch.randn(1, CODEC.latent, 5, requires_grad=True)
    model.quantizer(z).latent.sum().backward()
    assert z.grad is not None
    assert torch.equal(z.grad, torch.ones_like(z))
