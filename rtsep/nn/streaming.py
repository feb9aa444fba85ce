"""The streaming protocol: one forward for training, files and live.

A streaming layer maps ``(x, state)`` to ``(y, state)``. The state is a plain value, a tensor or a
tuple of states, made by ``initial_state(batch)``; the layer keeps nothing between calls. Feeding a
signal in any chunks gives what feeding it whole gives. Reset is a fresh initial state, a snapshot is
keeping the reference, and streams side by side are the batch dimension.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

State: TypeAlias = Tensor | tuple["State", ...]


class Streaming(nn.Module):
    """A layer of the streaming protocol, causal unless it says otherwise."""

    def initial_state(self, batch: int) -> State:
        """State before the first sample, for ``batch`` streams side by side."""
        raise NotImplementedError(f"{type(self).__name__} defines no initial_state")

    def _zeros(self, *shape: int) -> Tensor:
        """Zeros of ``shape`` on the device and in the precision of this layer's weights."""
        weight = next(self.parameters())
        return torch.zeros(shape, dtype=weight.dtype, device=weight.device)


class Sequential(Streaming):
    """Streaming layers one after another; plain modules (activations) in between carry no state."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def initial_state(self, batch: int) -> State:
        """One state for each streaming layer, in order."""
        return tuple(layer.initial_state(batch) for layer in self.layers if isinstance(layer, Streaming))

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Run ``x`` (B, C, T) through every layer."""
        old, new = iter(state), []
        for layer in self.layers:
            if isinstance(layer, Streaming):
                x, layer_state = layer(x, next(old))
                new.append(layer_state)
            else:
                x = layer(x)
        return x, tuple(new)


class Delay(Streaming):
    """The input, later; the state is the samples that wait, zeros at the start.

    Args:
        channels: of the input.
        samples: by which the output lags.
    """

    silence: Tensor

    def __init__(self, channels: int, samples: int) -> None:
        super().__init__()
        self.register_buffer("silence", torch.zeros(channels, samples), persistent=False)

    def initial_state(self, batch: int) -> State:
        """Silence of shape (B, channels, samples)."""
        return self.silence.expand(batch, -1, -1)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Delay (B, C, T)."""
        x = torch.cat([state, x], dim=-1)
        samples = state.shape[-1]
        return x[..., : x.shape[-1] - samples], x[..., x.shape[-1] - samples :]


class Onset(Streaming):
    """Silence before time 0, for a signal that lags: what stands there is no sound, only what biases make.

    A convolution that looks ahead sees zeros before the start, as where it is padded with them. The state is
    how many samples are still to come before time 0, (B,), int64.

    Args:
        delay: samples by which the signal lags.
    """

    delay: Tensor

    def __init__(self, delay: int) -> None:
        super().__init__()
        self.register_buffer("delay", torch.tensor(delay), persistent=False)

    def initial_state(self, batch: int) -> State:
        """All of the delay."""
        return self.delay.expand(batch)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Silence the samples of (B, C, T) before time 0."""
        heard = torch.arange(x.shape[-1], device=x.device) >= state[:, None]
        return x * heard[:, None], (state - x.shape[-1]).clamp(min=0)


class Residual(Streaming):
    """``x + branch(x)`` for a branch that keeps the length; ``x`` waits for a branch that looks ahead.

    Args:
        branch: what is added.
        wait: the delay of ``x``, as long as the branch's lookahead; none for a causal one.
    """

    def __init__(self, branch: Streaming, wait: Delay | None = None) -> None:
        super().__init__()
        self.branch, self.wait = branch, wait

    def initial_state(self, batch: int) -> State:
        """The branch's state, and with it that of the delay, where there is one."""
        state = self.branch.initial_state(batch)
        return state if self.wait is None else (state, self.wait.initial_state(batch))

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Add the branch's output to ``x`` (B, C, T)."""
        if self.wait is None:
            y, state = self.branch(x, state)
            return x + y, state
        branch_state, waiting = state
        y, branch_state = self.branch(x, branch_state)
        x, waiting = self.wait(x, waiting)
        return x + y, (branch_state, waiting)


def each_leaf(state: State, change: Callable[[Tensor], Tensor]) -> Any:
    """A state of the same form, each of its tensors changed."""
    return change(state) if isinstance(state, Tensor) else tuple(each_leaf(part, change) for part in state)


def select_rows(state: State, rows: Tensor) -> State:
    """The state of some of the streams, in the order of their numbers in ``rows``."""
    if isinstance(state, Tensor):
        return state.index_select(0, rows)
    return tuple(select_rows(part, rows) for part in state)


def join_rows(states: Sequence[State]) -> State:
    """The state of several streams side by side."""
    tensors = [state for state in states if isinstance(state, Tensor)]
    if tensors:
        return torch.cat(tensors)
    parts = zip(*(state for state in states if not isinstance(state, Tensor)), strict=True)
    return tuple(join_rows(part) for part in parts)
