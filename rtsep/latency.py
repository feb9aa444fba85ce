"""The latency budget: every term named, their sum is the promise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LatencyBudget:
    """Where the time between a sound and its separated self goes; all terms in samples of the device.

    The same budget serves the command line, the reports and, later, the panel and OSC. It does not
    depend on the prompt, and bypass is delayed to match.
    """

    sample_rate: int
    device_in: int
    """From the converter to the callback, as the driver reports it."""
    resample_in: int
    hop: int
    """Waiting until a hop is full."""
    lookahead: int
    """Overlap of the codec's frames."""
    resample_out: int
    inserts: int
    """What effects on the way report, or were found to hold back."""
    ring: int
    """Waiting for the next callback, and the reserve for a late worker."""
    device_out: int
    """From the callback to the converter, as the driver reports it."""
    network: int = 0
    """What the way to a server and back may take, where one makes the masks."""

    @property
    def algorithmic(self) -> int:
        """What the model alone costs: hop and lookahead, in samples."""
        return self.hop + self.lookahead

    @property
    def engine(self) -> int:
        """From the callback that captures to the callback that plays, in samples: the part we promise."""
        return (
            self.resample_in
            + self.hop
            + self.lookahead
            + self.network
            + self.resample_out
            + self.inserts
            + self.ring
        )

    @property
    def total(self) -> int:
        """From microphone to loudspeaker, in samples."""
        return self.device_in + self.engine + self.device_out

    def ms(self, samples: int) -> float:
        """Samples of the device in milliseconds."""
        return 1000 * samples / self.sample_rate

    def terms_ms(self) -> dict[str, float]:
        """Each term in milliseconds, in the order of the signal, then the sums."""
        names = (
            "device_in", "resample_in", "hop", "lookahead", "network", "resample_out", "inserts", "ring",
            "device_out", "algorithmic", "engine", "total",
        )  # fmt: skip
        return {name: self.ms(getattr(self, name)) for name in names}
