"""Gains that come with the model's frames, as curves over the samples that go out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Gains = NDArray[np.float64]


class Tracks:
    """Keeps the gains of each frame until its samples have gone out.

    They cross-fade as the model's own frames do: frame t, at the model's rate, takes over from
    t * hop - lookahead on, for so long or for a hop, whichever is shorter.

    Args:
        first: gains (kinds, outputs) for the time before frame 0.
        hop: samples of a frame, at the model's rate.
        lookahead: samples by which the model's output lags, at its rate.
        model_rate: samples a second of the model.
        sample_rate: samples a second of what goes out.
    """

    def __init__(self, first: Gains, *, hop: int, lookahead: int, model_rate: int, sample_rate: int) -> None:
        self._hop, self._lookahead = hop, lookahead
        self._model_rate, self._sample_rate = model_rate, sample_rate
        self._gains = first[None]
        self._frames = 0

    def append(self, gains: Gains) -> None:
        """Add those of the next frames, (frames, kinds, outputs)."""
        self._gains = np.concatenate([self._gains, gains])
        self._frames += len(gains)

    def over(self, given: int, count: int) -> list[Gains]:
        """Each kind's curve over ``count`` samples after the first ``given``.

        Returns:
            (count, outputs) each, or (1, outputs) where nothing moves, as is mostly so.
        """
        gains = self._forget(given)
        still = (gains == gains[0]).all(axis=(0, 2))
        if still.all():
            return list(gains[0][:, None])
        position, knots = self._position(given, count, len(gains))
        return [
            gains[:1, kind] if still[kind] else _curve(gains[:, kind], position, knots)
            for kind in range(gains.shape[1])
        ]

    def _position(self, given: int, count: int, known: int) -> tuple[Gains, Gains]:
        """Where those samples lie, and where the frames take over, counted from the second frame known."""
        starts = self._hop * np.arange(known - 1)
        begin = starts - self._lookahead
        ends = begin + min(self._lookahead, self._hop)
        knots: Gains = np.stack([begin, ends], axis=1, dtype=np.float64).ravel()
        oldest = self._frames - known  # frame number of gains[0]; frame -1 stands for the one before 0
        rate, model_rate = self._sample_rate, self._model_rate
        position = (np.arange(count) + given % rate) * model_rate / rate
        position += given // rate * model_rate - (oldest + 1) * self._hop
        return position, knots

    def _forget(self, given: int) -> Gains:
        """Let go of frames whose samples have gone out; returns the others."""
        first = given * self._model_rate // (self._hop * self._sample_rate)  # frame of the first sample
        spare = min(first - (self._frames - len(self._gains) + 1), len(self._gains) - 1)
        self._gains = self._gains[max(0, spare) :]
        return self._gains


def _curve(gains: Gains, position: Gains, knots: Gains) -> Gains:
    """Gains (frames, outputs) over positions, from frame to frame between two knots each."""
    pairs = np.stack([gains[:-1], gains[1:]], axis=1).reshape(len(knots), -1)
    return np.stack([np.interp(position, knots, column) for column in pairs.T], axis=1)
