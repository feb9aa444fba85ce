"""What an audio device promises, and what it is built on: protocols only.

A transport is two rings with a callback between them: the sound card's (rtmixer_transport.py) or a
simulated one (fake.py). duplex.py makes a device of either.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""Sound, -1..1: (n, channels) where nothing else is said."""


Unwanted = Callable[[str | None], bool]
"""Whether nobody wants a device any more that is waited for. Told meanwhile what keeps it away: what it
refuses, no words where it is not there, None before that is known."""


class AudioDevice(Protocol):
    """A duplex sound card: the k-th sample written is played ``prefill_samples`` after the k-th captured.

    Both are counted at the callback; ``device_latency_samples`` comes on top. One thread makes all the
    calls; the properties may be read from any.
    """

    @property
    def sample_rate(self) -> int:
        """Samples a second, in and out."""
        ...

    @property
    def channels_in(self) -> int:
        """Channels captured."""
        ...

    @property
    def channels_out(self) -> int:
        """Channels played."""
        ...

    @property
    def block(self) -> int:
        """The most samples the device hands over at once; known as soon as it is open."""
        ...

    @property
    def prefill_samples(self) -> int:
        """The promised distance from captured to played; 0 before the start."""
        ...

    @property
    def device_latency_samples(self) -> tuple[int, int]:
        """What driver and converters add on the way in and out, as the driver reports it."""
        ...

    @property
    def dropouts(self) -> int:
        """Blocks of output that were silent, wholly or in part, or that the driver reported late."""
        ...

    @property
    def lost_samples(self) -> int:
        """Sample periods of silence where there should have been output."""
        ...

    @property
    def alive(self) -> bool:
        """Whether the device is still calling back."""
        ...

    def start(self, prefill_samples: int) -> None:
        """Begin to capture, and to play ``prefill_samples`` zeros and then what is written."""
        ...

    def renew(self, prefill_samples: int) -> None:
        """Promise another latency, from the next sample written on; silence fills what it is longer."""
        ...

    def wait(self, timeout_s: float) -> bool:
        """Wait until something is captured; whether there is something."""
        ...

    def read(self) -> NDArray[np.float32]:
        """All captured samples that were not read yet: (n, channels_in), n may be 0."""
        ...

    def write(self, samples: NDArray[np.float32]) -> None:
        """Have (n, channels_out) or (n, 1) samples played when they are due."""
        ...

    def stop(self) -> None:
        """Stop and let go of the device."""
        ...


class Run(Protocol):
    """One stretch of recording or playing, from its first callback until its ring was full or empty."""

    @property
    def started(self) -> int | None:
        """When it began, in samples since the first run of all; None until the callback took it up."""
        ...

    @property
    def ended(self) -> bool:
        """Whether its ring was full (recording) or empty (playing); it never comes back to life."""
        ...

    @property
    def done(self) -> int:
        """Samples recorded or played; exact once it has ended."""
        ...


class Transport(Protocol):
    """Two rings and the callback between them. Arrays are (n, channels) float32."""

    sample_rate: int
    channels_in: int
    channels_out: int
    block: int
    latency_samples: tuple[int, int]

    @property
    def alive(self) -> bool:
        """Whether the callbacks still come."""
        ...

    @property
    def flagged(self) -> int:
        """Callbacks since the start that the driver itself reported as late or missed."""
        ...

    def begin(self, zeros: int) -> tuple[Run, Run]:
        """Record and play from the same callback on, time 0, with so many zeros in the playback ring."""
        ...

    def record(self) -> Run:
        """Record again from the next callback on."""
        ...

    def play(self) -> Run:
        """Play again from the next callback on."""
        ...

    def waiting(self) -> int:
        """Captured samples not yet taken."""
        ...

    def take(self) -> NDArray[np.float32]:
        """Take all captured samples out of the ring."""
        ...

    def queue(self, samples: NDArray[np.float32]) -> int:
        """Put samples into the playback ring; returns how many fitted."""
        ...

    def discard(self) -> None:
        """Empty the playback ring; only while nothing plays."""
        ...

    def halt(self) -> None:
        """Stop the callbacks and let go of the device."""
        ...
