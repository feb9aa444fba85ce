"""From a checkpoint of the DAC package to our layers: names, weight norm folded, shapes checked.

The package saves ``{"state_dict": ..., "metadata": {"kwargs": ...}}``; nothing in it is unpickled but
tensors and plain values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from rtsep.errors import BundleError
from rtsep.models.codec import Codec
from rtsep.models.dac import DILATIONS, DacConfig
from rtsep.models.kinds import fault_of
from rtsep.nn.snake import Snake

KEYS = {
    "sample_rate": "sample_rate",
    "encoder_dim": "encoder_width",
    "encoder_rates": "strides",
    "decoder_dim": "decoder_width",
    "decoder_rates": "decoder_strides",
    "n_codebooks": "codebooks",
    "codebook_size": "codebook_size",
    "codebook_dim": "codebook_dim",
}
"""The package's names for what ``DacConfig`` holds."""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What a file of PyTorch holds, without running any code that it brings.

    Raises:
        BundleError: it cannot be read, is cut short, or has more in it than tensors and plain values.
    """
    try:
        with torch.serialization.safe_globals(_numbers()):
            found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror}") from error
    except Exception as error:  # torch.load raises pickle's, zipfile's and its own, by the damage
        raise BundleError(
            f"{path} is no file of weights, is cut short, or brings code, which is never run "
            f"({type(error).__name__}): fetch it again"
        ) from error
    if not isinstance(found, dict):
        raise BundleError(f"{path} holds a {type(found).__name__}, not a table of weights")
    return found


def is_dac(checkpoint: Mapping[str, Any]) -> bool:
    """Whether a checkpoint looks like one of the DAC package."""
    weights = checkpoint.get("state_dict")
    return isinstance(weights, Mapping) and "quantizer.quantizers.0.codebook.weight" in weights


def dac_codec(checkpoint: Mapping[str, Any], source: str, padding: str = "ceil") -> Codec:
    """The codec of a checkpoint of the DAC package, ready for inference.

    Args:
        checkpoint: from ``read_checkpoint``.
        source: where it came from, for messages.
        padding: the decoder's, see ``DacConfig.decoder_padding``.

    Raises:
        BundleError: it is of another architecture than it says, or not finite.
    """
    config = _config(checkpoint, source, padding)
    codec = Codec(config)
    state = codec.state_dict()
    weights = dict(checkpoint["state_dict"])
    for name, theirs in zip(_ours(codec), _theirs(config), strict=True):
        for key, tensor in _take(weights, theirs, source).items():
            wanted = state[f"{name}{key}"]
            if tensor.numel() != wanted.numel() or tensor.squeeze(0).shape != wanted.squeeze(0).shape:
                raise BundleError(
                    f"{source}: {theirs}.{key} has shape {tuple(tensor.shape)}, "
                    f"its own description asks for {tuple(wanted.shape)}"
                )
            if not tensor.isfinite().all():
                raise BundleError(f"{source}: {theirs}.{key} holds values that are not finite")
            state[f"{name}{key}"] = tensor.reshape(wanted.shape).float()
    if weights:
        raise BundleError(f"{source}: {min(weights)} is not part of the published DAC")
    codec.load_state_dict(state)
    return codec.eval().requires_grad_(False)


def _config(checkpoint: Mapping[str, Any], source: str, padding: str) -> DacConfig:
    """The shape that a checkpoint says it has."""
    metadata = checkpoint.get("metadata")
    said = metadata.get("kwargs") if isinstance(metadata, Mapping) else None
    if not is_dac(checkpoint) or not isinstance(said, Mapping):
        raise BundleError(
            f"{source} is no checkpoint of descript-audio-codec: state_dict or kwargs are missing"
        )
    given = {ours: said[theirs] for theirs, ours in KEYS.items() if theirs in said}
    try:
        config = DacConfig.model_validate({"kind": "dac", "decoder_padding": padding} | given)
    except ValidationError as error:
        raise BundleError(f"{source}: its {fault_of(error)}") from error
    if said.get("latent_dim") not in {None, config.latent}:
        raise BundleError(f"{source}: a latent of {said['latent_dim']} channels, not of {config.latent}")
    return config


def _theirs(config: DacConfig) -> Iterator[str]:
    """Every layer of the package's that has weights, in the order in which sound passes them."""
    stages = len(config.strides)
    yield "encoder.block.0"
    for stage in range(1, stages + 1):
        for unit in range(len(DILATIONS)):
            yield from (f"encoder.block.{stage}.block.{unit}.block.{layer}" for layer in range(4))
        yield from (f"encoder.block.{stage}.block.{layer}" for layer in (3, 4))
    yield from (f"encoder.block.{layer}" for layer in (stages + 1, stages + 2))
    stages = len(config.decoder_strides)
    yield "decoder.model.0"
    for stage in range(1, stages + 1):
        yield from (f"decoder.model.{stage}.block.{layer}" for layer in (0, 1))
        for unit in range(2, 2 + len(DILATIONS)):
            yield from (f"decoder.model.{stage}.block.{unit}.block.{layer}" for layer in range(4))
    yield from (f"decoder.model.{layer}" for layer in (stages + 1, stages + 2))
    for book in range(config.codebooks):
        yield from (f"quantizer.quantizers.{book}.{layer}" for layer in ("in_proj", "out_proj", "codebook"))


def _ours(codec: Codec) -> Iterator[str]:
    """Where the tensors of the same layers begin in our names."""
    for side in (codec.encoder, codec.decoder):
        part = "encoder." if side is codec.encoder else "decoder."
        for name, module in side.named_modules():
            if isinstance(module, nn.Conv1d | nn.ConvTranspose1d | Snake):
                yield f"{part}{name}."
    for book in range(codec.config.codebooks):
        yield from (f"quantizer.stages.{book}.{layer}" for layer in ("project_in.", "project_out.", ""))


def _take(weights: dict[str, Tensor], name: str, source: str) -> dict[str, Tensor]:
    """A layer's tensors, by our names, taken out of those that are left."""

    def take(key: str) -> Tensor:
        try:
            return weights.pop(f"{name}.{key}")
        except KeyError:
            raise BundleError(f"{source}: tensor {name}.{key} is missing") from None

    if name.endswith(".codebook"):
        return {"codebook": take("weight")}
    if f"{name}.alpha" in weights:
        return {"alpha": take("alpha")}
    if f"{name}.weight" in weights:
        return {"weight": take("weight"), "bias": take("bias")}
    # Weight norm (Salimans and Kingma 2016): a length for each row's direction.
    direction, length = take("weight_v"), take("weight_g")
    norm = direction.flatten(1).norm(dim=1).view(length.shape)
    return {"weight": direction * (length / norm), "bias": take("bias")}


def _numbers() -> list[Any]:
    """What old checkpoints write plain numbers with: NumPy's scalars, which are data and no code."""
    import numpy as np

    scalar = np.float64(0).__reduce__()[0]
    kinds = [type(np.dtype(kind)) for kind in ("float64", "float32", "int64")]
    return [(scalar, "numpy.core.multiarray.scalar"), scalar, np.dtype, *kinds]
