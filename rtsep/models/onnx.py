"""One hop of a separator as an ONNX graph, which ONNX Runtime runs in one call.

Hop by hop, most of the time of an eager forward goes into Python between small tensor operations, and
each of these lets go of the interpreter: beside another busy thread each may have to wait to get it
back. The graph does the same arithmetic, checked against eager; it holds no weights, only their names,
so that it takes a bundle's own, and it serves any number of prompts and channels.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rtsep.errors import BundleError
from rtsep.models.bundle import Bundle
from rtsep.models.separator import Mix, Separation, Separator
from rtsep.nn.streaming import State

Step = Callable[
    [Tensor, Tensor, tuple[State, State, State], Mix], tuple[Separation, tuple[State, State, State]]
]
"""The forward of a separator over one hop: mixture, FiLM parameters, state, mix."""

_OPSET = 23
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
        separation, new_state = self.separator(mixture, film, _like(self.form, iter(state)), mix)
        return separation.wave, separation.upper_gain, tuple(_leaves(new_state))


@torch.no_grad()
def export_step(separator: Separator, path: Path) -> None:
    """Write the graph of one hop; takes about 15 s, and the packages onnx and onnxscript.

    Args:
        separator: on the CPU, in float32.
        path: the graph's file; no weights are in it.

    Raises:
        BundleError: the packages are missing.
    """
    try:
        import onnx
        import onnxscript.optimizer
    except ImportError as error:
        raise BundleError(f"exporting a graph needs {error.name}: pip install 'rtsep[train]'") from error
    # Equal weights, such as those that training has not moved yet, would become one weight in the graph.
    separator = copy.deepcopy(separator)
    for parameter in separator.parameters():
        parameter.copy_(torch.randn_like(parameter))
    prompts, channels, outputs = _EXAMPLE
    state = separator.initial_state(1, channels, prompts, outputs)
    # Two caches may be one tensor at the start: the exporter would take them for one for ever.
    leaves = [leaf.clone() for leaf in _leaves(state)]
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
        tuple(free[leaf.shape[0]] for leaf in leaves),
    )  # fmt: skip
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it tells of packages that it does not need
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own deprecations
        program = torch.onnx.export(
            _Flat(separator, state).eval(),
            (mixture, film, *mix, tuple(leaves)),
            input_names=["mixture", "film", "wanted", "removed", "weights", *_numbered("state", leaves)],
            output_names=["wave", "upper_gain", *_numbered("new_state", leaves)],
            dynamic_shapes=shapes,
            dynamo=True,
            opset_version=_OPSET,
            optimize=False,
            verbose=False,
        )
    assert program is not None
    known = _weights(separator)

    def folds(node: Any) -> bool | None:
        return False if any(value is not None and value.name in known for value in node.inputs) else None

    # Weights stay as they are: the runtime folds what can be folded when it has them.
    onnxscript.optimizer.optimize_ir(program.model, should_fold=folds)
    model = program.model_proto
    renamed = {}
    for tensor in model.graph.initializer:
        if tensor.name in known:
            renamed[tensor.name] = _marked(tensor.name)
            tensor.name = renamed[tensor.name]
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            del tensor.external_data[:]
            tensor.external_data.add(key="location", value="weights.safetensors")
    for node in model.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        del node.metadata_props[:]  # where in our source each came from: most of the file
        node.doc_string = ""
    path.write_bytes(model.SerializeToString())


def onnx_step(path: Path, separator: Separator) -> Step:
    """A graph and a separator's weights as what runs one hop on the CPU, on the thread that calls it.

    Raises:
        BundleError: the graph cannot be read, or is another model's.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Silent stretches reach denormal numbers, on which every operation takes ten times as long.
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    try:
        graph = path.read_bytes()
        # Only the package onnx could list the names in a graph; marked as they are, they can be looked for.
        weights = {_marked(name): tensor.numpy() for name, tensor in _weights(separator).items()}
        weights = {name: array for name, array in weights.items() if name.encode() in graph}
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in weights.values()]
        options.add_external_initializers(list(weights), values)
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common base
        raise BundleError(f"{path}: not this model's graph ({str(error).splitlines()[0]})") from error
    form = separator.initial_state(1, 1, 1, 1)
    names = [each.name for each in session.get_inputs()]

    def step(
        mixture: Tensor, film: Tensor, state: tuple[State, State, State], mix: Mix
    ) -> tuple[Separation, tuple[State, State, State]]:
        given = (mixture, film, mix.wanted, mix.removed, mix.weights, *_leaves(state))
        feed = {name: tensor.numpy() for name, tensor in zip(names, given, strict=True)}
        found = map(torch.from_numpy, session.run(None, feed))
        separation = Separation(next(found), next(found))
        return separation, _like(form, found)

    try:
        difference = _difference(step, separator)
    except Exception as error:  # likewise
        raise BundleError(f"{path}: not this model's graph ({str(error).splitlines()[0]})") from error
    if not difference <= _TOLERANCE:  # true for NaN as well
        raise BundleError(f"{path}: not this model's graph (its sound differs by {difference:.2g})")
    return step


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


def _leaves(state: State) -> Iterator[Tensor]:
    """The tensors of a state in order; a tenth of the time that torch's pytree takes."""
    if isinstance(state, Tensor):
        yield state
    else:
        for part in state:
            yield from _leaves(part)


def _like(form: Any, leaves: Iterator[Tensor]) -> Any:
    """The next leaves as a state of that form."""
    return next(leaves) if isinstance(form, Tensor) else tuple(_like(part, leaves) for part in form)


def live_step(bundle: Bundle) -> Step | None:
    """The fastest way to run one hop of a bundle where it is: its graph, on a processor."""
    device = next(bundle.separator.parameters()).device
    return onnx_step(bundle.graph, bundle.separator) if bundle.graph and device.type == "cpu" else None


def _weights(separator: Separator) -> dict[str, Tensor]:
    """Every tensor of the parts that a hop goes through, by its name in the graph."""
    tensors = (*separator.named_parameters(), *separator.named_buffers())
    return {f"separator.{name}": tensor.detach().contiguous() for name, tensor in tensors}


def _numbered(name: str, leaves: list[Tensor]) -> list[str]:
    return [f"{name}_{number}" for number in range(len(leaves))]


def _marked(name: str) -> str:
    """A weight's name in the graph: no other name ends or goes on like this."""
    return f"[{name}]"
