"""``rtsep pack``: a pool in parts that travel, see ``rtsep.train.packed``.

Labels are balanced over the parts, so that the first ones already teach.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from rtsep.errors import ConfigError
from rtsep.models.text import embed
from rtsep.train.packed import MU, PATTERN, PHRASES, Encoding
from rtsep.train.phrases import Phrases
from rtsep.train.pool import Clip, Samples, decode_rows, place
from rtsep.train.recipe import read_recipe
from rtsep.train.table import Row, read_rows
from rtsep.train.vocabulary import SHIPPED, read_vocabulary


def pack_session(
    data: Path,
    out: Path,
    recipe_name: str,
    *,
    encoding: Encoding,
    part_bytes: int,
    validate: Path | None = None,
) -> None:
    """Pack a data set for a machine that has neither its files nor a text encoder.

    Args:
        data: table of clips or folder, see ``read_rows``.
        out: folder for the parts.
        recipe_name: its rate, text encoder and vocabulary are packed for.
        encoding: how clips are kept.
        part_bytes: most bytes of a part.
        validate: mixtures whose prompts are embedded as well, for validation there.
    """
    recipe = read_recipe(recipe_name)
    vocabulary = read_vocabulary(recipe.vocabulary or SHIPPED)
    asked: dict[str, None] = {}

    def remember(phrases: Sequence[str]) -> Tensor:
        asked.update(dict.fromkeys(phrases))
        return torch.ones(len(phrases), 1)

    clips = [Clip(row.label, row.caption, row.category, 0, 0) for row in read_rows(data)]
    Phrases(
        clips, remember, vocabulary, captions=len(clips)
    )  # which come first depends on the parts there are
    if validate is not None:
        from rtsep.evaluate.mixtures import read_manifest

        for mixture in read_manifest(validate, validate.absolute().parent.parent):
            asked.update(dict.fromkeys(mixture.prompts))
    paths = pack(data, out, recipe.codec.sample_rate, encoding=encoding, part_bytes=part_bytes)
    pack_phrases(out, recipe.text_encoder, asked, embed(recipe.text_encoder, list(asked)))
    for path in (*paths, out / PHRASES):
        print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")


def pack(data: Path, out: Path, sample_rate: int, *, encoding: Encoding, part_bytes: int) -> list[Path]:
    """Write the parts of a data set.

    Args:
        data: a table of clips or a folder, see ``read_rows``.
        out: folder for the parts; old parts there are removed.
        sample_rate: of ``mulaw``.
        encoding: how clips are kept.
        part_bytes: most bytes of a part, its table not counted.

    Raises:
        ConfigError: a clip cannot be read, or is larger than a part.
    """
    contents = list(_contents(read_rows(data), sample_rate, encoding))
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob(PATTERN):
        old.unlink()
    paths: list[Path] = []
    some: list[tuple[Row, bytes]] = []
    size = 0
    for row, content in contents:
        if len(content) > part_bytes:
            raise ConfigError(f"{row.path} has {len(content)} bytes, a part at most {part_bytes}")
        if size + len(content) > part_bytes:
            paths.append(_write(out, len(paths), some, sample_rate, encoding))
            some, size = [], 0
        some.append((row, content))
        size += len(content)
    return [*paths, _write(out, len(paths), some, sample_rate, encoding)]


def balanced(labels: Sequence[str], sizes: Sequence[int], seed: int = 0) -> list[int]:
    """An order in which every start of the list has about as much of each label as there is to have.

    Args:
        labels: of each clip.
        sizes: of each clip, in any unit.
        seed: clips of one label come in a random order, so that one speaker does not come first.
    """
    filled: dict[str, int] = defaultdict(int)
    level = {}
    for index in np.random.default_rng(seed).permutation(len(labels)).tolist():
        level[index] = filled[labels[index]]
        filled[labels[index]] += sizes[index]
    return sorted(level, key=lambda index: level[index])


def compand(samples: Samples) -> NDArray[np.uint8]:
    """16 bits to 8, mu-law."""
    wave = samples.astype(np.float32) / 32768
    code = np.sign(wave) * np.log1p(MU * np.abs(wave)) / np.log1p(MU)
    bits: NDArray[np.uint8] = (np.round(code * 127) + 128).astype(np.uint8)
    return bits


def pack_phrases(out: Path, encoder: str, phrases: Iterable[str], embeddings: Tensor) -> None:
    """Write the embeddings (N, text) of phrases, in half precision."""
    out.mkdir(parents=True, exist_ok=True)
    table = {"encoder": encoder, "phrases": list(phrases)}
    save_file({"content": embeddings.half().contiguous()}, out / PHRASES, {"table": json.dumps(table)})


def _contents(rows: Sequence[Row], sample_rate: int, encoding: Encoding) -> Iterator[tuple[Row, bytes]]:
    """Rows in balanced order, each with its bytes."""
    if encoding == "mulaw":
        companded = [compand(samples).tobytes() for samples in decode_rows(rows, sample_rate)]
    elif cut := next((row for row in rows if row.start_s or row.stop_s is not None), None):
        raise ConfigError(f"{cut.path} holds several clips: pack them as mulaw")
    else:
        try:
            companded = [row.path.read_bytes() for row in rows]
        except OSError as error:
            raise ConfigError(f"cannot read {error.filename}: {error.strerror}") from error
    for index in balanced([row.label for row in rows], [len(content) for content in companded]):
        yield rows[index], companded[index]


def _write(
    out: Path, number: int, some: Sequence[tuple[Row, bytes]], sample_rate: int, encoding: Encoding
) -> Path:
    clips = place([row for row, _ in some], [len(content) for _, content in some])
    table = {"encoding": encoding, "sample_rate": sample_rate, "clips": [asdict(clip) for clip in clips]}
    content = torch.frombuffer(bytearray(b"".join(content for _, content in some)), dtype=torch.uint8)
    path = out / f"part-{number:02}.safetensors"
    save_file({"content": content}, path, {"table": json.dumps(table)})
    return path
