"""The DAC package with random weights, and its way of saving them, on a stand-in for what it imports."""

from __future__ import annotations

import inspect
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

TINY: dict[str, Any] = {
    "encoder_dim": 4,
    "encoder_rates": [2, 4, 5, 8],
    "decoder_dim": 32,
    "decoder_rates": [8, 5, 4, 2],
    "n_codebooks": 3,
    "codebook_size": 16,
    "codebook_dim": 4,
    "sample_rate": 16_000,
}
"""Narrow, but with every stage and stride of the 16 kHz weights."""
SHAPES: dict[str, dict[str, Any]] = {
    "dac-16k": TINY,
    "dac-24k": TINY | {"sample_rate": 24_000, "n_codebooks": 5},
    "dac-44k": TINY | {"encoder_rates": [2, 4, 8, 8], "decoder_rates": [8, 8, 4, 2], "sample_rate": 44_100},
}


def _audiotools() -> ModuleType:
    """A stand-in for descript-audiotools, whose own tree of packages cannot be imported without CUDA's."""

    class BaseModel(nn.Module):
        INTERN: ClassVar[list[str]] = []
        EXTERN: ClassVar[list[str]] = []

    ml = _module("audiotools.ml", BaseModel=BaseModel, Accelerator=object)
    core = _module("audiotools.core", util=_module("audiotools.core.util"))
    names = ("AudioSignal", "STFTParams")
    tools = _module("audiotools", ml=ml, core=core, **dict.fromkeys(names, object))
    return tools


def _module(name: str, **names: Any) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(names)
    return sys.modules.setdefault(name, module)


def random_dac(seed: int = 0, **shape: Any) -> Any:
    """A ``dac.DAC`` whose weights, biases and slopes are all random, and loud enough to tell apart."""
    _audiotools()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its weight norm, and of what it has torch compile
        from dac.model.dac import DAC

        model = DAC(**shape)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            drawn = torch.randn(parameter.shape, generator=generator)
            if name.endswith("alpha"):
                parameter.copy_(0.5 + 0.5 * drawn.abs())
            elif name.endswith("bias"):
                parameter.copy_(0.02 * drawn)
            elif name.endswith("weight_g"):  # so that the level stays about the same from layer to layer
                parameter.copy_(0.7 * (1 + 0.2 * drawn))
            else:
                parameter.copy_(drawn)
    return model.eval().requires_grad_(False)


def save_as_the_package_does(model: Any, path: Path) -> Path:
    """What ``BaseModel.save(package=False)`` of descript-audiotools writes."""
    kwargs = {name: vars(model).get(name, default) for name, default in _defaults(type(model)).items()}
    torch.save({"state_dict": model.state_dict(), "metadata": {"kwargs": kwargs}}, path)
    return path


def _defaults(kind: type) -> dict[str, Any]:
    """What the package writes down: every argument, and what has become of it."""
    return {name: each.default for name, each in inspect.signature(kind).parameters.items()}


def package_forward(model: Any, wave: Tensor) -> tuple[Tensor, Tensor]:
    """Latent and decoded latent, unquantised, by the package."""
    latent = model.encoder(wave)
    return latent, model.decode(latent)
