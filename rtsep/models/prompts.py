"""From words to FiLM parameters, computed once a prompt, off the audio path, and remembered."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import torch
from platformdirs import user_cache_path
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from rtsep.models.bundle import Bundle
from rtsep.models.text import clean_prompt, embed

logger = logging.getLogger(__name__)


class FilmCache:
    """FiLM parameters of every prompt asked for, in memory and on disk.

    The text encoder is loaded only for a prompt that neither holds, and let go at once.

    Args:
        bundle: whose masker the parameters steer; part of the key.
        folder: where they are kept, by default the user's cache folder.
    """

    def __init__(self, bundle: Bundle, folder: Path | None = None) -> None:
        self._bundle = bundle
        self._folder = (folder or user_cache_path("rtsep") / "film") / bundle.fingerprint
        self._memory: dict[str, Tensor] = {}

    def __call__(self, prompt: str) -> Tensor:
        """FiLM parameters of a prompt, (parameters,), on the CPU.

        Raises:
            CommandError: the prompt is empty or too long.
            BundleError: the text encoder is needed and missing.
        """
        words = clean_prompt(prompt)
        if words not in self._memory:
            path = self._folder / f"{hashlib.sha256(words.encode()).hexdigest()[:32]}.safetensors"
            found = self._read(path)
            if found is None:
                found = self._compute(words)
                self._write(path, found)
            self._memory[words] = found
        return self._memory[words]

    @torch.inference_mode()
    def _compute(self, words: str) -> Tensor:
        embedding = embed(self._bundle.config.text_encoder, [words])
        head = self._bundle.separator.film_head
        device = next(head.parameters()).device
        film: Tensor = head(embedding.to(device))[0].cpu()
        return film

    def _read(self, path: Path) -> Tensor | None:
        if not path.exists():
            return None
        try:
            film = load_file(path)["film"]
        except (OSError, SafetensorError, KeyError) as error:
            logger.warning("cached prompt %s is damaged (%s): computing it again", path, error)
            return None
        usable = film.shape == self._bundle.separator.film_head.out.bias.shape and film.isfinite().all()
        return film if usable else None

    def _write(self, path: Path, film: Tensor) -> None:
        """Best effort: a read-only or full disk costs time at the next start, nothing else."""
        partial = path.with_suffix(".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file({"film": film}, partial)
            partial.replace(path)
        except (OSError, SafetensorError) as error:
            logger.warning("cannot keep the prompt in %s: %s", path.parent, error)
