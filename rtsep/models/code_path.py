"""Codes in, codes out: what a server does to a stream of codes, without a waveform anywhere.

::

    codes ─ look up ─ latent ─┬─ masker(latent, FiLM) ─ masks ─ edit ─┐
                              └───────────────────────────────────── mask ─ quantise again ─ codes

Sessions ride in the batch, each with prompts and gains of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rtsep.models.condition import Condition
from rtsep.models.separator import Mix, Separator
from rtsep.nn.streaming import State, each_leaf


class Edits(NamedTuple):
    """What S sessions want done to their codes: R prompts in all, at most P in a session, one output each."""

    film: Tensor
    """(R, 1, parameters)."""
    owner: Tensor
    """(R,), the session of each prompt."""
    place: Tensor
    """(S, P), the prompt at each place of a session; any where there is none."""
    mix: Mix
    """(S, P), (S, P), (S, 1, P) and (S, 1); zeros where a session has no prompt."""

    @classmethod
    def of(cls, conditions: Sequence[Condition]) -> Edits:
        """The wishes of several sessions, in their order."""
        counts = [len(condition) for condition in conditions]
        shape = len(conditions), max(counts)
        place = torch.zeros(shape, dtype=torch.int64)
        wanted, removed, weights = (torch.zeros(shape) for _ in range(3))
        first = 0
        for row, (condition, count) in enumerate(zip(conditions, counts, strict=True)):
            place[row, :count] = torch.arange(first, first + count)
            wanted[row, :count], removed[row, :count] = condition.mix.wanted, condition.mix.removed
            weights[row, :count] = condition.mix.weights[0]
            first += count
        return cls(
            torch.cat([condition.film for condition in conditions])[:, None],
            torch.arange(len(counts)).repeat_interleave(torch.tensor(counts)),
            place,
            Mix(wanted, removed, weights[:, None], torch.stack([each.mix.dry for each in conditions])),
        )

    def only(self, session: int, rows: Tensor) -> Edits:
        """What one session wants, whose prompts are those rows."""
        count = len(rows)
        owner = torch.zeros(count, dtype=torch.int64)
        wanted, removed, weights, dry = (part[session : session + 1] for part in self.mix)
        mix = Mix(wanted[:, :count], removed[:, :count], weights[..., :count], dry)
        return Edits(self.film[rows], owner, torch.arange(count)[None], mix)


class PathState(NamedTuple):
    """What is between two frames."""

    masker: State
    """A row for each of the R prompts."""
    coding: State
    """Of the quantiser: encoding and decoding, each (S, channels, ...)."""


CodeStep = Callable[[Tensor, Edits, PathState], tuple[Tensor, PathState]]
"""One frame of S sessions: codes (S, channels, 1 + codebooks, 1), edits, the state; codes and state anew."""


class CodePath(nn.Module):
    """The masker between a quantiser and itself.

    Args:
        separator: the model; encoder and decoder are not used.
        codebooks: how many of its codebooks the codes have.
    """

    def __init__(self, separator: Separator, codebooks: int) -> None:
        super().__init__()
        self.separator, self.codebooks = separator, codebooks

    def initial_state(self, sessions: int, channels: int, prompts: int) -> PathState:
        """Before the first frame, for so many sessions with so many prompts in all."""
        coding = self.separator.codec.quantizer.initial_state(sessions * channels)
        shaped = each_leaf(coding, lambda leaf: leaf.unflatten(0, (sessions, channels)))
        return PathState(self.separator.masker.initial_state(prompts), shaped)

    def forward(self, codes: Tensor, edits: Edits, state: PathState) -> tuple[Tensor, PathState]:
        """Edit (S, channels, 1 + codebooks, T)."""
        quantizer, masker = self.separator.codec.quantizer, self.separator.masker
        channels = codes.shape[1]

        def apart(leaf: Tensor) -> Tensor:
            shaped: Tensor = leaf.unflatten(0, (-1, channels))
            return shaped

        encoding, decoding = each_leaf(state.coding, lambda leaf: leaf.flatten(0, 1))
        found, decoding = quantizer.decode(codes.flatten(0, 1), decoding)
        latent = apart(found)
        masks, masker_state = masker(masker.features(latent)[edits.owner], edits.film, state.masker)
        mask = edits.mix(masks[edits.place], masker.bounded) + edits.mix.dry[..., None, None]
        edited, encoding = quantizer.encode((mask * latent).flatten(0, 1), encoding, self.codebooks)
        return apart(edited), PathState(masker_state, each_leaf((encoding, decoding), apart))


MOST_KBPS = 8.0
"""Bit rate of a channel that the number of codebooks is chosen for, where nobody chooses it."""


def codebooks_within(separator: Separator, kbps: float = MOST_KBPS) -> int:
    """How many codebooks that many thousand bits a second take, at least 1."""
    frame_bits = 1000 * kbps * separator.hop / separator.sample_rate
    sizes = separator.codec.quantizer.sizes()
    totals = accumulate((size - 1).bit_length() for size in sizes)
    level = len(sizes) - separator.codec.config.codebooks
    return max(1, sum(total <= frame_bits for total in totals) - level)
