"""For those who own their loop: sound in pieces of any size, or frame by frame with the state as a value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rtsep.audio.contract import Samples
from rtsep.config import run_settings
from rtsep.control import Console, Value
from rtsep.ends import stem_count
from rtsep.errors import AudioFileError
from rtsep.live.engine import words_of
from rtsep.live.session import opened
from rtsep.models.condition import Condition
from rtsep.pipeline import Pipeline, cleaned
from rtsep.separators.conditions import Conditions
from rtsep.separators.protocol import LiveSeparator, SeparatorState

Sound = TypeVar("Sound", NDArray[Any], Tensor)
"""Samples -1..1, (n,) of one channel or (n, channels), an array or a tensor; as it goes in it comes out."""

FrameState: TypeAlias = tuple[SeparatorState, Tensor]
"""State of the separator, and the input that the output has not reached yet."""


class _Prompted:
    """A separator with what it is to hear."""

    def __init__(
        self,
        prompts: str | Iterable[str],
        remove: str | Iterable[str],
        separator: str | LiveSeparator,
        preset: str | None,
        set: Mapping[str, Value] | None,
        settings: Mapping[str, Any],
        channels: int,
    ) -> None:
        found, console = run_settings(
            preset, settings, keep=words_of(prompts), remove=words_of(remove), turned=set
        )
        self.console: Console = console
        self.channels = channels
        self._separator = opened(separator, found)
        self._films = Conditions(self._separator)
        self._stems = stem_count(found, console)

    def _condition(self, console: Console) -> Condition:
        return Condition.of(console, self._films, self._separator.condition_size, self._stems)

    def _samples(self, sound: NDArray[Any] | Tensor) -> Samples:
        """As (n, channels) float32.

        Raises:
            AudioFileError: whole numbers, or another number of channels.
        """
        given = sound.detach().cpu().numpy() if isinstance(sound, Tensor) else np.asarray(sound)
        if given.dtype.kind != "f":
            raise AudioFileError(f"samples are {given.dtype}: give floating point from -1 to 1")
        samples = given.astype(np.float32, copy=False)
        samples = samples[:, None] if samples.ndim == 1 else samples
        if samples.ndim != 2 or samples.shape[1] != self.channels:
            raise AudioFileError(f"samples have shape {given.shape}, not (n, {self.channels})")
        return samples


class Stream(_Prompted):
    """Sound of any rate in pieces of any size; what comes out is as long as what went in, and aligned.

    Args:
        prompts: what to hear.
        remove: what to take away.
        sample_rate: samples a second of what comes in and goes out.
        channels: of what comes in and goes out.
        separator: a name from ``rtsep bundles``, a bundle's folder, or a separator of your own.
        preset: name or path; the other arguments win.
        set: parameters of README's table by name.
        settings: ``compute``, and ``stems``: every prompt and everything else side by side,
            (n, outputs * channels).

    Raises:
        RtsepError: as the command line would say.
    """

    def __init__(
        self,
        prompts: str | Iterable[str] = (),
        *,
        remove: str | Iterable[str] = (),
        sample_rate: int = 48_000,
        channels: int = 1,
        separator: str | LiveSeparator = "default",
        preset: str | None = None,
        set: Mapping[str, Value] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(prompts, remove, separator, preset, set, settings, channels)
        self.sample_rate = sample_rate
        self._begin()

    def _begin(self) -> None:
        condition = self._condition(self.console)
        self._pipeline = Pipeline(self._separator, condition, self.sample_rate, self.channels)
        self._pipeline.console = self.console
        self._received = self._given = 0
        self._last: NDArray[Any] | Tensor = np.zeros((0, self.channels), np.float32)

    @property
    def held(self) -> int:
        """Samples that have gone in and not come out yet."""
        return self._received - self._given

    def __setitem__(self, name: str, value: Value) -> None:
        """Turn a parameter of README's table; heard from the next hop on, faded.

        Raises:
            RtsepError: there is no such parameter, the value does not fit, or words are not understood.
        """
        console = self.console.turned(name, value)
        self._pipeline.set_condition(self._condition(console))
        self._pipeline.console = self.console = console

    def feed(self, sound: Sound) -> Sound:
        """Take more input; returns all that is known by now, of the same kind.

        Raises:
            AudioFileError: whole numbers, or another number of channels.
        """
        samples = self._samples(sound)
        self._received, self._last = self._received + len(samples), sound[:0]
        heard = self._pipeline.push(samples)
        self._given += len(heard)
        found: Sound = _like(heard, sound)
        return found

    def flush(self) -> Any:
        """The rest, as ``feed`` gave it; after it the stream begins anew, with the same settings."""
        rest = [np.zeros((0, self._pipeline.outputs * self.channels), np.float32)]
        while left := self.held:
            silence = np.zeros((self._pipeline.timing.period, self.channels), np.float32)
            rest.append(self._pipeline.push(silence)[:left])
            self._given += len(rest[-1])
        heard = _like(np.concatenate(rest), self._last)
        self._begin()
        return heard


class Separator(_Prompted):
    """One step at a time, at the separator's own rate; the state is a value that you keep.

    Keeping an old state is a snapshot, ``initial_state()`` a reset, two states are two streams. What belongs
    to the host is left out: gain of the result, wet/dry, bypass, the band above the separator's.

    Args:
        prompts: what to hear.
        remove: what to take away.
        channels: of what comes in and goes out.
        separator: a name from ``rtsep bundles``, a bundle's folder, or a separator of your own.
        preset: name or path; the other arguments win.
        set: parameters of README's table by name.
        settings: ``compute`` and ``stems``, as of ``Stream``.

    Raises:
        RtsepError: as the command line would say.
    """

    def __init__(
        self,
        prompts: str | Iterable[str] = (),
        *,
        remove: str | Iterable[str] = (),
        channels: int = 1,
        separator: str | LiveSeparator = "default",
        preset: str | None = None,
        set: Mapping[str, Value] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(prompts, remove, separator, preset, set, settings, channels)
        made = self._separator
        self.sample_rate, self.hop, self.lookahead = made.sample_rate, made.hop, made.lookahead
        self._heard = self._condition(self.console).to(made.device)

    def initial_state(self) -> FrameState:
        """The state before the first sample."""
        made, condition = self._separator, self._heard
        outputs = len(condition.mix.dry)
        past = torch.zeros(1, self.channels, self.lookahead, device=made.device)
        return made.initial_state(1, self.channels, len(condition), outputs), past

    @torch.inference_mode()
    def step(self, sound: Sound, state: FrameState) -> tuple[Sound, FrameState]:
        """Separate a whole number of hops; what comes out is as long, and ``lookahead`` samples late.

        What is not a number, or far beyond all sound, counts as zero.

        Raises:
            AudioFileError: no whole number of hops, whole numbers, or another number of channels.
        """
        samples, _ = cleaned(self._samples(sound))
        if not len(samples) or len(samples) % self.hop:
            raise AudioFileError(f"{len(samples)} samples are no whole number of hops of {self.hop}")
        inner, past = state
        mixture = torch.from_numpy(np.ascontiguousarray(samples.T))[None].to(past.device)
        condition = self._heard
        separation, inner = self._separator.step(mixture, condition.film[None, :, None], inner, condition.mix)
        past = torch.cat([past, mixture], dim=-1)
        direct = condition.mix.dry[:, None, None] * past[:, None, :, : len(samples)]
        wave = (separation.wave + direct)[0].flatten(0, 1).T.cpu().numpy()
        return _like(np.ascontiguousarray(wave), sound), (inner, past[..., len(samples) :])


def _like(samples: Samples, sound: Any) -> Any:
    """Samples as whoever gave them keeps theirs."""
    shaped = samples[:, 0] if sound.ndim == 1 and samples.shape[1] == 1 else samples
    if isinstance(sound, Tensor):
        return torch.from_numpy(shaped).to(sound.device)
    return shaped
