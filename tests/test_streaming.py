"""The streaming protocol: state is a value, and containers hand it on."""

from __future__ import annotations

import pytest
import torch
from builders import random_sizes, stream, tensors
from torch import nn

from rtsep.nn.conv import CausalConv1d, CausalConvTranspose1d
from rtsep.nn.snake import Snake
from rtsep.nn.streaming import Residual, Sequential, Streaming


def tower(seed: int = 0) -> Sequential:
    """Down by 2, a residual unit, up by 2, with activations between."""
    torch.manual_seed(seed)
    unit = Residual(Sequential(Snake(6), CausalConv1d(6, 4, 3, dilation=3), nn.Tanh(), CausalConv1d(4, 6, 1)))
    return Sequential(
        CausalConv1d(1, 6, 5, stride=2), unit, Snake(6), CausalConvTranspose1d(6, 1, 4, stride=2)
    )


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
@pytest.mark.parametrize("most", [1, 2, 7, 60])
def test_chunks_through_nested_containers_give_the_whole(
    most: int, dtype: torch.dtype, tolerance: float
) -> None:
    layer = tower().to(dtype)
    x = torch.randn(3, 1, 200, dtype=dtype)
    whole, _ = layer(x, layer.initial_state(3))
    chunked, _ = stream(layer, x, layer.initial_state(3), random_sizes(100, most, most), unit=2)
    assert (chunked - whole).abs().max() <= tolerance


def test_a_state_is_a_value_that_a_step_leaves_alone() -> None:
    layer = tower()
    x = torch.randn(1, 1, 40)
    _, snapshot = layer(x, layer.initial_state(1))
    before = [part.clone() for part in tensors(snapshot)]
    first, _ = layer(x, snapshot)
    second, _ = layer(x, snapshot)
    assert torch.equal(first, second)
    assert all(torch.equal(old, new) for old, new in zip(before, tensors(snapshot), strict=True))


def test_the_size_of_a_state_never_changes() -> None:
    layer = tower()
    state = layer.initial_state(2)
    shapes = [part.shape for part in tensors(state)]
    assert len(shapes) == 4  # the activations carry none
    for size in (2, 30, 2, 8):
        _, state = layer(torch.randn(2, 1, size), state)
        assert [part.shape for part in tensors(state)] == shapes


def test_streams_side_by_side_do_not_touch() -> None:
    layer = tower()
    x = torch.randn(2, 1, 60)
    both, _ = layer(x, layer.initial_state(2))
    alone, _ = layer(x[1:], layer.initial_state(1))
    assert (both[1:] - alone).abs().max() <= 1e-6
    changed = x.clone()
    changed[0] = 9.0
    assert torch.equal(layer(changed, layer.initial_state(2))[0][1], both[1])


def test_a_state_has_the_precision_of_the_weights() -> None:
    assert {part.dtype for part in tensors(tower().double().initial_state(1))} == {torch.float64}


def test_a_layer_without_a_state_says_so() -> None:
    class Forgetful(Streaming):
        pass

    with pytest.raises(NotImplementedError, match="Forgetful defines no initial_state"):
        Forgetful().initial_state(1)
