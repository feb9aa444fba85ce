"""The way of the sound: device-rate samples in, separated device-rate samples out, nothing shifted.

::

    x ─ resample ─ hops ─ separator ─ drop lookahead ─ resample ────── low ─┐
    │      └──────────────────────── resample ─ x - that = high · upper gain ─┤
    └─ wait ─────────────────────────────────────────────── dry · dry gain ─┴─ gain ─ wet/dry ─ y

Inserts (``Rack``) stand before it all, on lanes of their own for the strips that have one, before their
fader, and on the sum, before its gain; "dry" is then what comes out of those at the input, while wet/dry
and bypass go on to let the untouched input through.

Output sample k belongs to input sample k; how many have come out after n in (``emitted``) is known
beforehand, so that whoever plays them can promise a latency. Files and live input go through the
same object.

What the model's rate cannot carry (above 11 kHz for 24 kHz) is the input less its own resampled
self; it follows the mask, so that a mask of ones gives back the input. "Everything else" is the
input less what was found: strips and residual add up to the input exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rtsep.audio.contract import Samples
from rtsep.audio.resample import Resampler
from rtsep.control import PARAMETERS, Console
from rtsep.effects.protocol import LOUDEST
from rtsep.effects.rack import Rack
from rtsep.effects.slot import Delay
from rtsep.errors import ConfigError, EngineError
from rtsep.lanes import Lanes
from rtsep.models.condition import Condition
from rtsep.models.fade import Fade
from rtsep.models.onnx import Step
from rtsep.nn.streaming import select_rows
from rtsep.separators.protocol import Steps
from rtsep.timing import Timing
from rtsep.tracks import Tracks

RAMP_S = 0.01
"""Time in which gain, wet/dry and bypass move from one end of their range to the other."""

RAMPED = ("gain", "wet", "bypass", "full_band")
"""The parameters that act on the result, sample by sample; the others act on the masks, hop by hop."""

LOWEST_RATE = 400
"""Hz. The resamplers' kernels are 3 ms wide, and need a sample of the input in them wherever they stand."""

MOST_HOPS = 500
"""Hops that go through the model at once, which bounds the memory of a long file."""


def cleaned(samples: Samples) -> tuple[Samples, int]:
    """What comes in, with zeros for what is no sound, which a model's state would never forget; and how many
    those are."""
    good = np.abs(samples) <= LOUDEST  # which what is not a number is not
    if good.all():
        return samples, 0
    return np.where(good, samples, np.float32(0)), int(good.size - good.sum())


