"""The streaming protocol: one forward for training, files and live.

A streaming layer maps ``(x, state)`` to ``(y, state)``. The state is a plain value, a tensor or a
tuple of states, made by ``initial_state(batch)``; the layer keeps nothing between calls. Feeding a
signal in any chunks gives what feeding it whole gives. Reset is a fresh initial state, a snapshot is
keeping the reference, and streams side by side are the batch dimension.
"""

from __future__ import annotations

from typing import TypeAlias

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


class Residual(Streaming):
    """``x + branch(x)`` for a causal branch that keeps the length."""

    def __init__(self, branch: Streaming) -> None:
        super().__init__()
        self.branch = branch

    def initial_state(self, batch: int) -> State:
        """The branch's state."""
        return self.branch.initial_state(batch)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Add the branch's output to ``x`` (B, C, T)."""
        y, state = self.branch(x, state)
        return x + y, state
