"""What an edge does beside sending: sound to codes on the way out, codes to latents on the way in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor, nn

from rtsep.models.bundle import Bundle
from rtsep.models.graph import Graph, export_graph, leaves, like, not_this_models, numbered, randomised
from rtsep.models.separator import Separator
from rtsep.nn.streaming import State

SendState: TypeAlias = tuple[State, State]
"""Of the encoder, and of the quantiser encoding."""

Send = Callable[[Tensor, SendState], tuple[Tensor, Tensor, SendState]]
"""Sound (channels, 1, T) to its latent (channels, D, frames) and codes (channels, 1 + codebooks, frames)."""

Hear = Callable[[Tensor, State], tuple[Tensor, State]]
"""Codes to their latents (2, channels, D, frames): for the decoder, and as they were coded."""


class SendPath(nn.Module):
    """A ``Send``, eager, for chunks of any length.

    Args:
        separator: the model; of it only the codec is used.
        codebooks: of the codes.
    """

    def __init__(self, separator: Separator, codebooks: int) -> None:
        super().__init__()
        self.codec, self.codebooks = separator.codec, codebooks

    def initial_state(self, channels: int) -> SendState:
        """Before the first sample."""
        return self.codec.encoder.initial_state(channels), self.codec.quantizer.initial_state(channels)[0]

    def forward(self, sound: Tensor, state: SendState) -> tuple[Tensor, Tensor, SendState]:
        """See ``Send``."""
        encoder_state, coding = state
        latent, encoder_state = self.codec.encode(sound, encoder_state)
        codes, coding = self.codec.quantizer.encode(latent, coding, self.codebooks)
        return latent, codes, (encoder_state, coding)


class HearPath(nn.Module):
    """A ``Hear``, eager, for any number of frames."""

    def __init__(self, separator: Separator) -> None:
        super().__init__()
        self.codec = separator.codec

    def initial_state(self, channels: int) -> State:
        """Before the first codes."""
        state: State = self.codec.quantizer.initial_state(channels)[1]
        return state

    def forward(self, codes: Tensor, state: State) -> tuple[Tensor, State]:
        """See ``Hear``."""
        edited, _ = self.codec.quantizer.decode(codes, state)
        mended, state = self.codec.quantizer.decode(codes, state, mend=True)
        return torch.stack([mended, edited]), state


class _FlatSend(nn.Module):
    def __init__(self, separator: Separator, codebooks: int) -> None:
        super().__init__()
        self.path = SendPath(separator, codebooks)
        self.form = self.path.initial_state(1)

    def forward(self, sound: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        latent, codes, after = self.path(sound, like(self.form, iter(state)))
        return latent, codes, tuple(leaves(after))


class _FlatHear(nn.Module):
    def __init__(self, separator: Separator) -> None:
        super().__init__()
        self.path = HearPath(separator)
        self.form = self.path.initial_state(1)

    def forward(self, codes: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        both, after = self.path(codes, like(self.form, iter(state)))
        return both, tuple(leaves(after))


@torch.no_grad()
def export_edge(separator: Separator, codebooks: int, send: Path, hear: Path) -> None:
    """Write the graphs of one frame, for any number of channels; takes about 15 s.

    Raises:
        BundleError: the packages onnx and onnxscript are missing.
    """
    separator, channels, free = randomised(separator), 2, {0: torch.export.Dim.DYNAMIC}
    sending, hearing = _FlatSend(separator, codebooks), _FlatHear(separator)
    width = len(separator.codec.quantizer.sizes(codebooks))
    first = torch.randn(channels, 1, separator.hop), torch.zeros(channels, width, 1, dtype=torch.int64)
    for flat, given, path, names in (
        (sending, first[0], send, ("sound", "latent", "codes")),
        (hearing, first[1], hear, ("codes", "latents")),
    ):
        # Two states may be one tensor at the start: the exporter would take them for one for ever.
        state = tuple(leaf.clone() for leaf in leaves(flat.path.initial_state(channels)))
        export_graph(
            flat,
            (given, state),
            [names[0], *numbered("state", state)],
            [*names[1:], *numbered("new_state", state)],
            (free, tuple(free for _ in state)),
            path,
        )


def edge_path(bundle: Bundle, codebooks: int) -> tuple[Send, Hear]:
    """What runs an edge's frames: graphs, where the bundle has them, for one frame at a time.

    Raises:
        BundleError: they are another model's.
    """
    send, hear = SendPath(bundle.separator, codebooks), HearPath(bundle.separator)
    graphs = bundle.edge_graphs(codebooks)
    if graphs is None:
        return send, hear
    steps = _steps(*graphs, bundle.separator, codebooks)
    try:
        far = _difference(*steps, send, hear)
    except Exception as error:  # its exceptions have no common base
        raise not_this_models(graphs[0], error) from error
    if not far <= _MOST:  # true for NaN as well
        raise not_this_models(graphs[0], f"its latents differ by {far:.2g}")
    return steps


def edge_difference(send: Path, hear: Path, separator: Separator, codebooks: int) -> float:
    """How far the latents of two graphs are from the eager ones.

    Raises:
        BundleError: they cannot be read.
    """
    eager = SendPath(separator, codebooks), HearPath(separator)
    return _difference(*_steps(send, hear, separator, codebooks), *eager)


_MOST = 1e-2
"""Far above what rounding does, and far below what another model gives."""


def _steps(send: Path, hear: Path, separator: Separator, codebooks: int) -> tuple[Send, Hear]:
    """The graphs where one frame is asked for, the paths themselves where there are several."""
    flat_send, flat_hear = _FlatSend(separator, codebooks), _FlatHear(separator)
    sending, hearing = Graph(send, flat_send), Graph(hear, flat_hear)
    send_several: Send = flat_send.path
    hear_several: Hear = flat_hear.path

    def send_one(sound: Tensor, state: SendState) -> tuple[Tensor, Tensor, SendState]:
        if sound.shape[-1] != separator.hop:
            return send_several(sound, state)
        latent, codes, *after = sending(sound, *leaves(state))
        return latent, codes, like(flat_send.form, iter(after))

    def hear_one(codes: Tensor, state: State) -> tuple[Tensor, State]:
        if codes.shape[-1] != 1:
            return hear_several(codes, state)
        both, *after = hearing(codes, *leaves(state))
        return both, like(flat_hear.form, iter(after))

    return send_one, hear_one


@torch.inference_mode()
def _difference(send: Send, hear: Hear, sending: SendPath, hearing: HearPath) -> float:
    """The largest difference of their latents from the eager ones, over some frames of the same codes."""
    generator = torch.Generator().manual_seed(0)
    ours = theirs = sending.initial_state(2)
    mine = wanted = hearing.initial_state(2)
    worst = torch.zeros(())
    for _ in range(3):
        sound = 0.1 * torch.randn(2, 1, sending.codec.config.hop, generator=generator)
        latent, _, ours = send(sound, ours)
        expected, codes, theirs = sending(sound, theirs)
        heard, mine = hear(codes, mine)
        eager, wanted = hearing(codes, wanted)
        worst = torch.stack([worst, (latent - expected).abs().max(), (heard - eager).abs().max()]).max()
    return float(worst)