class Pipeline:
    """Separates a stream of any length, in chunks of any size.

    Args:
        separator: the model, on the device that is to run it.
        condition: what to hear; how many outputs it has stays as it is.
        sample_rate: samples a second of what comes in and goes out.
        channels: audio channels; they share one mask.
        step: what runs the model over one hop, the separator's own step by default.
        lanes: what becomes of the condition's outputs; by default each is put out as it is.
        chunk_hops: hops that go through the model together, live: more latency, less work for each.

    Raises:
        ConfigError: the sample rate is below ``LOWEST_RATE``.
    """

    def __init__(
        self,
        separator: Steps,
        condition: Condition,
        sample_rate: int,
        channels: int,
        step: Step | None = None,
        lanes: Lanes | None = None,
        *,
        chunk_hops: int = 1,
    ) -> None:
        if sample_rate < LOWEST_RATE:
            raise ConfigError(f"a sample rate of {sample_rate} Hz: sound has {LOWEST_RATE} Hz or more here")
        self.separator, self.channels = separator, channels
        self._decoded = len(condition.mix.dry)
        self.lanes = lanes or Lanes(Rack(), self._decoded - 1, Console(), sample_rate)
        self.outputs = self.lanes.outputs
        """How many sounds come out, side by side."""
        self.timing = Timing(separator, sample_rate, self.rack.latency_samples, chunk_hops)
        self._late = self.timing.inserts  # samples that effects give out before time 0
        self._wait = Delay(self._late, channels)
        self.hops = 0
        self.bad_samples = 0
        self.console = Console()
        """Of it only ``RAMPED`` is looked at here; the strips arrive as a condition."""
        self._at: dict[str, float] = {}  # where each of RAMPED has got to; it begins where it is set
        self._device = separator.device
        self._fade = Fade(condition.to(self._device))
        self._state = separator.initial_state(1, channels, len(condition), self._decoded)
        self._step: Step = step or separator.step
        self.live = False
        """Whether it runs hop by hop, for a device."""
        self._received = self._given = 0
        self._pending: list[Samples] = []  # input that completes no hop yet
        self._down = Resampler(sample_rate, separator.sample_rate, channels)
        self._up = Resampler(separator.sample_rate, sample_rate, channels * (self._decoded + 1))
        self._waiting = np.zeros((0, channels), np.float32)  # at the model's rate, less than a hop
        self._early = separator.lookahead  # samples that the model gives out before time 0
        # At the model's rate and not yet answered; at the device's rate and not yet given out.
        self._passed, self._dry, self._untouched = (np.zeros((0, channels), np.float32) for _ in range(3))
        self._low = np.zeros((0, channels * (self._decoded + 1)), np.float32)
        self._stage()
        self._tracks = Tracks(
            self._frame_gains(np.ones((1, self._decoded)))[0],
            hop=separator.hop,
            lookahead=separator.lookahead,
            model_rate=separator.sample_rate,
            sample_rate=sample_rate,
        )

    @property
    def rack(self) -> Rack:
        """Its effects."""
        return self.lanes.rack

    @property
    def on_cpu(self) -> bool:
        """Whether the model runs on the processor that also runs everything else."""
        return self._device.type == "cpu"

    @torch.inference_mode()
    def warm_up(self, hops: int = 5) -> None:
        """Get ready to run hop by hop, live: run the model over silence and forget it.

        So the allocations of the first calls are over before there is anything to miss.
        """
        self.live = True
        silence = torch.zeros(1, self.channels, self.separator.hop, device=self._device)
        state = self.separator.initial_state(1, self.channels, len(self._fade.now), self._decoded)
        for _ in range(hops):
            _, state = self._step(silence, self._film, state, self._model_mix)

    def begin_dry(self) -> None:
        """Begin with the input, and move on to the result as bypass does; before the first ``push``."""
        self._at["bypass"] = 1.0

    def set_condition(self, condition: Condition) -> None:
        """Hear something else from the next hop on, faded over ``FADE_HOPS``; the same changes nothing."""
        self._fade.head_for(condition.to(self._device))

    @torch.inference_mode()
    def push(self, chunk: Samples) -> Samples:
        """Take (n, channels) more input; returns all that is now known, (m, outputs * channels).

        The channels of the first output come first, then those of the second.
        """
        self._pending.append(chunk)
        self._received += len(chunk)
        if self.timing.mixed(self._received) == self._given:  # less work than for every block by itself
            return np.zeros((0, self.outputs * self.channels), np.float32)
        (chunk, bad), self._pending = cleaned(np.concatenate(self._pending)), []
        self.bad_samples += bad
        self._untouched = np.concatenate([self._untouched, self._wait.push(chunk)])
        chunk = self.rack.before(chunk)
        at_model_rate = self._down.push(chunk)
        self._dry = np.concatenate([self._dry, chunk])
        self._passed = np.concatenate([self._passed, at_model_rate])
        self._waiting = np.concatenate([self._waiting, at_model_rate])
        while hops := min(self._whole_chunks(), self._most_hops):
            self._separate(hops)
        return self._mix(min(len(self._low), len(self._dry)))

    def _whole_chunks(self) -> int:
        """Hops that wait and belong to a chunk that is complete."""
        there = self.hops + len(self._waiting) // self.separator.hop
        return there - there % self.timing.chunk_hops - self.hops

    @property
    def _most_hops(self) -> int:
        """Live, a late chunk must not wait for the next; in a fade every hop has its own condition."""
        if self._fade.moving:
            return 1
        return self.timing.chunk_hops if self.live else MOST_HOPS

    def _separate(self, hops: int) -> None:
        """Run the model over the next ``hops`` of what waits."""
        size = hops * self.separator.hop
        chunk, self._waiting = self._waiting[:size], self._waiting[size:]
        if self._fade.moving:
            before = self._fade.now
            self._fade.move()
            strips = self._fade.now.strips
            if before.strips != strips:
                rows = torch.tensor(before.rows(strips), device=self._device)
                self._state = (self._state[0], select_rows(self._state[1], rows), self._state[2])
            self._stage()
        mixture = torch.from_numpy(np.ascontiguousarray(chunk.T[None])).to(self._device)
        step = self._step if hops == 1 else self.separator.step
        separation, self._state = step(mixture, self._film, self._state, self._model_mix)
        self.hops += hops
        wave = separation.wave.cpu().numpy()  # (1, outputs, channels, samples)
        if not np.isfinite(wave).all():
            raise EngineError("the model's output is not finite")
        wave = wave.reshape(-1, wave.shape[-1]).T
        skipped = min(self._early, len(wave))
        self._early -= skipped
        wave = wave[skipped:]
        passed, self._passed = self._passed[: len(wave)], self._passed[len(wave) :]
        self._low = np.concatenate([self._low, self._up.push(np.concatenate([wave, passed], axis=1))])
        self._tracks.append(self._frame_gains(separation.upper_gain.cpu().numpy()[0].T))

    def _stage(self) -> None:
        """Get ready what every hop under the current condition needs."""
        self._model_mix, self._direct_own_last = self._fade.now.staged()
        self._film = self._fade.now.film[None, :, None]

    def _frame_gains(self, upper: NDArray[Any]) -> NDArray[np.float64]:
        """Upper gain (hops, outputs), with it those of dry and finished sounds: (hops, 4, outputs)."""
        gains = np.empty((len(upper), 4, upper.shape[1]))
        gains[:, 0], gains[:, 1:] = upper, self._direct_own_last
        return gains

    def _mix(self, count: int) -> Samples:
        """Join what is known of low band, high band and dry signal."""
        (low, self._low), (dry, self._dry), (untouched, self._untouched) = (
            (kept[:count], kept[count:]) for kept in (self._low, self._dry, self._untouched)
        )
        *sounds, unmasked = np.split(low, self._decoded + 1, axis=1)
        gain = 10 ** (self._ramp("gain", count) / 20)
        wet = self._ramp("wet", count) * (1 - self._ramp("bypass", count))
        full_band = self._ramp("full_band", count)
        upper, direct, own, last = self._tracks.over(self._given, count)
        high = (dry - unmasked) * full_band
        heard = dry if (full_band == 1).all() else unmasked + high
        parts, rest = [], heard * direct[:, -1:] if direct[:, -1].any() else np.zeros(1)
        for output, sound in enumerate(sounds):
            finished = sound + high * upper[:, output, None]
            rest = rest + finished * last[:, output, None]
            parts.append(finished * own[:, output, None])
        parts[-1] = rest
        put_out = [part * (gain * wet) for part in self.lanes.join(parts, self.console)]
        if not (wet == 1).all():
            put_out[-1] += untouched * (1 - wet)
        self._given += count
        skipped = min(self._late, count)
        self._late -= skipped
        return np.concatenate(put_out, axis=1)[skipped:].astype(np.float32)

    def _ramp(self, name: str, count: int) -> NDArray[np.float64]:
        """A parameter over the next samples, (count, 1), on its way to where it was set; (1, 1) if there."""
        target, parameter = float(self.console[name]), PARAMETERS[name]
        start = self._at.setdefault(name, target)
        if start == target:
            return np.array([[target]])
        reach = (
            (parameter.high - parameter.low) / (RAMP_S * self.timing.sample_rate) * np.arange(1, count + 1)
        )
        values: NDArray[np.float64] = start + np.clip(target - start, -reach, reach)
        if count:
            self._at[name] = float(values[-1])
        return values[:, None]
