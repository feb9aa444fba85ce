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

    def over(self, given: int, count: int) -> Gains:
        """The curves over ``count`` samples after the first ``given``, (kinds, count, outputs)."""
        gains = self._forget(given)
        starts = self._hop * np.arange(len(gains) - 1)
        begin = starts - self._lookahead
        knots = np.stack([begin, begin + min(self._lookahead, self._hop)], axis=1).ravel()
        oldest = self._frames - len(gains)  # frame number of gains[0]; frame -1 stands for the one before 0
        rate, model_rate = self._sample_rate, self._model_rate
        position = (np.arange(count) + given % rate) * model_rate / rate
        position += given // rate * model_rate - (oldest + 1) * self._hop
        tracks = np.empty((gains.shape[1], count, gains.shape[2]))
        for kind, output in np.ndindex(gains.shape[1:]):
            column = gains[:, kind, output]
            if (column == column[0]).all():  # most of them, most of the time
                tracks[kind, :, output] = column[0]
            else:
                pairs = np.stack([column[:-1], column[1:]], axis=1).ravel()
                tracks[kind, :, output] = np.interp(position, knots, pairs)
        return tracks

    def _forget(self, given: int) -> Gains:
        """Let go of frames whose samples have gone out; returns the others."""
        first = given * self._model_rate // (self._hop * self._sample_rate)  # frame of the first sample
        spare = min(first - (self._frames - len(self._gains) + 1), len(self._gains) - 1)
        self._gains = self._gains[max(0, spare) :]
        return self._gains
