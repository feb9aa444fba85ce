"""Graphs for ONNX Runtime that hold no weights, only their names, and take a bundle's own.

The same arithmetic as the module they were made of, in one call instead of hundreds of small ones.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rtsep.errors import BundleError
from rtsep.models import int8
from rtsep.nn.streaming import State

_OPSET = 23

_Module = TypeVar("_Module", bound=nn.Module)


def export_graph(
    module: nn.Module,
    inputs: tuple[Any, ...],
    input_names: Sequence[str],
    output_names: Sequence[str],
    shapes: tuple[Any, ...],
    path: Path,
    int8_path: Path | None = None,
    int8_weights: Collection[str] = (),
) -> None:
    """Write a module's forward as a graph; takes about 15 s, and the packages onnx and onnxscript.

    Args:
        module: on the CPU, in float32; no two of its weights are equal, or they would become one.
        inputs: an example, in which every size that is free is another, and none is 1.
        input_names: one for each tensor.
        output_names: one for each tensor.
        shapes: the free dimensions of the inputs, as ``torch.export`` takes them.
        path: the graph's file.
        int8_path: for the same graph with some weights as bytes, if wanted.
        int8_weights: the names of those.

    Raises:
        BundleError: the packages are missing.
    """
    try:
        import onnx
        import onnxscript.optimizer
    except ImportError as error:
        raise BundleError(f"exporting a graph needs {error.name}: pip install 'rtsep[train]'") from error
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it tells of packages that it does not need
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own deprecations
        program = torch.onnx.export(
            module.eval(),
            inputs,
            input_names=input_names,
            output_names=output_names,
            dynamic_shapes=shapes,
            dynamo=True,
            opset_version=_OPSET,
            optimize=False,
            verbose=False,
        )
    assert program is not None
    known = weights(module)

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
    if int8_path is not None:
        int8.quantize(model, map(_marked, int8_weights))
        int8_path.write_bytes(model.SerializeToString())


def randomised(module: _Module) -> _Module:
    """A copy to export: weights that are equal, such as those training has not moved, would become one."""
    module = copy.deepcopy(module)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return module


class Graph:
    """A graph with the weights of a module like the one that it was made of, ready to run on the CPU.

    Raises:
        BundleError: the graph cannot be read, or wants other weights.
    """

    def __init__(self, path: Path, module: nn.Module, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        # Silent stretches reach denormal numbers, on which every operation takes ten times as long.
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        try:
            graph = path.read_bytes()
            # Only the package onnx could list the names in a graph; marked as they are they can be sought.
            known = {_marked(name): tensor for name, tensor in weights(module).items()}
            for name in [each for each in known if int8.names(each)[0].encode() in graph]:
                known |= zip(int8.names(name), int8.quantized(known.pop(name)), strict=True)
            found = {name: tensor.numpy() for name, tensor in known.items() if name.encode() in graph}
            values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in found.values()]
            options.add_external_initializers(list(found), values)
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no common base
            raise not_this_models(path, error) from error
        self._held = found, values  # the session does not hold what it was given
        self._names = [each.name for each in self._session.get_inputs()]

    def __call__(self, *inputs: Tensor) -> Iterator[Tensor]:
        """The outputs, in order, for the inputs in theirs."""
        return map(torch.from_numpy, self.run(*(tensor.numpy() for tensor in inputs)))

    def run(self, *inputs: NDArray[Any]) -> list[NDArray[Any]]:
        """The same on arrays."""
        found: list[NDArray[Any]] = self._session.run(None, dict(zip(self._names, inputs, strict=True)))
        return found


def not_this_models(path: Path, why: object) -> BundleError:
    """The fault of a graph that belongs to another model, or to none."""
    return BundleError(f"{path}: not this model's graph ({str(why).splitlines()[0]})")


def weights(module: nn.Module) -> dict[str, Tensor]:
    """Every tensor of a module, by its name in the graph."""
    tensors = (*module.named_parameters(), *module.named_buffers())
    return {name: tensor.detach().contiguous() for name, tensor in tensors}


def leaves(state: State) -> Iterator[Tensor]:
    """The tensors of a state in order; a tenth of the time that torch's pytree takes."""
    if isinstance(state, Tensor):
        yield state
    else:
        for part in state:
            yield from leaves(part)


def like(form: Any, tensors: Iterator[Tensor]) -> Any:
    """The next tensors as a state of that form."""
    return next(tensors) if isinstance(form, Tensor) else tuple(like(part, tensors) for part in form)


def numbered(name: str, tensors: Sequence[Tensor]) -> list[str]:
    """A name for each of the tensors of a state."""
    return [f"{name}_{number}" for number in range(len(tensors))]


def _marked(name: str) -> str:
    """A weight's name in the graph: no other name ends or goes on like this."""
    return f"[{name}]"
