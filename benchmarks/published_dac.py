"""The published DAC in our layers against the package, at full size with random weights.

Also the package itself for the tests: with random weights, its way of saving them, and a stand-in for what it
imports. Run it: ``python benchmarks/published_dac.py``.
"""

from __future__ import annotations

import argparse
import inspect
import json
import random
import sys
import tempfile
import time
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


PUBLISHED = {
    "dac-16k": {"encoder_rates": [2, 4, 5, 8], "decoder_rates": [8, 5, 4, 2], "n_codebooks": 12},
    "dac-24k": {"encoder_rates": [2, 4, 5, 8], "decoder_rates": [8, 5, 4, 2], "n_codebooks": 32},
    "dac-44k": {"encoder_rates": [2, 4, 8, 8], "decoder_rates": [8, 8, 4, 2], "n_codebooks": 9},
}
"""Full size, as published; what is not said is the package's default."""


@torch.inference_mode()
def measure(name: str, seconds: float, folder: Path) -> dict[str, float]:
    """Ours against the package, whole; ours in random chunks against whole; and what a second costs."""
    from rtsep.models.dac_weights import dac_codec, read_checkpoint

    package = random_dac(**PUBLISHED[name], sample_rate=SHAPES[name]["sample_rate"])
    path = save_as_the_package_does(package, folder / f"{name}.pth")
    codec = dac_codec(read_checkpoint(path), str(path))
    config, hop = codec.config, codec.config.hop
    frames = round(seconds * config.sample_rate / hop)
    total = frames + -(-config.lookahead // hop)
    wave = torch.zeros(1, 1, total * hop)
    wave[..., : frames * hop] = 0.3 * torch.randn(1, 1, frames * hop)
    _, expected = package_forward(package, wave)

    def run(chunks: list[int]) -> Tensor:
        encoder_state, decoder_state = codec.initial_state(1)
        found = []
        for chunk in wave.split([hop * size for size in chunks], dim=-1):
            latent, encoder_state = codec.encode(chunk, encoder_state)
            made, decoder_state = codec.decode(latent, decoder_state)
            found.append(made)
        return torch.cat(found, dim=-1)

    start = time.perf_counter()
    whole = run([total])
    elapsed = time.perf_counter() - start
    draw, sizes = random.Random(0), []
    while sum(sizes) < total:
        sizes.append(min(draw.randint(1, 9), total - sum(sizes)))
    streamed = run(sizes)
    heard = slice(config.lookahead, config.lookahead + frames * hop)
    return {
        "whole": float((whole[..., heard] - expected[..., : frames * hop]).abs().max()),
        "streamed": float((streamed - whole).abs().max()),
        "level": float(expected[..., : frames * hop].std()),
        "lookahead_samples": config.lookahead,
        "lookahead_ms": 1000 * config.lookahead / config.sample_rate,
        "hop_ms": 1000 * hop / config.sample_rate,
        "real_time_factor": elapsed * config.sample_rate / (total * hop),
    }


def main() -> None:
    """Measure every published shape with random weights; a table, and JSON where asked for."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        found = {name: measure(name, arguments.seconds, Path(folder)) for name in PUBLISHED}
    for name, figures in found.items():
        print(name, "  ".join(f"{key} {value:.4g}" for key, value in figures.items()))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
