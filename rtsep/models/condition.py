"""What to hear, ready for the model: FiLM parameters and how the masks are joined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rtsep.control import SetPrompts
from rtsep.models.separator import Mix


@dataclass(frozen=True)
class Condition:
    """P prompts as the separator takes them; a value that is swapped whole."""

    film: Tensor
    """(P, parameters)."""
    mix: Mix

    @classmethod
    def of(cls, prompts: SetPrompts, film: Callable[[str], Tensor]) -> Condition:
        """Look the prompts up; without one to keep, everything is kept but what is removed.

        Args:
            prompts: what to keep and what to remove.
            film: a prompt's FiLM parameters, as a ``FilmCache`` gives them.
        """
        kept, removed = len(prompts.keep), len(prompts.remove)
        mix = Mix(
            base=torch.tensor(0.0 if kept else 1.0),
            keep=torch.cat([torch.ones(kept), torch.zeros(removed)]),
            remove=torch.cat([torch.zeros(kept), torch.ones(removed)]),
        )
        return cls(torch.stack([film(words) for words in (*prompts.keep, *prompts.remove)]), mix)

    @classmethod
    def everything(cls, parameters: int) -> Condition:
        """A mask of ones, whatever the model thinks; for measuring the path of the sound."""
        return cls(torch.zeros(1, parameters), Mix(torch.tensor(1.0), torch.zeros(1), torch.zeros(1)))

    def __len__(self) -> int:
        """Number of prompts."""
        return len(self.film)

    def to(self, device: torch.device) -> Condition:
        """The same on another device."""
        return Condition(self.film.to(device), Mix(*(part.to(device) for part in self.mix)))

    def beside(self, other: Condition) -> tuple[Condition, Condition]:
        """Both with the same number of prompts, filled up with prompts that neither keep nor remove."""
        prompts = max(len(self), len(other))
        return self._filled(prompts), other._filled(prompts)

    def _filled(self, prompts: int) -> Condition:
        spare = prompts - len(self)
        film = torch.cat([self.film, self.film[:1].expand(spare, -1)])
        none = self.film.new_zeros(spare)
        mix = Mix(self.mix.base, torch.cat([self.mix.keep, none]), torch.cat([self.mix.remove, none]))
        return Condition(film, mix)

    def toward(self, other: Condition, share: float) -> Condition:
        """Part of the way to another condition with as many prompts; all of the way at 1."""
        mix = Mix(
            *(torch.lerp(mine, theirs, share) for mine, theirs in zip(self.mix, other.mix, strict=True))
        )
        return Condition(torch.lerp(self.film, other.film, share), mix)
