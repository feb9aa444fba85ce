"""Matrix products with weights of one byte: dynamic quantisation of a graph that holds no weights.

One frame at a time, a matrix is read once for every use: its size is its cost. Each output channel has
a scale of its own; activations are quantised as they come, by ONNX Runtime (``DynamicQuantizeMatMul``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    import onnx

_LARGEST = 63
"""Seven bits: processors without VNNI add two products of bytes in 16 bits, which eight would overflow."""


def quantized(weight: Tensor) -> tuple[Tensor, Tensor]:
    """A weight (out, ...) as bytes (in, out) and the scale of each output (out,)."""
    rows = weight.flatten(1)
    scale = rows.abs().amax(dim=1).clamp(min=1e-12) / _LARGEST
    return (rows / scale[:, None]).round().to(torch.int8).T.contiguous(), scale


def names(weight: str) -> tuple[str, str]:
    """What a graph calls the bytes and the scales of a weight."""
    return f"{weight}int8", f"{weight}scale"


def quantize(model: onnx.ModelProto, weights: Iterable[str]) -> None:
    """Have a graph take some of its weights as bytes.

    Args:
        model: as exported; changed in place. Products with the weights are ``Gemm``, the weight (out, in),
            or of more dimensions and flattened by a ``Reshape``.
        weights: names of initialisers of the graph.
    """
    import onnx

    graph, wanted = model.graph, set(weights)
    shapes = {each.name: tuple(each.dims) for each in graph.initializer if each.name in wanted}
    source = {name: name for name in shapes}
    source |= {
        node.output[0]: node.input[0]
        for node in graph.node
        if node.op_type == "Reshape" and node.input[0] in shapes
    }
    for node in graph.node:
        if node.op_type == "Gemm" and (name := source.get(node.input[1])):
            stored, scale = names(name)
            bias = list(node.input[2:])
            node.op_type, node.domain = "DynamicQuantizeMatMul", "com.microsoft"
            node.input[:] = [node.input[0], stored, scale, "", *bias]
            del node.attribute[:]
            graph.initializer.extend(_declared(stored, scale, shapes[name]))
    if all(each.domain != "com.microsoft" for each in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
    _drop_unused(graph)


def _declared(stored: str, scale: str, shape: tuple[int, ...]) -> Iterator[onnx.TensorProto]:
    """Initialisers without values for the bytes and the scales of a weight of that shape."""
    import onnx

    outputs, inputs = shape[0], torch.Size(shape[1:]).numel()
    kinds = onnx.TensorProto
    for name, kind, dims in ((stored, kinds.INT8, (inputs, outputs)), (scale, kinds.FLOAT, (outputs,))):
        tensor = onnx.TensorProto(name=name, data_type=kind, dims=dims, data_location=kinds.EXTERNAL)
        tensor.external_data.add(key="location", value="weights.safetensors")
        yield tensor


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Take out what nothing reads any more: the weights in full, and the nodes that flattened them."""
    for _ in range(2):
        read = {name for node in graph.node for name in node.input}
        read |= {each.name for each in graph.output}
        for node in [each for each in graph.node if not read.intersection(each.output)]:
            graph.node.remove(node)
    for tensor in [each for each in graph.initializer if each.name not in read]:
        graph.initializer.remove(tensor)
