"""From words to FiLM parameters, computed once a prompt, off the audio path, and remembered."""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import torch
from platformdirs import user_cache_path
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from rtsep.errors import BundleError
from rtsep.models.bundle import Bundle
from rtsep.models.text import clean_prompt, embed

logger = logging.getLogger(__name__)

MOST_IN_MEMORY, MOST_ON_DISK = 128, 8192
"""Prompts that are remembered; those asked for the longest time ago make way. A flood of new words, which
anybody who may send OSC can cause, fills neither."""

TIDY_EVERY = 64
"""Prompts written between two looks at how many there are on the disk."""


class Recent(OrderedDict[str, Tensor]):
    """The tensors asked for last, by prompt; ``most`` of them.

    Args:
        most: that are kept.
    """

    def __init__(self, most: int = MOST_IN_MEMORY) -> None:
        super().__init__()
        self._most = most

    def __getitem__(self, prompt: str) -> Tensor:
        """What was kept for a prompt."""
        self.move_to_end(prompt)
        return super().__getitem__(prompt)

    def __setitem__(self, prompt: str, found: Tensor) -> None:
        """Keep something, and let go of the oldest."""
        super().__setitem__(prompt, found)
        if len(self) > self._most:
            self.popitem(last=False)


class FilmTable(dict[str, Tensor]):
    """FiLM parameters that are all there from the start."""

    def __call__(self, prompt: str) -> Tensor:
        """FiLM parameters of a prompt, (parameters,)."""
        return self[prompt]

    def knows(self, prompt: str) -> bool:
        """Whether the table has it."""
        return prompt in self


class FilmCache:
    """FiLM parameters of every prompt asked for, in memory and on disk.

    The text encoder is loaded only for a prompt that neither holds, and let go at once.

    Args:
        bundle: whose masker the parameters steer; part of the key.
        folder: where they are kept, by default the user's cache folder.
        encode: embeds phrases with the text encoder of that name; an ``EncoderProcess`` does so away from
            the audio.
    """

    def __init__(
        self,
        bundle: Bundle,
        folder: Path | None = None,
        encode: Callable[[str, list[str]], Tensor] = embed,
    ) -> None:
        self._bundle, self._encode = bundle, encode
        self._folder = (folder or user_cache_path("rtsep") / "film") / bundle.fingerprint
        self._shipped, self._memory = _shipped(bundle), Recent()
        self._written = 0

    def __call__(self, prompt: str) -> Tensor:
        """FiLM parameters of a prompt, (parameters,), on the CPU.

        Raises:
            CommandError: the prompt is empty or too long.
            BundleError: the text encoder is needed and missing.
        """
        words = clean_prompt(prompt)
        if words in self._shipped:
            return self._shipped[words]
        if not self.knows(words):
            found = self._compute(words)
            self._write(self._path(words), found)
            self._memory[words] = found
        return self._memory[words]

    def knows(self, prompt: str) -> bool:
        """Whether a prompt's parameters are in memory or on disk, so that no text encoder is needed.

        Raises:
            CommandError: the prompt is empty or too long.
        """
        words = clean_prompt(prompt)
        if words not in self._shipped and words not in self._memory:
            found = self._read(self._path(words))
            if found is None:
                return False
            self._memory[words] = found
        return True

    def _path(self, words: str) -> Path:
        return self._folder / f"{hashlib.sha256(words.encode()).hexdigest()[:32]}.safetensors"

    @torch.inference_mode()
    def _compute(self, words: str) -> Tensor:
        embedding = self._encode(self._bundle.config.text_encoder, [words])
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
            self._written += 1
            if self._written % TIDY_EVERY == 1:
                _tidy(path.parent)
        except (OSError, SafetensorError) as error:
            logger.warning("cannot keep the prompt in %s: %s", path.parent, error)


def _tidy(folder: Path) -> None:
    """Remove the oldest files of a folder that holds too many."""
    kept = sorted((path.stat().st_mtime, path) for path in folder.glob("*.safetensors"))
    for _, path in kept[: max(0, len(kept) - MOST_ON_DISK)]:
        path.unlink(missing_ok=True)


def _shipped(bundle: Bundle) -> dict[str, Tensor]:
    """The FiLM parameters that come with a bundle, by prompt.

    Raises:
        BundleError: they cannot be read, or are another model's.
    """
    if bundle.films is None:
        return {}
    try:
        found = dict(load_file(bundle.films))
    except (OSError, SafetensorError) as error:
        raise BundleError(f"cannot read {bundle.films}: {error}; fetch or copy the bundle again") from error
    wanted = bundle.separator.film_head.out.bias.shape
    for prompt, film in found.items():
        if film.shape != wanted:
            raise BundleError(
                f"{bundle.films}: {prompt!r} has shape {tuple(film.shape)}, the model {tuple(wanted)}"
            )
    return found
