"""Rendering a file: as long as the input, nothing shifted, whatever the length and the blocks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from builders import Array, keep_all, noise, random_films, tiny_separator, transparent_separator

from rtsep.control import Console
from rtsep.models.condition import Condition
from rtsep.models.separator import Separator
from rtsep.pipeline import Pipeline
from rtsep.render import render
from rtsep.worker import Worker


class Collected:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.blocks: list[Array] = []

    def write(self, samples: Array) -> None:
        self.blocks.append(samples)


def rendered(separator: Separator, x: Array, block: int, rate: int = 48_000) -> Array:
    channels = x.shape[1]
    pipeline = Pipeline(separator, keep_all(random_films(separator, 1)), rate, channels)
    worker = Worker(pipeline, Console.of(["x"]))
    sink, counts = Collected(), list[int]()
    blocks = [x[start : start + block] for start in range(0, len(x), block)]
    written = render(worker, blocks, sink, counts.append)
    y = np.concatenate([np.zeros((0, channels), np.float32), *sink.blocks])
    assert written == len(y) == sum(counts) == len(x)
    assert worker.status.seconds == pytest.approx(len(x) / rate)
    return y


@pytest.mark.parametrize("length", [1, 2, 31, 479, 4801, 20_011])
@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_the_output_is_the_input_under_a_mask_of_ones_to_the_last_sample(length: int, rate: int) -> None:
    x = noise(length, 2)
    y = rendered(transparent_separator(), x, 1000, rate)
    assert np.abs(y[: length - 600] - x[: length - 600]).max(initial=0) <= 1e-5
    # Where the input ends the high band meets the resampler's idea of a sudden silence: still no shift.
    assert np.abs(y - x).max() <= 1e-4


@pytest.mark.parametrize("block", [1, 64, 999, 9_999_999])
def test_the_size_of_the_blocks_does_not_matter(block: int) -> None:
    x = noise(1501)
    assert np.abs(rendered(tiny_separator(), x, block) - rendered(tiny_separator(), x, 700)).max() <= 1e-5


@pytest.mark.parametrize("length", [1, 31, 4801])
@pytest.mark.parametrize("channels", [1, 2])
def test_stems_are_all_as_long_as_the_input_and_add_up_to_it(length: int, channels: int) -> None:
    separator = transparent_separator()
    with torch.no_grad():
        separator.masker.leave.bias.fill_(-1)
    films = dict(zip("abc", random_films(separator, 3), strict=True))
    console = Console.of("abc").turned("residual/mute", False)
    condition = Condition.of(console, films.__getitem__, len(films["a"]), stems=3)
    worker = Worker(Pipeline(separator, condition, 44_100, channels), console)
    sink, x = Collected(), noise(length, channels)
    assert render(worker, np.array_split(x, 7), sink) == length
    y = np.concatenate(sink.blocks)
    assert y.shape == (length, 4 * channels)
    assert np.abs(y.reshape(length, 4, channels).sum(axis=1) - x).max() <= 1e-5


def test_no_input_gives_no_output() -> None:
    assert rendered(tiny_separator(), np.zeros((0, 1), np.float32), 100).shape == (0, 1)
