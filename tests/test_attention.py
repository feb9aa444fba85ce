"""Windowed attention: equal to its dense definition, bounded, and at home at any point of time."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from builders import random_sizes, stream, tensors
from torch import Tensor, nn

from rtsep.nn.attention import PERIOD, Positions, WindowedAttention

WIDTH, HEADS, WINDOW = 16, 2, 6
PRECISIONS = [(torch.float32, 1e-6), (torch.float64, 1e-14)]


class Layer(nn.Module):
    """Positions and one attention, as the masker joins them, over (B, width, T)."""

    def __init__(self, window: int = WINDOW) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.positions = Positions(WIDTH // HEADS, window)
        self.attention = WindowedAttention(WIDTH, HEADS, window)
        self.requires_grad_(False)

    def initial_state(self, batch: int) -> Any:
        """Of both."""
        return self.positions.initial_state(batch), self.attention.initial_state(batch)

    def forward(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Attend over (B, width, T)."""
        context, seen = self.positions(x.shape[-1], state[0])
        y, cache = self.attention(x.transpose(1, 2), context, state[1])
        return y.transpose(1, 2), (seen, cache)


def dense(layer: Layer, x: Tensor, window: int = WINDOW) -> Tensor:
    """The definition, frame by frame: softmax of rotated products over itself and the frames before."""
    batch, _, frames = x.shape
    projected = layer.attention.qkv(x.transpose(1, 2)).view(batch, frames, 3, HEADS, -1)
    query, key, value = projected.unbind(2)
    half = WIDTH // HEADS // 2
    turn = torch.complex(layer.positions.cosine[:, half:], layer.positions.sine[:, half:])[:frames, None]
    query, key = (torch.complex(part[..., :half], part[..., half:]) * turn for part in (query, key))
    outputs = []
    for t in range(frames):
        first = max(0, t - window + 1)
        score = torch.einsum("bhd,bthd->bht", query[:, t], key[:, first : t + 1].conj()).real
        share = (score / (2 * half) ** 0.5).softmax(dim=-1)
        outputs.append(torch.einsum("bht,bthd->bhd", share, value[:, first : t + 1]).flatten(1))
    y: Tensor = layer.attention.out(torch.stack(outputs, dim=1))
    return y.transpose(1, 2)


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("frames", [1, 5, 6, 7, 12, 50])
def test_attention_is_its_dense_definition(frames: int, dtype: torch.dtype, tolerance: float) -> None:
    layer = Layer().to(dtype)
    x = torch.randn(2, WIDTH, frames, dtype=dtype)
    y, _ = layer(x, layer.initial_state(2))
    assert (y - dense(layer, x)).abs().max() <= tolerance


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("most", [1, 2, WINDOW, 20])
def test_chunks_of_frames_give_the_whole(most: int, dtype: torch.dtype, tolerance: float) -> None:
    layer = Layer().to(dtype)
    x = torch.randn(2, WIDTH, 61, dtype=dtype)
    whole, _ = layer(x, layer.initial_state(2))
    chunked, _ = stream(layer, x, layer.initial_state(2), random_sizes(61, most, most))
    assert (chunked - whole).abs().max() <= tolerance


@pytest.mark.parametrize("sizes", [[40], [1] * 40, [13, 27]])
def test_a_frame_is_seen_for_one_window_and_no_longer(sizes: list[int]) -> None:
    layer = Layer()
    x = torch.randn(1, WIDTH, 40)
    changed = x.clone()
    changed[..., 10] += 3
    y, _ = stream(layer, x, layer.initial_state(1), sizes)
    z, _ = stream(layer, changed, layer.initial_state(1), sizes)
    moved = (y - z).abs().amax(dim=(0, 1)) > 1e-7
    assert moved.nonzero().flatten().tolist() == list(range(10, 10 + WINDOW))
    assert torch.equal(y[..., 10 + WINDOW :], z[..., 10 + WINDOW :])


def test_streams_side_by_side_do_not_touch() -> None:
    layer = Layer()
    x = torch.randn(3, WIDTH, 30)
    y, _ = layer(x, layer.initial_state(3))
    changed = x.clone()
    changed[::2] *= -2
    assert torch.equal(layer(changed, layer.initial_state(3))[0][1], y[1])
    assert (layer(x[1:2], layer.initial_state(1))[0] - y[1:2]).abs().max() <= 1e-6


def test_streams_side_by_side_may_be_of_different_age() -> None:
    layer = Layer()
    x = torch.randn(1, WIDTH, 30)
    _, (seen, (keys, values)) = layer(x[..., :4], layer.initial_state(1))
    fresh_seen, (fresh_keys, fresh_values) = layer.initial_state(1)
    state = (
        torch.cat([seen, fresh_seen]),
        (torch.cat([keys, fresh_keys]), torch.cat([values, fresh_values])),
    )
    y, _ = layer(torch.cat([x[..., 4:24], x[..., :20]]), state)
    whole, _ = layer(x, layer.initial_state(1))
    assert (y[0] - whole[0, :, 4:24]).abs().max() <= 1e-6
    assert (y[1] - whole[0, :, :20]).abs().max() <= 1e-6


@pytest.mark.parametrize("turns", [1, 2, 1_000_000_000])
def test_a_stream_at_a_whole_number_of_periods_equals_one_at_the_first(turns: int) -> None:
    layer = Layer()
    x = torch.randn(1, WIDTH, 20)
    _, (seen, cache) = layer(x, layer.initial_state(1))
    later = seen + turns * PERIOD
    y, (end, _) = layer(x, (seen, cache))
    z, (later_end, _) = layer(x, (later, cache))
    assert torch.equal(y, z)
    assert int(later_end - end) == turns * PERIOD


def test_after_three_periods_only_the_last_window_matters_and_the_state_is_no_larger() -> None:
    layer = Layer()
    frames = 3 * PERIOD + 5
    x = torch.randn(1, WIDTH, frames)
    fresh = layer.initial_state(1)
    long, state = stream(layer, x, fresh, [PERIOD] * 3 + [5])
    assert [part.shape for part in tensors(state)] == [part.shape for part in tensors(fresh)]
    assert int(state[0]) == frames
    young, _ = layer(x[..., -WINDOW - 20 :], layer.initial_state(1))
    assert long.isfinite().all()
    assert (long[..., -20:] - young[..., -20:]).abs().max() <= 2e-6


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=f"at most {PERIOD // 2} frames"):
        Positions(8, PERIOD // 2 + 1)
    with pytest.raises(ValueError, match="multiple of twice the heads"):
        WindowedAttention(18, 4, 8)
