"""The way of the sound: device-rate samples in, separated device-rate samples out, nothing shifted.

::

    x ─ resample ─ hops ─ separator ─ drop lookahead ─ resample ─── low ─┐
    │      └──────────────────────── resample ─ x - that = high · gain ──┴─ separated ─ wet/dry ─ y
    └─ wait ─────────────────────────────────────────────────── dry ──────────────────┘

Output sample k belongs to input sample k; how many have come out after n in (``emitted``) is known
beforehand, so that whoever plays them can promise a latency. Files and live input go through the
same object.

What the model's rate cannot carry (above 11 kHz for 24 kHz) is the input less its own resampled
self; it follows the mask's energy ratio, so that a mask of ones gives back the input.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rtsep.audio.resample import Ratio, Resampler
from rtsep.control import PARAMETERS
from rtsep.latency import LatencyBudget
from rtsep.models.condition import Condition
from rtsep.models.separator import Separator
from rtsep.models.traced import Step, traced_step
from rtsep.nn.streaming import State

Samples = NDArray[np.float32]

FADE_HOPS = 3
"""A prompt change is spread over so many hops."""

RAMP_S = 0.01
"""Time in which gain, wet/dry and bypass move from one end of their range to the other."""

MOST_HOPS = 500
"""Hops that go through the model at once, which bounds the memory of a long file."""


class Timing:
    """How many samples come out after how many in, in whole numbers, without running anything."""

    def __init__(self, separator: Separator, sample_rate: int) -> None:
        self.hop, self.lookahead = separator.hop, separator.lookahead
        self.sample_rate, self.model_rate = sample_rate, separator.sample_rate
        self.down = Ratio.between(sample_rate, separator.sample_rate)
        self.up = Ratio.between(separator.sample_rate, sample_rate)

    def emitted(self, received: int) -> int:
        """Samples out, in total, after ``received`` samples in."""
        hops = self.down.available(received) // self.hop
        return min(self.up.available(max(0, hops * self.hop - self.lookahead)), received)

    @property
    def period(self) -> int:
        """``emitted`` repeats, shifted, after so many samples, a whole number of hops at both rates."""
        return self.hop * self.sample_rate // math.gcd(self.hop * self.sample_rate, self.model_rate)

    def budget(self, prefill: int, device: tuple[int, int]) -> LatencyBudget:
        """Split a prefill into terms; ``device`` is what the driver adds, in and out."""

        def at_device(samples: int) -> int:
            return -(-samples * self.sample_rate // self.model_rate)

        hop, lookahead = at_device(self.hop), at_device(self.lookahead)
        reach_in, reach_out = self.down.reach, self.up.reach
        ring = prefill - hop - lookahead - reach_in - reach_out
        return LatencyBudget(
            self.sample_rate, device[0], reach_in, hop, lookahead, reach_out, ring, device[1]
        )


class Pipeline:
    """Separates a stream of any length, in chunks of any size.

    Args:
        separator: the model, on the device that is to run it.
        condition: what to hear.
        sample_rate: samples a second of what comes in and goes out.
        channels: audio channels; they share one mask.
    """

    def __init__(self, separator: Separator, condition: Condition, sample_rate: int, channels: int) -> None:
        self.separator, self.channels = separator, channels
        self.timing = Timing(separator, sample_rate)
        self.hops = 0
        self.bad_samples = 0
        self.parameters = {name: parameter.default for name, parameter in PARAMETERS.items()}
        self._at = dict(self.parameters)
        self._device = next(separator.parameters()).device
        self._fade: list[Condition] = []
        self._condition = condition.to(self._device)
        self._state = separator.initial_state(1, channels, len(condition), 1)
        self._one_hop: tuple[int, Step] | None = None  # a recorded step, and the number of its prompts
        self._down = Resampler(sample_rate, separator.sample_rate, channels)
        self._up = Resampler(separator.sample_rate, sample_rate, channels)
        self._up_unmasked = Resampler(separator.sample_rate, sample_rate, channels)
        self._waiting = np.zeros((0, channels), np.float32)  # at the model's rate, less than a hop
        self._early = separator.lookahead  # samples that the model gives out before time 0
        self._dry, self._low, self._unmasked = (np.zeros((0, channels), np.float32) for _ in range(3))
        self._gains = np.ones(1)
        self._given = 0

    @property
    def on_cpu(self) -> bool:
        """Whether the model runs on the processor that also runs everything else."""
        return self._device.type == "cpu"

    @torch.inference_mode()
    def warm_up(self, hops: int = 5) -> None:
        """Get ready to run hop by hop, live: record the model's step, run it over silence, forget it.

        So the recording, and the allocations of the first calls, are over before there is anything to miss.
        """
        if self.on_cpu:
            self._one_hop = (
                len(self._condition),
                traced_step(self.separator, self.channels, len(self._condition)),
            )
        silence = torch.zeros(1, self.channels, self.separator.hop, device=self._device)
        condition = self._condition
        state = self.separator.initial_state(1, self.channels, len(condition), 1)
        for _ in range(hops):
            self._step(1)(silence, condition.film[None, :, None], state, condition.mix)

    def _step(self, hops: int) -> Step:
        """What runs the model over so many hops: the recorded step where it fits."""
        if hops == 1 and self._one_hop is not None and self._one_hop[0] == len(self._condition):
            return self._one_hop[1]
        return self.separator

    def set_condition(self, condition: Condition) -> None:
        """Hear something else from the next hop on, faded over ``FADE_HOPS``."""
        condition = condition.to(self._device)
        start, end = self._condition.beside(condition)
        self._state = (self._state[0], _slots(self._state[1], len(end)), self._state[2])
        steps = (torch.arange(1, FADE_HOPS + 1) / FADE_HOPS).tolist()
        self._fade = [start.toward(end, step) for step in steps[:-1]] + [condition]

    @torch.inference_mode()
    def push(self, chunk: Samples) -> Samples:
        """Take (n, channels) more input; returns all samples that are now known, (m, channels)."""
        chunk = self._clean(chunk)
        at_model_rate = self._down.push(chunk)
        self._dry = np.concatenate([self._dry, chunk])
        self._unmasked = np.concatenate([self._unmasked, self._up_unmasked.push(at_model_rate)])
        self._waiting = np.concatenate([self._waiting, at_model_rate])
        while hops := min(len(self._waiting) // self.separator.hop, 1 if self._fade else MOST_HOPS):
            self._separate(hops)
        return self._mix(min(len(self._low), len(self._unmasked), len(self._dry)))

    def _clean(self, chunk: Samples) -> Samples:
        good = np.isfinite(chunk)
        if good.all():
            return chunk
        self.bad_samples += int(good.size - good.sum())
        return np.where(good, chunk, np.float32(0))

    def _separate(self, hops: int) -> None:
        """Run the model over the next ``hops`` of what waits."""
        size = hops * self.separator.hop
        chunk, self._waiting = self._waiting[:size], self._waiting[size:]
        if self._fade:
            self._condition, *self._fade = self._fade
            self._state = (self._state[0], _slots(self._state[1], len(self._condition)), self._state[2])
        mixture = torch.from_numpy(np.ascontiguousarray(chunk.T))[None].to(self._device)
        film, mix = self._condition.film[None, :, None], self._condition.mix
        separation, self._state = self._step(hops)(mixture, film, self._state, mix)
        self.hops += hops
        wave = separation.wave[0, 0].T.cpu().numpy()
        skipped = min(self._early, len(wave))
        self._early -= skipped
        self._low = np.concatenate([self._low, self._up.push(wave[skipped:])])
        self._gains = np.concatenate([self._gains, separation.upper_gain[0, 0].cpu().numpy()])

    def _mix(self, count: int) -> Samples:
        """Join what is known of low band, high band and dry signal."""
        (low, self._low), (dry, self._dry), (unmasked, self._unmasked) = (
            (kept[:count], kept[count:]) for kept in (self._low, self._dry, self._unmasked)
        )
        gain = 10 ** (self._ramp("gain_db", count) / 20)
        wet = self._ramp("wet", count) * (1 - self._ramp("bypass", count))
        high = (dry - unmasked) * (self._upper_gain(count) * self._ramp("full_band", count))
        self._given += count
        return ((low + high) * (gain * wet) + dry * (1 - wet)).astype(np.float32)

    def _ramp(self, name: str, count: int) -> NDArray[np.float64]:
        """A parameter over the next samples, (count, 1), on its way to where it was set."""
        target, parameter = self.parameters[name], PARAMETERS[name]
        start = self._at[name]
        reach = (
            (parameter.high - parameter.low) / (RAMP_S * self.timing.sample_rate) * np.arange(1, count + 1)
        )
        values: NDArray[np.float64] = start + np.clip(target - start, -reach, reach)
        if count:
            self._at[name] = float(values[-1])
        return values[:, None]

    def _upper_gain(self, count: int) -> NDArray[np.float64]:
        """The high band's gain over the next samples, (count, 1), cross-faded as the model's own frames are.

        Frame t, at the model's rate, takes over between t * hop - lookahead and t * hop.
        """
        timing = self.timing
        first = (
            self._given * timing.model_rate // (timing.hop * timing.sample_rate)
        )  # frame of the first sample
        spare = min(first - (self.hops - len(self._gains) + 1), len(self._gains) - 1)
        self._gains = self._gains[max(0, spare) :]
        oldest = self.hops - len(
            self._gains
        )  # frame number of gains[0]; frame -1 stands for the one before 0
        position = (
            (np.arange(count) + self._given % timing.sample_rate) * timing.model_rate / timing.sample_rate
        )
        position += self._given // timing.sample_rate * timing.model_rate - (oldest + 1) * timing.hop
        starts = timing.hop * np.arange(len(self._gains) - 1)
        knots = np.stack([starts - timing.lookahead, starts], axis=1).ravel()
        values = np.stack([self._gains[:-1], self._gains[1:]], axis=1).ravel()
        if not len(knots):
            return np.full((count, 1), self._gains[0])
        return np.interp(position, knots, values)[:, None]


def _slots(state: State, prompts: int) -> State:
    """A masker's state for another number of prompts: new ones begin with what the first has heard."""
    if isinstance(state, Tensor):
        spare = prompts - len(state)
        return state[:prompts] if spare <= 0 else torch.cat([state, *[state[:1]] * spare])
    return tuple(_slots(part, prompts) for part in state)
