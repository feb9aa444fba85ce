"""The edge: encodes and decodes here, has the codes edited elsewhere. Runs where a separator would.

What comes back belongs to the frame that was sent ``delay`` frames ago: so long the network may take. A frame
that has not come by then is concealed and counted; nothing ever waits for it, and nothing drifts.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, cast

import torch
from torch import Tensor

from rtsep.control import STRIPS, Value
from rtsep.errors import EngineError
from rtsep.models.bundle import Bundle
from rtsep.models.edge_path import edge_path
from rtsep.models.separator import Mix, Separation, Separator
from rtsep.models.text import clean_prompt
from rtsep.nn.streaming import State
from rtsep.separators.protocol import LiveSeparator, SeparatorState
from rtsep.serve.format import CodeFormat, Frames

CONCEAL_GAIN = 0.7
"""A frame that is missing is the one before it, 3 dB quieter."""

HIGHEST_GAIN = 4.0
"""Of the band above the model's: the most that a strip may make of it, 12 dB."""

SILENT = 1e-4
"""Below it a gain is nothing: rounding, or a mute."""

PATIENCE_S = 30.0
"""A file waits so long for the server, reconnecting meanwhile."""


class Line(Protocol):
    """What an edge needs of a link."""

    def turn(self, values: Mapping[str, Value]) -> None:
        """Have parameters turned; returns at once."""
        ...

    def reset(self) -> None:
        """Have what was heard forgotten; returns at once."""
        ...

    def close(self) -> None:
        """End the session."""
        ...

    def send(self, frames: Frames) -> None:
        """Have frames edited; returns at once."""
        ...

    def received(self, wait_s: float = 0.0) -> list[Frames]:
        """What has come back since the last call; waits so long for the first."""
        ...


@dataclass(frozen=True)
class EdgeCounts:
    """What became of the frames that were sent."""

    frames: int = 0
    lost: int = 0
    """Concealed, because they had not come in time."""
    late: int = 0
    """Of those, what came after all."""


