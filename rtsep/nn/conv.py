"""Causal convolutions with explicit state."""

from __future__ import annotations

from torch import Tensor, cat, nn
from torch.nn.functional import conv1d, conv_transpose1d, linear, pad

from rtsep.nn.streaming import State, Streaming


class CausalConv1d(Streaming):
    """A strided, dilated convolution that sees no future sample.

    Output t ends at input sample ``(t + 1) * stride - 1``. The state is the left context, the last
    ``(kernel - 1) * dilation + 1 - stride`` inputs, zeros at the start.

    Shapes: (B, in_channels, T) with T a multiple of ``stride`` to (B, out_channels, T / stride).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(in_channels, out_channels, kernel, stride, dilation=dilation, bias=bias)
        self.stride, self.dilation = stride, dilation
        self.context = (kernel - 1) * dilation + 1 - stride
        if self.context < 0:
            raise ValueError(f"kernel {kernel} with dilation {dilation} is shorter than stride {stride}")

    def initial_state(self, batch: int) -> State:
        """Zeros of shape (B, in_channels, context)."""
        return self._zeros(batch, self.conv.in_channels, self.context)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Convolve the next chunk; see the class for shapes."""
        x = cat([state, x], dim=-1)
        conv = self.conv
        if x.shape[-1] == self.context + self.stride:
            # One frame, the live case: a matrix product, without the set-up that costs a convolution more.
            taps = x[..., :: self.dilation][..., : conv.kernel_size[0]]
            y = linear(taps.flatten(1), conv.weight.flatten(1), conv.bias)[..., None]
        elif conv.in_channels == 1 and self.dilation == 1:
            # A filter bank over one wave: libraries of convolutions are made for many channels.
            windows = x.unfold(-1, conv.kernel_size[0], self.stride).squeeze(1)
            y = linear(windows, conv.weight.squeeze(1), conv.bias).transpose(1, 2)
        else:
            y = conv1d(x, conv.weight, conv.bias, conv.stride, dilation=conv.dilation)
        return y, x[..., x.shape[-1] - self.context :]


class CausalConvTranspose1d(Streaming):
    """A transposed convolution whose overlapping tail waits in the state.

    Input frame t adds to output samples ``t * stride`` to ``t * stride + kernel - 1``; the first
    ``stride`` of them are then complete. The state is the incomplete tail of ``kernel - stride``
    samples, without the bias, so that overlapping tails do not add it twice.

    Shapes: (B, in_channels, T) to (B, out_channels, T * stride).
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, bias: bool = True
    ) -> None:
        super().__init__()
        if kernel < stride:
            raise ValueError(f"kernel {kernel} is shorter than stride {stride}: samples would be missed")
        self.conv = nn.ConvTranspose1d(in_channels, out_channels, kernel, stride, bias=bias)
        self.stride = stride
        self.overlap = kernel - stride

    def initial_state(self, batch: int) -> State:
        """Zeros of shape (B, out_channels, overlap)."""
        return self._zeros(batch, self.conv.out_channels, self.overlap)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Overlap-add the next frames; see the class for shapes."""
        if x.shape[-1] == 1:
            y = (x.squeeze(-1) @ self.conv.weight.flatten(1)).unflatten(1, self.conv.weight.shape[1:])
        elif self.conv.out_channels == 1 and self.overlap <= self.stride:
            # Likewise back to one wave; each frame reaches into the next one only.
            frames = x.transpose(1, 2) @ self.conv.weight.squeeze(1)
            own = pad(frames[..., : self.stride].flatten(1), (0, self.overlap))
            ahead = pad(frames[..., self.stride :], (0, self.stride - self.overlap)).flatten(1)
            y = (own + pad(ahead, (self.stride, 0))[:, : own.shape[1]])[:, None]
        else:
            y = conv_transpose1d(x, self.conv.weight, None, self.conv.stride)
        y = cat([y[..., : self.overlap] + state, y[..., self.overlap :]], dim=-1)
        complete = x.shape[-1] * self.stride
        y, tail = y[..., :complete], y[..., complete:]
        if self.conv.bias is not None:
            y = y + self.conv.bias[:, None]
        return y, tail
