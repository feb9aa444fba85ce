"""A bundle as a separator like any other: the codec, the masker, its words, and the graph of one hop."""

from __future__ import annotations

import torch
from torch import Tensor

from rtsep.errors import BundleError
from rtsep.models.backends import choose_backend
from rtsep.models.bundle import DEFAULT_BUNDLE, Bundle, load_bundle
from rtsep.models.onnx import Step
from rtsep.models.prompts import FilmCache
from rtsep.models.text_process import EncoderProcess
from rtsep.separators.protocol import LiveSeparator, Mix, Separation, SeparatorState


class CodecSep(LiveSeparator):
    """Open text: any English phrase.

    Args:
        bundle: loaded; its model is moved to ``device``.
        device: where it runs.
    """

    def __init__(self, bundle: Bundle, device: torch.device) -> None:
        super().__init__(device)
        model = bundle.separator.to(device)
        self.name, self.description = bundle.name, bundle.config.description
        self.sample_rate, self.hop, self.lookahead = model.sample_rate, model.hop, model.lookahead
        self.condition_size = model.condition_size
        self._bundle, self._model = bundle, model
        self._films = FilmCache(bundle)
        self._encoder: EncoderProcess | None = None
        self._one_hop: Step = model.step

    def condition(self, prompt: str) -> Tensor:
        """FiLM parameters of a prompt; the text encoder loads for words that nobody has asked for before."""
        return self._films(prompt)

    def knows(self, prompt: str) -> bool:
        """Whether they are in memory or on disk."""
        return self._films.knows(prompt)

    def initial_state(self, batch: int, channels: int, prompts: int, outputs: int) -> SeparatorState:
        """States of encoder, masker and decoder."""
        return self._model.initial_state(batch, channels, prompts, outputs)

    def step(
        self, mixture: Tensor, condition: Tensor, state: SeparatorState, mix: Mix
    ) -> tuple[Separation, SeparatorState]:
        """One forward, a single hop of a single stream live as a graph."""
        one = mixture.shape[-1] == self.hop and len(mixture) == 1
        return (self._one_hop if one else self._model.step)(mixture, condition, state, mix)

    def go_live(self, played: bool) -> None:
        """Find the fastest way to run a hop and, for words still to come, start the text encoder."""
        if not self._model.masker.causal:
            raise BundleError(
                f"{self.name} looks at whole recordings, forwards and backwards: it takes files, nothing live"
            )
        self._one_hop = choose_backend(self._bundle).step
        if played and self._encoder is None:
            self._encoder = EncoderProcess(self._bundle.config.text_encoder)
            self._films = FilmCache(self._bundle, encode=self._encoder)

    def close(self) -> None:
        """End the text encoder's process."""
        if self._encoder is not None:
            self._encoder.close()
            self._encoder = None
            self._films = FilmCache(self._bundle)


def default_bundle(device: torch.device) -> CodecSep:
    """The bundle that ships with rtsep."""
    return CodecSep(load_bundle(DEFAULT_BUNDLE), device)
