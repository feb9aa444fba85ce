"""What an engine makes its pipelines from, and what latency it can promise with them on a device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from rtsep.audio.contract import AudioDevice
from rtsep.audio.prefill import callbacks_late, prefill_samples
from rtsep.control import Console
from rtsep.effects.rack import Rack
from rtsep.lanes import Lanes
from rtsep.latency import LatencyBudget
from rtsep.models.condition import Condition
from rtsep.models.onnx import Step
from rtsep.pipeline import Pipeline
from rtsep.separators.protocol import Steps
from rtsep.timing import Timing


class Films(Protocol):
    """FiLM parameters of prompts, as a ``FilmCache`` keeps them."""

    def __call__(self, prompt: str) -> Tensor:
        """FiLM parameters (parameters,) of a prompt; may take long. Raises RtsepError."""
        ...

    def knows(self, prompt: str) -> bool:
        """Whether a call will return at once."""
        ...


@dataclass(frozen=True)
class Blueprint:
    """Everything that stays as it is when the device, the console or the size of the chunks changes."""

    separator: Steps
    films: Films
    step: Step | None
    """What runs the model over one hop; the separator's own step if None."""
    stems: int
    rack: Rack
    reserve_ms: float

    def condition(self, console: Console) -> Condition:
        """A console ready for the model; looks up prompts that are not known.

        Raises:
            RtsepError: a prompt cannot be understood.
        """
        size = self.separator.condition_size
        return Condition.of(console, self.films, size, self.stems, self.rack.strips)

    def promise(self, device: AudioDevice, chunk_hops: int) -> tuple[int, LatencyBudget]:
        """The prefill on a device, from its rate and its block, and the latency of which it is a part."""
        timing = Timing(self.separator, device.sample_rate, self.rack.latency_samples, chunk_hops)
        # A chunk is worked on in one go: the reserve must span that as well.
        more_ms = 1000 * (chunk_hops - 1) * self.separator.hop / self.separator.sample_rate
        lag = callbacks_late(device.block, device.sample_rate, self.reserve_ms + more_ms)
        prefill = prefill_samples(device.block, lag, timing.emitted, timing.period)
        return prefill, timing.budget(prefill, device.device_latency_samples)

    def pipeline(self, device: AudioDevice, condition: Condition, console: Console, hops: int) -> Pipeline:
        """A pipeline for a device, with chunks of so many hops."""
        lanes = Lanes(self.rack, self.stems, console, device.sample_rate)
        rate, channels = device.sample_rate, device.channels_in
        return Pipeline(self.separator, condition, rate, channels, self.step, lanes, chunk_hops=hops)

    def rehearsal(self, device: AudioDevice, condition: Condition, hops: int) -> Pipeline:
        """The same without effects, which must not hear what is only tried."""
        rate, channels = device.sample_rate, device.channels_in
        return Pipeline(self.separator, condition, rate, channels, self.step, chunk_hops=hops)
