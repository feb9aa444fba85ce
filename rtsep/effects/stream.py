"""Plugins that hold samples back, made to lag by a constant number of them.

pedalboard leaves out as many samples at the start as a plugin says it is late, and some of its own effects
return blocks of changing length. Here silence goes through first, until what is held back no longer grows;
from then on as much comes out as goes in, always equally late.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rtsep.effects.protocol import EffectError, Format, Samples

SETTLED_S = 1.0
"""Nothing more is held back after so much silence: settled."""

LONGEST_S = 3.0
"""An effect that takes longer to settle cannot be live."""


class Stream:
    """A plugin's ``process`` with a constant latency.

    Args:
        process: takes (channels, n); returns at most as many samples, the first ones missing.
        form: what it takes; it is given silence here.
        reported_samples: the latency that the plugin reports, if it does.

    Raises:
        EffectError: it does not settle.
    """

    def __init__(
        self, process: Callable[[Samples], Samples], form: Format, reported_samples: Callable[[], int]
    ) -> None:
        self._process, self._reported = process, reported_samples
        held, self._most = self._prime(form)
        self._promised = reported_samples()
        # What it leaves out is right in time; what it does not leave out is late by what it reports.
        inside = self._promised if held < self._promised else 0
        self.latency_samples = self._most + inside
        self._ready = np.zeros((form.channels, self._most - held), np.float32)

    def _prime(self, form: Format) -> tuple[int, int]:
        """Samples held back now, and at most, once silence has gone through."""
        silence = np.zeros((form.channels, form.block), np.float32)
        held = most = calm = given = uneven = 0
        while calm < SETTLED_S * form.sample_rate:
            result = self._process(silence)
            uneven += most > 0 and 0 < result.shape[1] < form.block
            held += silence.shape[1] - result.shape[1]
            calm = 0 if held > most else calm + form.block
            most, given = max(most, held), given + form.block
            if given > (LONGEST_S + SETTLED_S) * form.sample_rate:
                raise EffectError(f"it holds back more than {LONGEST_S:g} s of sound")
        # Blocks of changing length may one day be shorter than in this second.
        return held, most + (form.block if uneven > 1 else 0)

    def clear(self) -> None:
        """The plugin has been reset: it holds nothing back any more, and will hold back as much as before."""
        self._ready = np.zeros((len(self._ready), self._most), np.float32)

    def __call__(self, block: Samples) -> Samples:
        """As many samples as were given.

        Raises:
            EffectError: the plugin returns fewer than it did when it was tried, or reports another latency.
        """
        result = self._process(block)
        if result.ndim != 2 or len(result) != len(block):
            raise EffectError(f"it returned shape {result.shape} instead of {block.shape}")
        count = block.shape[1]
        if (now := self._reported()) != self._promised:
            raise EffectError(f"its latency has become {now} samples from {self._promised}: start again")
        ready = np.concatenate([self._ready, result], axis=1) if self._ready.size else result
        if ready.shape[1] < count:
            raise EffectError(f"it holds back {count - ready.shape[1]} samples more than at the start")
        self._ready = ready[:, count:]
        return ready[:, :count]
