"""Causal convolutions: chunks of any size give what the whole gives, which is what torch gives."""

from __future__ import annotations

import itertools

import pytest
import torch
from builders import random_sizes, stream
from torch.nn.functional import conv1d, conv_transpose1d, pad

from rtsep.nn.conv import CausalConv1d, CausalConvTranspose1d

SHAPES = [
    (kernel, stride, dilation)
    for kernel, stride, dilation in itertools.product((1, 2, 3, 7, 16), (1, 2, 5), (1, 2, 4))
    if (kernel - 1) * dilation + 1 >= stride
]
TRANSPOSED = [
    (kernel, stride) for kernel, stride in itertools.product((1, 2, 7, 16), (1, 2, 5)) if kernel >= stride
]
PRECISIONS = [(torch.float32, 1e-6), (torch.float64, 1e-14)]
FRAMES = 70


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), SHAPES)
def test_chunks_of_a_convolution_give_the_left_padded_whole(
    kernel: int, stride: int, dilation: int, channels: int, dtype: torch.dtype, tolerance: float
) -> None:
    layer = CausalConv1d(channels, 5, kernel, stride=stride, dilation=dilation).to(dtype)
    x = torch.randn(2, channels, FRAMES * stride, dtype=dtype)
    conv = layer.conv
    expected = conv1d(pad(x, (layer.context, 0)), conv.weight, conv.bias, stride, dilation=dilation)
    single = [1] * FRAMES
    for sizes in ([FRAMES], single, random_sizes(FRAMES, 9, 1), random_sizes(FRAMES, 3, 2)):
        y, state = stream(layer, x, layer.initial_state(2), sizes, stride)
        assert y.shape == (2, 5, FRAMES)
        assert (y - expected).abs().max() <= tolerance
        assert torch.equal(state, x[..., x.shape[-1] - layer.context :])


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize(("kernel", "stride"), TRANSPOSED)
def test_chunks_of_a_transposed_convolution_give_the_whole(
    kernel: int, stride: int, channels: int, bias: bool, dtype: torch.dtype, tolerance: float
) -> None:
    layer = CausalConvTranspose1d(3, channels, kernel, stride=stride, bias=bias).to(dtype)
    x = torch.randn(2, 3, FRAMES, dtype=dtype)
    expected = conv_transpose1d(x, layer.conv.weight, layer.conv.bias, stride)[..., : FRAMES * stride]
    for sizes in ([FRAMES], [1] * FRAMES, random_sizes(FRAMES, 9, 1), random_sizes(FRAMES, 3, 2)):
        y, state = stream(layer, x, layer.initial_state(2), sizes)
        assert (y - expected).abs().max() <= tolerance
        assert state.shape == (2, channels, kernel - stride)


@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(3, 1, 2), (8, 4, 1)])
def test_a_convolution_sees_no_future_sample(kernel: int, stride: int, dilation: int) -> None:
    layer = CausalConv1d(1, 2, kernel, stride=stride, dilation=dilation)
    x = torch.randn(1, 1, 20 * stride)
    changed = x.clone()
    changed[..., 10 * stride :] += 1
    y, _ = layer(x, layer.initial_state(1))
    z, _ = layer(changed, layer.initial_state(1))
    assert torch.equal(y[..., :10], z[..., :10])
    assert not torch.allclose(y[..., 10], z[..., 10])


def test_a_kernel_shorter_than_its_stride_is_refused() -> None:
    with pytest.raises(ValueError, match="kernel 2 with dilation 1 is shorter than stride 3"):
        CausalConv1d(1, 1, 2, stride=3)
    with pytest.raises(ValueError, match="kernel 2 is shorter than stride 3"):
        CausalConvTranspose1d(1, 1, 2, stride=3)
