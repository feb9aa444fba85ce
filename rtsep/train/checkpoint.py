"""Checkpoints on disk: written whole or not at all, and small ones that travel in parts."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rtsep.errors import ConfigError
from rtsep.models.separator import Separator

CHECKPOINT = "checkpoint.pt"

BANK = ("film_head.neighbours.bank", "film_head.neighbours.meant")
"""The tensors that are data rather than learnt: the phrases that prompts are blended of."""

LONGEST_SAID = 200
"""Characters that are told of a fault; torch lists every tensor."""

PART_BYTES = 15_000_000

Parts = dict[str, Any]
"""What a checkpoint holds, by name; see ``Trainer.save``."""


def write_checkpoint(folder: Path, parts: Parts) -> None:
    """Write a run's checkpoint; the old one stays until the new one is whole."""
    partial = folder / f"{CHECKPOINT}.part"
    torch.save(parts, partial)
    partial.replace(folder / CHECKPOINT)


def read_checkpoint(folder: Path, device: torch.device | str = "cpu") -> Parts:
    """A run's checkpoint, its tensors on ``device``.

    Raises:
        ConfigError: there is none, or it is damaged.
    """
    path = folder / CHECKPOINT
    try:
        parts: Parts = torch.load(path, map_location=device, weights_only=True)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigError(f"no training run in {folder}: {CHECKPOINT} is missing") from error
    except Exception as error:  # torch.load raises pickle's, zipfile's and its own, by the damage
        raise ConfigError(f"{path} is damaged ({type(error).__name__}): join or copy it again") from error
    return parts


@contextmanager
def understood(folder: Path) -> Iterator[None]:
    """Where a run's checkpoint is made use of: what it lacks, or has of another shape, is told.

    Raises:
        ConfigError: it is none of this version's training.
    """
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())}"[:LONGEST_SAID]
        raise ConfigError(
            f"{folder / CHECKPOINT} holds no run of this version ({said}): copy it again or name another"
        ) from error


def write_parts(folder: Path, parts: Parts, part_bytes: int = PART_BYTES) -> list[Path]:
    """Write a checkpoint for a journey: weights in half precision, no optimizers, in files of ``part_bytes``.

    ``cat FOLDER/checkpoint.pt.* > RUN/checkpoint.pt`` makes a run of it. Its optimizers start anew, which
    costs some tens of steps; their moments would have been two thirds of the bytes.
    """
    small = {name: value for name, value in parts.items() if name != "optimizers"}
    for name in ("separator", "average"):
        small[name] = {key: _half(value) for key, value in parts[name].items()}
    buffer = io.BytesIO()
    torch.save(small, buffer)
    whole, paths = buffer.getvalue(), []
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{CHECKPOINT}.*"):
        old.unlink()
    for number, start in enumerate(range(0, len(whole), part_bytes)):
        paths.append(folder / f"{CHECKPOINT}.{number:02}")
        paths[-1].write_bytes(whole[start : start + part_bytes])
    return paths


def load_average(parts: Parts, separator: Separator) -> None:
    """Load a checkpoint's averaged weights."""
    averaged = {name.removeprefix("module."): value for name, value in parts["average"].items()}
    del averaged["n_averaged"]
    separator.load_state_dict(averaged)


def _half(value: Tensor) -> Tensor:
    return value.half().cpu() if value.is_floating_point() else value.cpu()