class Edge(LiveSeparator):
    """A separator whose masker is a server. One stream, one output.

    Args:
        bundle: the server's own.
        dial: opens the line for codes of a format.
        codebooks: of the codes; by default what 8 kbit/s take.
        delay: frames that the network may take; part of the latency.
        live: conceal what is late; otherwise wait for it.
    """

    def __init__(
        self,
        bundle: Bundle,
        dial: Callable[[CodeFormat], Line],
        delay: int,
        *,
        live: bool,
        codebooks: int | None = None,
    ) -> None:
        super().__init__(torch.device("cpu"))
        self.name, self.description = bundle.name, f"{bundle.config.description}; masked by a server"
        self._bundle, self._dial, self._codebooks, self._live = bundle, dial, codebooks, live
        self._codec = bundle.separator.codec
        self._send, self._hear = edge_path(bundle, CodeFormat.of(bundle, codebooks).codebooks)
        config = self._codec.config
        self.delay, self.counts = delay, EdgeCounts()
        self.sample_rate, self.hop = config.sample_rate, config.hop
        self.network = delay * config.hop
        self.lookahead = config.lookahead + self.network
        self._rising = config.rising or config.latent
        self._upper = slice(self._rising // 2 if config.rising else 0, None)
        self._words: list[str] = []
        self._heard: dict[str, Value] = {}
        self._asked: tuple[Tensor, ...] = ()
        self._open: tuple[CodeFormat, Line] | None = None
        self._sent = 0  # frames, of every stream there was
        self._begin(0)

    def condition(self, prompt: str) -> Tensor:
        """The prompt's number: the server has the model that understands it.

        Raises:
            CommandError: it is empty or too long.
        """
        words = clean_prompt(prompt)
        if words not in self._words:
            self._words.append(words)
        return torch.tensor([float(self._words.index(words))])

    def close(self) -> None:
        """End the session."""
        if self._open is not None:
            self._open[1].close()

    def initial_state(self, batch: int, channels: int, prompts: int, outputs: int) -> SeparatorState:
        """States of encoder, codes and decoder and the frame's number; the masker's state is the server's.

        Raises:
            EngineError: there is no server, or stems are wanted, which none sends.
        """
        if (batch, outputs) != (1, 1):
            raise EngineError("a server sends one mix back: leave --stems out, or run without --server")
        if self._open is None:
            format = CodeFormat.of(self._bundle, self._codebooks, channels)
            self._open = format, self._dial(format)
        codec = self._codec
        coding, _ = codec.quantizer.initial_state(channels)
        begun = codec.encoder.initial_state(channels), coding, torch.zeros((), dtype=torch.int64)
        return begun, (), codec.decoder.initial_state(channels)

    def step(
        self, mixture: Tensor, condition: Tensor, state: SeparatorState, mix: Mix
    ) -> tuple[Separation, SeparatorState]:
        """Send a chunk (1, channels, T) away, and give out what was sent ``delay`` frames before it."""
        assert self._open is not None
        format, line = self._open
        (encoder_state, coding, begun), _, decoder_state = cast(
            "tuple[tuple[State, State, Tensor], State, State]", state
        )
        number, quantizer = int(begun), self._codec.quantizer
        if number != self._sent - self._first:
            line.reset()
            self._begin(number)
            coding, _ = quantizer.initial_state(format.channels)  # as the server does
        self._ask(line, condition, mix)
        latent, codes, (encoder_state, coding) = self._send(mixture[0][:, None], (encoder_state, coding))
        line.send(Frames(self._sent, codes.permute(2, 0, 1).contiguous().numpy()))
        gains, heard, early = [], [], max(0, self._oldest + self.delay - self._sent)
        for frame in latent.split(1, dim=-1):
            self._energies.append(self._energy(frame))
            mended, edited = self._frame(line, self._sent - self.delay, frame)
            heard.append(mended)
            known = self._energies.popleft() if len(self._energies) > self.delay else self._energies[0]
            gains.append((self._energy(edited) / known.clamp(min=1e-12)).sqrt().clamp(max=HIGHEST_GAIN))
            self._sent += 1
        wave, decoder_state = self._decode(heard[:early], heard[early:], decoder_state)
        separation = Separation(wave[None, None, :, 0], torch.stack(gains)[None, None])
        number = self._sent - self._first
        return separation, ((encoder_state, coding, torch.tensor(number)), (), decoder_state)

    def _decode(self, early: list[Tensor], latents: list[Tensor], state: State) -> tuple[Tensor, State]:
        """Sound (channels, 1, T); the decoder begins with the first frame sent, as without a network."""
        channels = len((early + latents)[0])
        silence = torch.zeros(channels, 1, len(early) * self.hop)
        if not latents:
            return silence, state
        wave, state = self._codec.decode(torch.cat(latents, dim=-1), state)
        return torch.cat([silence, wave], dim=-1), state

    def _begin(self, number: int) -> None:
        """A stream that goes on from that frame: what is on the way belongs to another."""
        self._first = self._sent - number
        self._oldest = self._sent
        self._came: dict[int, Tensor] = {}
        self._energies: deque[Tensor] = deque()
        self._last: Tensor | None = None
        self._decoding: State | None = None

    def _ask(self, line: Line, film: Tensor, mix: Mix) -> None:
        """Tell the server what is to be heard, as soon as it has stopped changing: it fades by itself."""
        asked = (film, *mix)
        settled = not self._asked or all(map(torch.equal, asked, self._asked))
        self._asked = asked
        looked_for = bool((mix.wanted + mix.removed).any())
        words = [self._words[int(number)] for number in film.flatten()] if settled and looked_for else []
        values = _values(words, mix) if settled else {}
        new = {name: value for name, value in values.items() if self._heard.get(name) != value}
        if new:
            line.turn(new)
            self._heard |= new

    def _energy(self, latent: Tensor) -> Tensor:
        """Of the upper half of the band, all channels together."""
        energy: Tensor = latent.unflatten(1, (-1, self._rising))[:, :, self._upper].square().sum()
        return energy

    def _frame(self, line: Line, number: int, like: Tensor) -> Tensor:
        """An edited frame's latents, for the decoder and as it was edited (2, channels, D, 1), or what stands
        for them."""
        if self._last is None:
            self._last = torch.zeros(2, *like.shape)
        if number < self._oldest:
            return self._last  # nothing was sent so long ago
        self._collect(line, number)
        self.counts = replace(self.counts, frames=self.counts.frames + 1)
        found = self._came.pop(number, None)
        if found is None:
            self.counts = replace(self.counts, lost=self.counts.lost + 1)
        self._last = CONCEAL_GAIN * self._last if found is None else found
        return self._last

    def _collect(self, line: Line, wanted: int) -> None:
        """Take what has come; where nothing is live, wait for the one that is wanted."""
        end = time.monotonic() + PATIENCE_S
        while True:
            for frames in line.received(0.0 if self._live or wanted in self._came else 0.5):
                self._keep(frames, wanted)
            if self._live or wanted in self._came:
                return
            if time.monotonic() > end:
                raise EngineError(f"no answer for {PATIENCE_S:g} s: is the server still there?")

    def _keep(self, frames: Frames, wanted: int) -> None:
        stale = max(0, self._oldest - frames.number)  # of a stream that is over
        codes = torch.from_numpy(frames.codes[stale:]).permute(1, 2, 0)
        if not codes.shape[-1]:
            return
        if self._decoding is None:
            self._decoding = self._codec.quantizer.initial_state(len(codes))[1]
        both, self._decoding = self._hear(codes, self._decoding)
        for offset, latent in enumerate(both.split(1, dim=-1), stale):
            number = frames.number + offset
            if number >= wanted:
                self._came[number] = latent
            else:
                self.counts = replace(self.counts, late=self.counts.late + 1)


def _values(words: list[str], mix: Mix) -> dict[str, Value]:
    """Weights of masks as a console says them: each is a strip's level less the residual's.

    The input's own share is not asked for, since the pipeline adds it.
    """
    weights = mix.weights[0]
    residual = max(0.0, -float(weights.min()))
    values: dict[str, Value] = {"residual/mute": residual < SILENT, "residual/solo": residual >= SILENT}
    if residual >= SILENT:
        values["residual/gain"] = _decibels(residual)
    for strip in range(STRIPS):
        name = f"prompt/{strip + 1}"
        values[f"{name}/text"] = words[strip] if strip < len(words) else ""
        if strip >= len(words):
            continue
        gain = float(weights[strip]) + residual
        values[f"{name}/negative"] = bool(mix.removed[strip])
        # On solo, what is heard is heard at its gain, whether it is kept or taken away.
        values[f"{name}/solo"], values[f"{name}/mute"] = gain >= SILENT, gain < SILENT
        if gain >= SILENT:
            values[f"{name}/gain"] = _decibels(gain)
    return values


def _decibels(gain: float) -> float:
    """An amplitude factor in the range that a gain has."""
    return min(24.0, max(-60.0, 20 * math.log10(gain)))


def frames_within(network_ms: float, separator: Separator) -> int:
    """Whole frames that so many milliseconds take."""
    return math.ceil(network_ms * separator.sample_rate / 1000 / separator.hop)
