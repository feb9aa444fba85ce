"""What to hear, ready for the model: FiLM parameters and how the masks become outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rtsep.control import Console, linear
from rtsep.models.separator import Mix


@dataclass(frozen=True)
class Condition:
    """P prompts as the separator takes them; a value that is swapped whole."""

    strips: tuple[int, ...]
    """The strip of the console that each prompt belongs to, so that a strip keeps its place in time."""
    film: Tensor
    """(P, parameters)."""
    mix: Mix
    apart: tuple[int, ...] = ()
    """The strips that have an output of their own, in their order; the last one is the rest's."""

    @classmethod
    def of(
        cls,
        console: Console,
        film: Callable[[str], Tensor],
        parameters: int,
        stems: int = 0,
        inserted: Sequence[int] = (),
    ) -> Condition:
        """Look up the prompts in use.

        Args:
            console: strips and residual.
            film: a prompt's FiLM parameters, as a ``FilmCache`` gives them.
            parameters: how many each prompt has.
            stems: 0 for one output that holds everything heard; otherwise the first so many strips and
                the residual are outputs of their own.
            inserted: strips, from 0, that have an effect: outputs of their own as well, at full level, since
                their faders come after it.
        """
        apart = tuple(sorted({*range(stems), *inserted}))
        used = console.used
        if not used:  # the model runs on, so that the next prompt finds it awake
            outputs = len(apart) + 1
            dry = torch.zeros(outputs)
            dry[-1] = console.residual_gain
            none = torch.zeros(1)
            mix = Mix(none, none, torch.zeros(outputs, 1), dry)
            return cls((0,), torch.zeros(1, parameters), mix, apart)
        gains, rest = console.gains, console.residual_gain
        negative = [float(console.strips[index].negative) for index in used]
        # The residual is the input less every stem; see ``staged`` for what that takes.
        weights = [[0.0] * len(used) for _ in apart] + [[-rest] * len(used)]
        for row, strip in enumerate(used):  # a strip beyond those with an output is heard in the last
            output = apart.index(strip) if strip in apart else -1
            weights[output][row] += 1.0 if strip in inserted else gains[row]
        # Every tensor that is made here costs a live engine as much as ten lines of Python.
        parts = torch.tensor([[1 - each for each in negative], negative, *weights])
        dry = torch.tensor([0.0] * len(apart) + [rest])
        films = torch.stack([film(console.strips[index].text) for index in used])
        return cls(used, films, Mix(parts[0], parts[1], parts[2:], dry), apart)

    @classmethod
    def everything(cls, parameters: int) -> Condition:
        """A mask of ones, whatever the model thinks; for measuring the path of the sound."""
        none = torch.zeros(1)
        whole = torch.tensor([1e9])  # any mask that is not quite zero becomes one
        return cls((0,), torch.zeros(1, parameters), Mix(whole, none, torch.ones(1, 1), none))

    def staged(self) -> tuple[Mix, NDArray[np.float32]]:
        """What to decode, and how the finished sounds become the outputs.

        Decoder and sum may change places only where the codec is a linear transform. So a strip with an
        output of its own is decoded as it is, and its gain comes after that; the last output, the residual,
        takes the same finished sounds from the input, so that all add up to it whatever the decoder does.
        What is decoded for the last output itself counts only if something goes in, and with its sign.

        Returns:
            Its mix, and (3, O): the gain of the input in each output, and of each finished sound in its own
            output, and in the last one.
        """
        weights = self.mix.weights.cpu().numpy()  # numpy keeps the interpreter while it works
        gains = np.zeros((3, len(weights)), np.float32)
        gains[0] = self.mix.dry.cpu().numpy()
        decoded = weights
        if self.apart:
            decoded = np.zeros_like(weights)
            for row, strip in enumerate(self.strips):
                if strip in self.apart:
                    output = self.apart.index(strip)
                    decoded[output, row] = 1
                    gains[1:, output] = weights[[output, -1], row]
                else:
                    decoded[-1, row] = weights[-1, row]
        sign = -1.0 if decoded[-1].sum() < 0 else 1.0
        gains[2, -1] = sign * bool(decoded[-1].any())
        if sign < 0 or self.apart:
            decoded = np.concatenate([decoded[:-1], sign * decoded[-1:]])
            return self.mix._replace(weights=torch.from_numpy(decoded).to(self.film.device)), gains
        return self.mix, gains

    def __len__(self) -> int:
        """Number of prompts."""
        return len(self.film)

    def to(self, device: torch.device) -> Condition:
        """The same on another device."""
        if self.film.device == device:
            return self
        mix = Mix(*(part.to(device) for part in self.mix))
        return replace(self, film=self.film.to(device), mix=mix)

    def same(self, other: Condition) -> bool:
        """Whether nothing would change."""
        return self.strips == other.strips and all(map(_equal, self._parts, other._parts))

    def sharing(self, other: Condition) -> Condition:
        """Itself, with the other's own tensors where they are equal: ``toward`` leaves those as they are."""
        film, *mix = (
            theirs if _equal(mine, theirs) else mine
            for mine, theirs in zip(self._parts, other._parts, strict=True)
        )
        return replace(self, film=film, mix=Mix(*mix))

    def rows(self, strips: tuple[int, ...]) -> list[int]:
        """The row of each of ``strips``; the first for one that has none yet."""
        return [self.strips.index(strip) if strip in self.strips else 0 for strip in strips]

    def beside(self, other: Condition) -> tuple[Condition, Condition]:
        """Both over the strips of either; a strip that one of them has not got is not heard there."""
        strips = tuple(sorted({*self.strips, *other.strips}))
        return self._over(strips, other), other._over(strips, self)

    def _over(self, strips: tuple[int, ...], other: Condition) -> Condition:
        """Itself with a row for each of ``strips``; those it lacks are the other's, and not wanted."""
        if strips == self.strips:
            return self
        films, wanted, removed, weights = [], [], [], []
        for strip in strips:
            mine = strip in self.strips
            source = self if mine else other
            row = source.strips.index(strip)
            films.append(source.film[row])
            weights.append(source.mix.weights[:, row])
            wanted.append(source.mix.wanted[row] * mine)
            removed.append(source.mix.removed[row] * mine)
        mix = Mix(torch.stack(wanted), torch.stack(removed), torch.stack(weights, dim=1), self.mix.dry)
        return replace(self, strips=strips, film=torch.stack(films), mix=mix)

    def toward(self, other: Condition, share: float) -> Condition:
        """Part of the way to another condition over the same strips; all of the way at 1."""
        film, *mix = (
            mine if mine is theirs else torch.lerp(mine, theirs, share)
            for mine, theirs in zip(self._parts, other._parts, strict=True)
        )
        return replace(self, film=film, mix=Mix(*mix))

    def of_result(self, console: Console) -> Condition:
        """With what a console does to the result, which in the latent is part of the same mask."""
        wet = 0.0 if console.bypass else console.wet
        gain = linear(console.gain_db) * wet
        mix = self.mix
        dry = gain * mix.dry
        dry[-1] += 1 - wet
        return replace(self, mix=mix._replace(weights=gain * mix.weights, dry=dry))

    @property
    def _parts(self) -> tuple[Tensor, ...]:
        return (self.film, *self.mix)

    @property
    def changes_nothing(self) -> bool:
        """Whether its one output is the untouched input."""
        return not self.mix.weights.any() and bool((self.mix.dry == 1).all())


def _equal(one: Tensor, other: Tensor) -> bool:
    return one is other or torch.equal(one, other)
