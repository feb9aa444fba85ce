"""The smallest models that still have every part, and the few helpers that many test files share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rtsep.models.bundle import Bundle, BundleConfig, load_bundle, save_bundle
from rtsep.models.codec import CodecConfig
from rtsep.models.condition import Condition
from rtsep.models.masker import MaskerConfig
from rtsep.models.separator import Mix, Separator
from rtsep.pipeline import Pipeline

torch.set_num_threads(1)  # two threads on so little work, beside any load, took up to fifty times as long

Array = NDArray[np.float32]

CODEC = CodecConfig(
    stem_kernel=64,
    stem_hop=16,
    stem_overlap=12,
    residual_dilations=(1, 2),
    residual_width=8,
    codebooks=2,
    codebook_size=16,
    codebook_bins=12,
)
LIVE_CODEC = CodecConfig(codebooks=1, codebook_size=16)
"""The real hop of 10 ms: of ``CODEC``'s, two thirds of a millisecond, no machine does one after the other."""

MASKER = MaskerConfig(width=32, layers=2, heads=2, feed_forward=48, window=8, text=16, text_hidden=8, floor=0)
"""Without a floor, so that masks can be anything from 0 to 1."""

MEMORY_HOPS = MASKER.layers * (MASKER.window - 1) + 2 + 4
"""Hops after which the tiny masker has forgotten: its attention windows, its first convolution, the codec."""


def stirred(module: nn.Module, seed: int = 0, by: float = 0.05) -> nn.Module:
    """Every weight moved a little, so that a branch that starts at zero does something."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(by * torch.randn(parameter.shape, generator=generator))
    return module


def tiny_separator(codec: CodecConfig = CODEC, masker: MaskerConfig = MASKER, seed: int = 0) -> Separator:
    """A separator with random weights everywhere, whose mask varies from bin to bin and frame to frame."""
    torch.manual_seed(seed)
    separator = Separator(codec, masker)
    stirred(separator, seed)
    with torch.no_grad():
        separator.masker.leave.weight.mul_(4)
    return separator.eval().requires_grad_(False)


def linear_separator(codec: CodecConfig = CODEC, masker: MaskerConfig = MASKER, seed: int = 0) -> Separator:
    """A fresh codec, which is linear and reconstructs, under the masks of ``tiny_separator``."""
    separator = Separator(codec, masker)
    separator.masker.load_state_dict(tiny_separator(codec, masker, seed).masker.state_dict())
    return separator.eval().requires_grad_(False)


def transparent_separator(codec: CodecConfig = CODEC, masker: MaskerConfig = MASKER) -> Separator:
    """A fresh codec, which reconstructs, under a mask of ones."""
    torch.manual_seed(0)
    separator = Separator(codec, masker)
    with torch.no_grad():
        separator.masker.leave.weight.zero_()
        separator.masker.leave.bias.fill_(20)
    return separator.eval().requires_grad_(False)


def random_films(separator: Separator, prompts: int, seed: int = 0) -> Tensor:
    """FiLM parameters of made-up prompts that differ, (P, parameters)."""
    generator = torch.Generator().manual_seed(seed)
    size = separator.film_head.out.bias.shape[0]
    return separator.film_head.out.bias.detach() + torch.randn(prompts, size, generator=generator)


def keep_all(films: Tensor) -> Condition:
    """Every prompt of (P, parameters) is kept."""
    return heard(films, [1.0] * len(films))


def heard(films: Tensor, gains: Sequence[float], *, residual: float = 0.0) -> Condition:
    """Every prompt of (P, parameters) at a gain of its own, on the strips 0, 1, ..., and the residual."""
    weights = torch.tensor([gains]) - residual
    mix = Mix(torch.ones(len(films)), torch.zeros(len(films)), weights, torch.tensor([residual]))
    return Condition(tuple(range(len(films))), films, mix)


def noise(samples: int, channels: int = 1, seed: int = 0, level: float = 0.1) -> Array:
    """White noise, (samples, channels)."""
    return (level * np.random.default_rng(seed).standard_normal((samples, channels))).astype(np.float32)


@contextmanager
def full_disk(most_bytes: int) -> Iterator[None]:
    """No file may become larger, as on a full disk."""
    resource = pytest.importorskip("resource", reason="Windows cannot be told to refuse large files")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def random_sizes(total: int, most: int, seed: int = 0) -> list[int]:
    """Chunk sizes 1 to ``most``, the first of them 1, that add up to ``total``."""
    rng = np.random.default_rng(seed)
    sizes = [1]
    while (left := total - sum(sizes)) > 0:
        sizes.append(min(left, int(rng.integers(1, most + 1))))
    return sizes


def tensors(state: Any) -> Iterator[Tensor]:
    """Every tensor in a state, in order."""
    if isinstance(state, Tensor):
        yield state
    else:
        for part in state:
            yield from tensors(part)


def stream(
    step: Callable[[Tensor, Any], tuple[Tensor, Any]],
    x: Tensor,
    state: Any,
    sizes: Sequence[int],
    unit: int = 1,
) -> tuple[Tensor, Any]:
    """Feed (..., T) in chunks of ``sizes`` times ``unit``; returns all of the output, and the last state."""
    assert sum(sizes) * unit == x.shape[-1]
    outputs = []
    for chunk in x.split([size * unit for size in sizes], dim=-1):
        y, state = step(chunk, state)
        outputs.append(y)
    return torch.cat(outputs, dim=-1), state


class BagOfWords:
    """A text encoder for tests: each word a random direction of its own, a phrase their sum."""

    dim = MASKER.text

    def __call__(self, phrases: Sequence[str]) -> Tensor:
        """Embed phrases as (N, dim), each of unit length."""
        return nn.functional.normalize(torch.stack([self._phrase(phrase) for phrase in phrases]), dim=-1)

    def _phrase(self, phrase: str) -> Tensor:
        seeds = [int(hashlib.sha256(word.encode()).hexdigest()[:8], 16) for word in phrase.split()]
        words = [torch.randn(self.dim, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return torch.stack(words).sum(dim=0)


def write_bundle(folder: Path, separator: Separator | None = None, encoder: str = "bag-of-words") -> Path:
    """Write a tiny bundle; returns its folder."""
    separator = separator or tiny_separator()
    config = BundleConfig(
        description="a tiny test model",
        text_encoder=encoder,
        codec=separator.codec.config,
        masker=separator.masker.config,
    )
    save_bundle(folder, config, separator, "# A tiny test model\n")
    return folder


def tiny_bundle(folder: Path, separator: Separator | None = None) -> Bundle:
    """A tiny bundle, written and read."""
    return load_bundle(str(write_bundle(folder, separator)))


def push_all(made: Pipeline, x: Array, sizes: list[int]) -> Array:
    """Push in chunks, checking at each that as much comes out as was promised."""
    outputs, received, emitted = [], 0, 0
    for size in sizes:
        y = made.push(x[received : received + size])
        outputs.append(y)
        received += size
        emitted += len(y)
        assert emitted == made.timing.emitted(received)
    assert received == len(x)
    return np.concatenate(outputs)
