"""How many samples have come out of the pipeline after how many in: what a latency is promised by."""

from __future__ import annotations

import math

from rtsep.audio.resample import Ratio
from rtsep.latency import LatencyBudget
from rtsep.separators.protocol import Steps


class Timing:
    """How many samples come out after how many in, in whole numbers, without running anything."""

    def __init__(
        self, separator: Steps, sample_rate: int, inserts_samples: int = 0, chunk_hops: int = 1
    ) -> None:
        self.chunk_hops = chunk_hops
        """Hops that go through the model together."""
        self.inserts = inserts_samples
        """What effects on the way add."""
        self.hop, self.lookahead, self.network = separator.hop, separator.lookahead, separator.network
        self.sample_rate, self.model_rate = sample_rate, separator.sample_rate
        self.down = Ratio.between(sample_rate, separator.sample_rate)
        self.up = Ratio.between(separator.sample_rate, sample_rate)

    def emitted(self, received: int) -> int:
        """Samples out, in total, after ``received`` samples in."""
        return max(0, self.mixed(received) - self.inserts)

    def mixed(self, received: int) -> int:
        """The same without inserts."""
        hops = self.down.available(received) // (self.hop * self.chunk_hops) * self.chunk_hops
        return min(self.up.available(max(0, hops * self.hop - self.lookahead)), received)

    @property
    def period(self) -> int:
        """``emitted`` repeats, shifted, after so many samples, a whole number of hops at both rates."""
        chunk = self.chunk_hops * self.hop * self.sample_rate
        return chunk // math.gcd(chunk, self.model_rate)

    def budget(self, prefill: int, device: tuple[int, int]) -> LatencyBudget:
        """Split a prefill into terms; ``device`` is what the driver adds, in and out."""

        def at_device(samples: int) -> int:
            return -(-samples * self.sample_rate // self.model_rate)

        hop, delay = at_device(self.chunk_hops * self.hop), at_device(self.lookahead)
        network = at_device(self.network)
        reach_in, reach_out = self.down.reach, self.up.reach
        ring = prefill - hop - delay - reach_in - reach_out - self.inserts
        return LatencyBudget(
            self.sample_rate, device[0], reach_in, hop, delay - network, reach_out, self.inserts, ring,
            device[1], network,
        )  # fmt: skip
