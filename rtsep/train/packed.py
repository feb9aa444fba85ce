"""A packed pool, as ``rtsep pack`` writes it: clips in parts, and embeddings in place of a text encoder.

::

    part-00.safetensors   bytes of some clips, their table as metadata; as many parts as are there are read
    phrases.safetensors   embeddings of every phrase that training may draw
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor

from rtsep.errors import ConfigError
from rtsep.train.pool import Clip, Pool, Samples, decode_all, place
from rtsep.train.table import Row

Encoding = Literal["files", "mulaw"]
"""``files``: each clip's file as it lies on disk, which needs soundfile to read; ``mulaw``: 8 bits a sample
(38 dB, of sound at -60 dBFS 24), which needs nothing."""

PHRASES = "phrases.safetensors"
PATTERN = "part-*.safetensors"

MU = 255.0
"""The curve of ITU-T G.711's mu-law, without its segments."""


def is_packed(data: Path) -> bool:
    """Whether a folder holds a packed pool."""
    return (data / PHRASES).is_file()


def open_packed(folder: Path, sample_rate: int) -> Pool:
    """The pool of as many parts as are there.

    Raises:
        ConfigError: there is none, one is damaged or of another rate, or soundfile is needed and missing.
    """
    paths = sorted(folder.glob(PATTERN))
    if not paths:
        raise ConfigError(f"{folder} has {PHRASES}, but no {PATTERN}")
    rows: list[Row] = []
    samples: list[Samples] = []
    for path in paths:
        content, table = _read(path)
        if table["encoding"] == "mulaw" and table["sample_rate"] != sample_rate:
            raise ConfigError(f"{path} holds {table['sample_rate']} Hz, the recipe wants {sample_rate} Hz")
        clips = [Clip(**clip) for clip in table["clips"]]
        rows += [Row(path, clip.label, clip.category, clip.caption, clip.group) for clip in clips]
        pieces = [content[clip.start : clip.start + clip.length] for clip in clips]
        if table["encoding"] == "mulaw":
            samples += map(expand, pieces)
        else:
            samples += decode_all([io.BytesIO(piece.tobytes()) for piece in pieces], sample_rate)
    return Pool(np.concatenate(samples), place(rows, map(len, samples)), sample_rate)


def expand(bits: NDArray[np.uint8]) -> Samples:
    """8 bits to 16, mu-law."""
    code = (np.arange(256, dtype=np.float64) - 128) / 127
    wave = np.sign(code) * np.expm1(np.abs(code) * np.log1p(MU)) / MU
    samples: Samples = (wave * 32768).clip(-32768, 32767).round().astype(np.int16)[bits]
    return samples


class PackedPhrases:
    """Embeddings of phrases from a packed pool, in place of a text encoder.

    Raises:
        ConfigError: the file is damaged, or was made with another text encoder.
    """

    def __init__(self, folder: Path, encoder: str) -> None:
        self._path = folder / PHRASES
        content, table = _read(self._path)
        if table["encoder"] != encoder:
            raise ConfigError(f"{self._path} was made with {table['encoder']}, the recipe names {encoder}")
        self._row = {phrase: number for number, phrase in enumerate(table["phrases"])}
        self._embeddings = torch.from_numpy(content).float()

    def __call__(self, phrases: Sequence[str]) -> Tensor:
        """Embeddings (N, text), of unit length.

        Raises:
            ConfigError: a phrase was not packed.
        """
        missing = [phrase for phrase in phrases if phrase not in self._row]
        if missing:
            raise ConfigError(f"{self._path} lacks {len(missing)} phrases, {missing[0]!r} first: pack again")
        found = self._embeddings[[self._row[phrase] for phrase in phrases]]
        return torch.nn.functional.normalize(found, dim=-1)


def _read(path: Path) -> tuple[NDArray[Any], dict[str, Any]]:
    try:
        with safe_open(path, framework="np") as file:
            table: dict[str, Any] = json.loads(file.metadata()["table"])
            return file.get_tensor("content"), table
    except (OSError, SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ConfigError(f"{path} is damaged ({type(error).__name__}): carry it again") from error
