"""What a separator has to be so that rtsep can run it: live, over files and from Python, alike.

Write a class that inherits from :class:`LiveSeparator`, and name it in the entry points of your package::

    [project.entry-points."rtsep.separators"]
    mine = "mypackage:Mine"

It is called with the torch device that is to run it. docs/plugin.md goes through one line by line;
``python -m rtsep.conformance mypackage`` says whether what it promises is true.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from rtsep.models.separator import Mix, Separation
from rtsep.nn.streaming import State

__all__ = ["LiveSeparator", "Mix", "Separation", "SeparatorState", "State", "Steps"]

SeparatorState: TypeAlias = tuple[State, State, State]
"""What a stream leaves behind, in three parts: of the mixture, of each prompt (tensors whose first dimension
is batch * prompts), of each output. Prompts come and go while sound runs: the host reorders the rows of the
second part, and of that alone. A part without anything is ``()``."""


class Steps(Protocol):
    """The part of a separator that a pipeline runs."""

    @property
    def sample_rate(self) -> int:
        """Samples a second that it works at; the host converts."""
        ...

    @property
    def hop(self) -> int:
        """Samples a step takes and gives, at the least; chunks are whole numbers of hops."""
        ...

    @property
    def lookahead(self) -> int:
        """Samples by which what comes out lags what went in; below the first so many there is nothing."""
        ...

    @property
    def network(self) -> int:
        """How many of these the way to another machine and back may take."""
        ...

    @property
    def condition_size(self) -> int:
        """Numbers that stand for a prompt."""
        ...

    @property
    def device(self) -> torch.device:
        """Where it wants its tensors."""
        ...

    def initial_state(self, batch: int, channels: int, prompts: int, outputs: int) -> SeparatorState:
        """The state before the first sample."""
        ...

    def step(
        self, mixture: Tensor, condition: Tensor, state: SeparatorState, mix: Mix
    ) -> tuple[Separation, SeparatorState]:
        """Separate a chunk; see :class:`LiveSeparator`."""
        ...


class LiveSeparator:
    """A separator of any kind: learned or not, steered by words or not. Inherit, and fill in.

    Args:
        device: the torch device that is to run it.
    """

    name: str
    """How ``--separator`` and ``rtsep bundles`` call it; that of the entry point."""
    description: str = ""
    """One line for ``rtsep bundles``."""
    sample_rate: int
    hop: int
    lookahead: int
    network: int = 0
    condition_size: int = 1
    prompts: Sequence[str] = ()
    """The words it understands; empty where it takes any."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def condition(self, prompt: str) -> Tensor:
        """The numbers (condition_size,) that stand for a prompt, on the CPU.

        May take long; called off the audio path, once a prompt. From one prompt to the next the host fades,
        so what lies between two conditions should make some sense as well.

        Raises:
            CommandError: the words cannot be understood.
        """
        raise NotImplementedError

    def initial_state(self, batch: int, channels: int, prompts: int, outputs: int) -> SeparatorState:
        """The state before the first sample, on ``device``."""
        raise NotImplementedError

    def step(
        self, mixture: Tensor, condition: Tensor, state: SeparatorState, mix: Mix
    ) -> tuple[Separation, SeparatorState]:
        """Separate a chunk of a stream. Any chunking gives the same sound; nothing is kept but the state.

        Args:
            mixture: (B, audio channels, T), T a whole number of hops.
            condition: (B, P, 1, condition_size), a row for each prompt.
            state: from ``initial_state`` or from the chunk before; left as it is.
            mix: makes the outputs of the prompts: of masks, as ``mix(masks)``, or of finished sounds, as
                ``mix.waves(stems)``. The untouched input that belongs to an output is added by the host.

        Returns:
            The separated sound (B, O, audio channels, T), ``lookahead`` samples late, with what becomes of
            the band above the separator's own, (B, O, hops): 1 keeps it, 0 takes it away. And the new state.
        """
        raise NotImplementedError

    def knows(self, prompt: str) -> bool:
        """Whether ``condition`` returns at once."""
        return True

    def go_live(self, played: bool) -> None:
        """Told once, before it runs hop by hop in real time; the time for what is slow once and fast after.

        Args:
            played: whether somebody will change the words while it runs.
        """

    def close(self) -> None:
        """Let go of what is held beside memory."""
