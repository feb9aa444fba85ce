"""The promise of a device: sample k written is played exactly `prefill` samples after sample k captured.

Pure bookkeeping on integers, shared by the real and the fake device. All times are in samples and
count from the first callback that captures; "captured at" and "played at" are counted at the
callback, so a sample captured and one played by the same callback at the same place are 0 apart.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Placement:
    """What to do with a run of written samples: queue ``zeros``, then samples ``start`` to ``stop``."""

    zeros: int
    start: int
    stop: int


class Alignment:
    """Knows when the next queued sample will be played, and fits what is written to when it is due.

    Two facts drive it. ``captured_from`` says when captured samples were captured (it changes only
    when the capture ring overflowed); ``play_from`` says when playback began (again, after an
    underrun). From them follows, for every run of samples written, how many come too late and are
    dropped, or how many zeros must go before them. In the steady state both are 0.
    """

    def __init__(self, prefill: int, block: int) -> None:
        """Capture and playback start at time 0, with ``prefill`` zeros in the playback ring.

        Args:
            prefill: the promised distance, in samples.
            block: samples a callback, the unit in which silence is counted.

        Raises:
            ValueError: for a negative prefill or a block below 1.
        """
        if prefill < 0 or block < 1:
            raise ValueError(f"prefill {prefill} must be at least 0 and block {block} at least 1")
        self.prefill = prefill
        self.block = block
        self.written = 0
        self.end = prefill
        self.dropouts = 0
        self.lost_samples = 0
        self._segments = [(0, 0)]
        self._counted_blocks = 0

    def captured_from(self, index: int, time: int) -> None:
        """From now on captured sample ``index`` and those after it were captured from ``time`` on."""
        self._segments.append((index, time))

    def silent_until(self, time: int) -> None:
        """Playback has stopped, or will have: everything up to ``time`` is silence, and is counted."""
        if time > self.end:
            self._count(self.end, time)
            self.end = time

    def play_from(self, time: int) -> None:
        """Playback starts at ``time`` from an empty ring, as far as one can tell beforehand."""
        self.silent_until(time)
        self.end = time

    def play_started(self, expected: int, time: int) -> None:
        """Playback expected to start at ``expected`` has started at ``time``: all behind it shifts."""
        if time > expected:
            self._count(self.end, self.end + time - expected)
        self.end += time - expected

    def play_ended(self, time: int) -> None:
        """The ring ran dry at ``time``: nothing is queued any more."""
        self.end = time

    def refused(self, count: int) -> None:
        """The playback ring was full: the last ``count`` samples of a placement did not fit."""
        self.end -= count

    def forgo(self, count: int) -> None:
        """The next ``count`` written samples will not be played: nothing says when they would be due."""
        self.written += count

    def place(self, count: int) -> list[Placement]:
        """Fit the next ``count`` written samples; the caller must queue what the placements say.

        Returns:
            Usually one placement, without zeros and with all samples; more where the capture ring
            overflowed in between. ``start`` and ``stop`` index the written run.
        """
        placements = []
        done = 0
        while done < count:
            run = min(count - done, self._until_next_segment())
            index, time = self._segments[0]
            early = time + self.written - index + self.prefill - self.end
            zeros, late = max(0, early), min(run, max(0, -early))
            self.silent_until(self.end + zeros)
            self.end += run - late
            self.written += run
            placements.append(Placement(zeros, done + late, done + run))
            done += run
        return placements

    def _until_next_segment(self) -> int:
        """Written samples until the capture segment changes (it changes here, where it is due)."""
        while len(self._segments) > 1 and self._segments[1][0] <= self.written:
            del self._segments[0]
        return self._segments[1][0] - self.written if len(self._segments) > 1 else 1 << 62

    def _count(self, start: int, stop: int) -> None:
        """Count the silence from ``start`` to ``stop``, every block touched once."""
        self.lost_samples += stop - start
        first = max(start // self.block, self._counted_blocks)
        self._counted_blocks = max(first, -(-stop // self.block))
        self.dropouts += self._counted_blocks - first
