"""One hop of a separator as an ONNX graph, which ONNX Runtime runs in one call.

Hop by hop, most of the time of an eager forward goes into Python between small tensor operations, and
each of these lets go of the interpreter: beside another busy thread each may have to wait to get it
back. The graph does the same arithmetic, checked against eager; it holds no weights, only their names,
so that it takes a bundle's own, and it serves any number of prompts and channels.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rtsep.models.graph import Graph, export_graph, leaves, like, not_this_models, numbered, randomised
from rtsep.models.separator import Mix, Separation, Separator
from rtsep.nn.streaming import State

Step = Callable[
    [Tensor, Tensor, tuple[State, State, State], Mix], tuple[Separation, tuple[State, State, State]]
]
"""The forward of a separator over one hop: mixture, FiLM parameters, state, mix."""

_TOLERANCE = 1e-2
"""Far above rounding, which is a hundredth of it, and far below what another model gives."""
_EXAMPLE = (3, 2, 4)
"""Prompts, channels and outputs of the example that is exported: all different, and none 1, since the
exporter takes equal sizes for one size and 1 for a constant."""


class _Flat(nn.Module):
    """The forward with the state as a flat tuple, which is what can be exported."""

    def __init__(self, separator: Separator, form: tuple[State, State, State]) -> None:
        super().__init__()
        self.separator, self.form = separator, form

    def forward(
        self,
        mixture: Tensor,
        film: Tensor,
        wanted: Tensor,
        removed: Tensor,
        weights: Tensor,
        state: tuple[Tensor, ...],
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        mix = Mix(wanted, removed, weights, weights.new_zeros(len(weights)))
        separation, new_state = self.separator(mixture, film, like(self.form, iter(state)), mix)
        return separation.wave, separation.upper_gain, tuple(leaves(new_state))


@torch.no_grad()
def export_step(separator: Separator, path: Path, int8_path: Path | None = None) -> None:
    """Write the graph of one hop; takes about 15 s, and the packages onnx and onnxscript.

    Args:
        separator: on the CPU, in float32.
        path: the graph's file; no weights are in it.
        int8_path: for the same graph with the masker's layers as bytes, if wanted.

    Raises:
        BundleError: the packages are missing.
    """
    separator = randomised(separator)
    prompts, channels, outputs = _EXAMPLE
    state = separator.initial_state(1, channels, prompts, outputs)
    # Two caches may be one tensor at the start: the exporter would take them for one for ever.
    flat = [leaf.clone() for leaf in leaves(state)]
    parameters = separator.film_head.out.out_features
    mixture = torch.randn(1, channels, separator.hop)
    film = torch.randn(1, prompts, 1, parameters)
    mix = torch.rand(prompts), torch.rand(prompts), torch.rand(outputs, prompts)
    dynamic = torch.export.Dim.DYNAMIC
    free = {
        size: {0: dynamic} for size in (prompts, channels, channels * outputs)
    }  # sizes of the states' first dimension
    shapes = (
        {1: dynamic}, {1: dynamic}, {0: dynamic}, {0: dynamic}, {0: dynamic, 1: dynamic},
        tuple(free[leaf.shape[0]] for leaf in flat),
    )  # fmt: skip
    export_graph(
        _Flat(separator, state),
        (mixture, film, *mix, tuple(flat)),
        ["mixture", "film", "wanted", "removed", "weights", *numbered("state", flat)],
        ["wave", "upper_gain", *numbered("new_state", flat)],
        shapes,
        path,
        int8_path,
        _as_bytes(separator),
    )


def _as_bytes(separator: Separator) -> list[str]:
    """The matrices of the masker's layers.

    What leads in and out is a sixth of the masker, and as bytes brought seven times the error of all the
    rest (by weights alone, on the default bundle).
    """
    named = separator.masker.named_parameters("separator.masker")
    return [name for name, weight in named if weight.ndim > 1 and ".layers." in name]


def onnx_step(path: Path, separator: Separator) -> Step:
    """A graph and a separator's weights as what runs one hop on the CPU, on the thread that calls it.

    Raises:
        BundleError: the graph cannot be read, or is another model's.
    """
    step = _step(path, separator)
    _checked(path, step, separator)
    return step


def difference(path: Path, separator: Separator) -> float:
    """How far the sound of a graph is from the eager forward's.

    Raises:
        BundleError: the graph cannot be read, or is another model's.
    """
    return _checked(path, _step(path, separator), separator)


def _step(path: Path, separator: Separator) -> Step:
    form = separator.initial_state(1, 1, 1, 1)
    graph = Graph(path, _Flat(separator, form))
    last: tuple[Any, list[NDArray[Any]]] = (None, [])  # a state that was given out, and what it is made of

    def step(
        mixture: Tensor, film: Tensor, state: tuple[State, State, State], mix: Mix
    ) -> tuple[Separation, tuple[State, State, State]]:
        nonlocal last
        known, arrays = last
        if state is not known:  # mostly it is: taking one apart costs as much as a layer
            arrays = [leaf.numpy() for leaf in leaves(state)]
        given = (mixture, film, mix.wanted, mix.removed, mix.weights)
        wave, upper_gain, *new = graph.run(*(tensor.numpy() for tensor in given), *arrays)
        state = like(form, map(torch.from_numpy, new))
        last = state, new
        return Separation(torch.from_numpy(wave), torch.from_numpy(upper_gain)), state

    return step


def _checked(path: Path, step: Step, separator: Separator) -> float:
    """The difference, where it is one that rounding makes."""
    try:
        found = _difference(step, separator)
    except Exception as error:  # its exceptions have no common base
        raise not_this_models(path, error) from error
    if not found <= _TOLERANCE:  # true for NaN as well
        raise not_this_models(path, f"its sound differs by {found:.2g}")
    return found


@torch.inference_mode()
def _difference(step: Step, separator: Separator) -> float:
    """The largest difference from the eager forward: the names of the weights do not tell every model."""
    generator = torch.Generator().manual_seed(0)

    def some(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    film = some(1, 2, 1, separator.film_head.out.out_features)
    mix = Mix(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), some(2, 2), torch.zeros(2))
    ours = theirs = separator.initial_state(1, 1, 2, 2)
    worst = torch.zeros(())
    for _ in range(3):
        mixture = 0.1 * some(1, 1, separator.hop)
        found, ours = step(mixture, film, ours, mix)
        expected, theirs = separator(mixture, film, theirs, mix)
        for mine, wanted in zip(found, expected, strict=True):
            worst = torch.maximum(worst, (mine - wanted).abs().max())
    return float(worst)
