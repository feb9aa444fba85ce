"""The paper's masker: its layout, parameter for parameter; its streaming sibling: the same in any chunks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from builders import CODEC, random_sizes, stirred, stream, write_bundle
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from rtsep.errors import BundleError
from rtsep.evaluate.bench import ATTENTION
from rtsep.models.bundle import load_bundle, read_config
from rtsep.models.dac import DacConfig
from rtsep.models.film_head import FilmHead
from rtsep.models.paper_masker import PaperMasker, PaperMaskerConfig
from rtsep.models.separator import Mix, Separator
from rtsep.separators.codecsep import CodecSep

LATENT = 1024
NEVER_RUN = 1024
"""The release builds one Snake more than it runs, and counts it."""

PAPER = PaperMaskerConfig(kind="paper")
TINY = PaperMaskerConfig(kind="paper", width=32, layers=2, heads=2, feed_forward=48, text=16)
STREAMING = TINY.model_copy(
    update={"window": 6, "film": "scale and shift", "mask": "bounded", "text_hidden": 8, "floor": 0.1}
)
CHANNELS = 24


def masker(config: PaperMaskerConfig, seed: int = 0) -> PaperMasker:
    torch.manual_seed(seed)
    made = stirred(PaperMasker(config, CHANNELS), seed, by=0.1)
    assert isinstance(made, PaperMasker)
    return made.eval().requires_grad_(False)


def latent(frames: int, batch: int = 2) -> Tensor:
    return torch.randn(batch, CHANNELS, frames, generator=torch.Generator().manual_seed(3))


def films(model: PaperMasker, batch: int = 2, by: float = 0.5) -> Tensor:
    neutral = model.neutral_film()
    return neutral + by * torch.randn(batch, 1, len(neutral), generator=torch.Generator().manual_seed(4))


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_its_parameters_are_the_papers_count() -> None:
    with torch.device("meta"):
        model = PaperMasker(PAPER, LATENT)
        head = FilmHead(PAPER, model.neutral_film())
    assert count(model) + NEVER_RUN == 15_261_696
    assert count(head) == 5_253_120


def test_its_arithmetic_is_the_papers() -> None:
    with torch.device("meta"):
        model = PaperMasker(PAPER, LATENT).eval()
        second = torch.zeros(1, LATENT, 50)
        parameters = model.neutral_film()[None, None]
        with FlopCounterMode(display=False, custom_mapping=ATTENTION) as counter, torch.no_grad():
            model(second, parameters, model.initial_state(1))
    assert counter.get_total_flops() / 2 / 1e9 == pytest.approx(0.78, abs=0.005)


def test_without_shifts_it_is_a_stock_post_norm_transformer() -> None:
    model, x = masker(TINY), latent(12)
    y = x.transpose(1, 2) @ model.enter.weight.T
    place, pair = torch.arange(12.0)[:, None], torch.arange(0, TINY.width, 2.0)
    angle = place / 10_000 ** (pair / TINY.width)
    y = y + torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
    for layer in model.layers:
        stock = nn.TransformerEncoderLayer(TINY.width, TINY.heads, TINY.feed_forward, batch_first=True)
        pairs = [
            (stock.self_attn.in_proj_weight, layer.attention.qkv.weight),
            (stock.self_attn.in_proj_bias, layer.attention.qkv.bias),
        ]
        for theirs, ours in (
            (stock.self_attn.out_proj, layer.attention.out),
            (stock.linear1, layer.feed[0]),
            (stock.linear2, layer.feed[3]),
            (stock.norm1, layer.attention_norm),
            (stock.norm2, layer.feed_norm),
        ):
            pairs += list(zip(theirs.parameters(), ours.parameters(), strict=True))
        with torch.no_grad():
            for theirs, ours in pairs:
                theirs.copy_(ours)
            y = stock.eval()(y)
    y = y @ model.leave.weight.T
    y = y @ torch._weight_norm(model.mix.direction, model.mix.length, 0).T
    y = (y @ model.out.weight.T + model.out.bias).transpose(1, 2)
    expected = y + (model.snake.alpha * y).sin() ** 2 / (model.snake.alpha + 1e-9)
    found, _ = model(x, model.neutral_film().expand(2, 1, -1), model.initial_state(2))
    assert (found - expected).abs().max() <= 1e-5 and expected.std() > 0.01
    steered, _ = model(x, films(model), model.initial_state(2))
    assert (steered - found).abs().max() > 0.1


def test_its_mask_has_no_bounds_and_sees_ahead() -> None:
    model, x = masker(TINY), latent(20)
    with torch.no_grad():
        model.out.weight.mul_(10)
    mask, _ = model(x, films(model), model.initial_state(2))
    assert mask.shape == x.shape and mask.max() > 1 and mask.min() < 0
    changed = x.clone()
    changed[..., -1] += 1
    other, _ = model(changed, films(model), model.initial_state(2))
    assert (other[..., 0] - mask[..., 0]).abs().max() > 1e-4


def test_it_takes_more_frames_than_the_release_can() -> None:
    model = masker(TINY)
    mask, _ = model(latent(2600, batch=1), films(model, 1), model.initial_state(1))
    assert mask.shape[-1] == 2600 and bool(mask.isfinite().all())


def test_the_streaming_sibling_is_bounded_causal_and_the_same_in_any_chunks() -> None:
    model, x = masker(STREAMING), latent(40)
    parameters = films(model)
    whole, _ = model(x, parameters, model.initial_state(2))
    assert whole.min() >= STREAMING.floor and whole.max() <= 1 and whole.std() > 0.01

    def step(chunk: Tensor, state: object) -> tuple[Tensor, object]:
        return model(chunk, parameters, state)

    streamed, _ = stream(step, x, model.initial_state(2), random_sizes(40, 9))
    assert (streamed - whole).abs().max() <= 1e-5
    changed = x.clone()
    changed[..., 25:] += 1
    other, _ = model(changed, parameters, model.initial_state(2))
    assert torch.equal(other[..., :25], whole[..., :25])


def test_masks_without_bounds_are_not_shared_out() -> None:
    masks = torch.tensor([[[[3.0]], [[-2.0]]]])
    mix = Mix(torch.ones(2), torch.zeros(2), torch.eye(2), torch.zeros(2))
    assert torch.equal(mix(masks, bounded=False), masks)
    assert float(mix(masks.abs())[0, 0]) == pytest.approx(0.6)


@pytest.mark.parametrize("config", [TINY, STREAMING], ids=["paper", "streaming"])
def test_a_bundle_of_it_is_read_back_and_only_the_streaming_one_runs_live(
    tmp_path: Path, config: PaperMaskerConfig
) -> None:
    codec = DacConfig(
        kind="dac", encoder_width=2, strides=(2, 4), decoder_width=8, decoder_strides=(4, 2), codebooks=1
    )
    torch.manual_seed(0)
    separator = Separator(codec, config).eval()
    folder = write_bundle(tmp_path / "paper", separator)
    assert read_config(folder).masker == config and read_config(folder).codec == codec
    bundle = load_bundle(str(folder))
    plugin = CodecSep(bundle, torch.device("cpu"))
    mix = Mix(torch.ones(1), torch.zeros(1), torch.ones(1, 1), torch.zeros(1))
    condition = torch.randn(1, 1, 1, plugin.condition_size)
    heard, _ = plugin.step(torch.randn(1, 2, 80), condition, plugin.initial_state(1, 2, 1, 1), mix)
    assert heard.wave.shape == (1, 1, 2, 80)
    if config.window is None:
        with pytest.raises(BundleError, match="whole recordings"):
            plugin.go_live(played=False)
    else:
        plugin.go_live(played=False)


def test_an_older_configuration_without_kinds_still_means_ours() -> None:
    assert read_config(Path(__file__).parents[1] / "rtsep/bundles/default").codec.kind == "lapped"
    assert Separator(CODEC, STREAMING).masker.causal
