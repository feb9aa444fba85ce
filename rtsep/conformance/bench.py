"""A separator on the bench: probe sounds, a stream in any chunks, its state's tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rtsep.control import Console, Value
from rtsep.models.condition import Condition
from rtsep.models.separator import Separation
from rtsep.nn.streaming import State
from rtsep.separators.conditions import Conditions
from rtsep.separators.protocol import LiveSeparator, SeparatorState

ANY_WORDS = ("speech", "music", "sound effects")
"""What a separator that takes any words is asked for."""


@dataclass(frozen=True)
class Bench:
    """A separator and what it is asked for in the checks."""

    separator: LiveSeparator

    @property
    def prompts(self) -> tuple[str, ...]:
        """Words that it understands, three at most."""
        return tuple(self.separator.prompts)[:3] or ANY_WORDS

    @property
    def conditions(self) -> Conditions:
        """Afresh, so that nothing is remembered."""
        return Conditions(self.separator)

    def condition(self, prompts: Sequence[str], stems: int = 0, **turned: Value) -> Condition:
        """Some of the prompts, on the separator's device."""
        console = Console.of(prompts)
        for name, value in turned.items():
            console = console.turned(name, value)
        found = Condition.of(console, self.conditions, self.separator.condition_size, stems)
        return found.to(self.separator.device)

    def start(self, condition: Condition, channels: int) -> SeparatorState:
        """The state before the first sample."""
        return self.separator.initial_state(1, channels, len(condition), len(condition.mix.dry))

    def step(
        self, sound: Tensor, condition: Condition, state: SeparatorState
    ) -> tuple[Separation, SeparatorState]:
        """One chunk (1, C, T)."""
        film = condition.film[None, :, None]
        return self.separator.step(sound.to(self.separator.device), film, state, condition.mix)

    def run(
        self, sound: Tensor, condition: Condition, hops: Sequence[int] = ()
    ) -> tuple[Separation, SeparatorState]:
        """A whole stream (1, C, T) in chunks of so many hops each; at once if none are named."""
        state, parts = self.start(condition, sound.shape[1]), []
        sizes = [count * self.separator.hop for count in hops] or [sound.shape[-1]]
        for chunk in sound.split(sizes, dim=-1):
            part, state = self.step(chunk, condition, state)
            parts.append(part)
        wave = torch.cat([part.wave for part in parts], dim=-1).cpu()
        return Separation(wave, torch.cat([part.upper_gain for part in parts], dim=-1).cpu()), state

    def hops(self, seconds: float) -> int:
        """So much sound in hops."""
        return max(8, round(seconds * self.separator.sample_rate / self.separator.hop))

    def noise(self, hops: int, channels: int = 1, seed: int = 0) -> Tensor:
        """White noise with bursts ten times as loud, so that there is something to find and to take away."""
        generator = torch.Generator().manual_seed(seed)
        samples = hops * self.separator.hop
        sound = 0.03 * torch.randn(1, channels, samples, generator=generator)
        rate = self.separator.sample_rate
        return sound * torch.where(torch.arange(samples) % (rate // 4) < rate // 12, 10.0, 1.0)


def leaves(state: State) -> Iterator[Tensor]:
    """Every tensor of a state, in order."""
    if isinstance(state, Tensor):
        yield state
    else:
        for part in state:
            yield from leaves(part)


def chunks(hops: int, seed: int = 0) -> list[int]:
    """Chunk sizes in hops, 1 to 7, the first of them 1."""
    random = np.random.default_rng(seed)
    sizes = [1]
    while (left := hops - sum(sizes)) > 0:
        sizes.append(min(left, int(random.integers(1, 8))))
    return sizes
