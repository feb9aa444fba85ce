"""Bundles: a folder with a model's shape, its weights and its card.

::

    config.json          BundleConfig: codec, masker, text encoder, lookahead
    weights.safetensors  half precision; nothing in a bundle is ever unpickled
    step.onnx            one hop as a graph without weights, for ONNX Runtime; may be missing
    step.int8.onnx       the same, which takes the masker's matrices as bytes; may be missing
    codes-7.onnx         one frame of a stream of codes, of 7 codebooks, as a graph; may be missing
    edge-7-send.onnx     one frame of an edge, from sound to such codes, as a graph, and
    edge-7-hear.onnx     from codes to latents; may be missing, both
    films.safetensors    FiLM parameters of prompts that are wanted at once, by prompt; may be missing
    README.md            the model card: data and licences, steps, figures, limits

Bundles ship inside the package (``rtsep/bundles``) or stand in the user's data folder; a path names
one anywhere.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from rtsep.errors import BundleError
from rtsep.models.codec import AnyCodecConfig
from rtsep.models.codec_store import codec_folders
from rtsep.models.kinds import fault_of
from rtsep.models.masker import AnyMaskerConfig
from rtsep.models.separator import Separator

DEFAULT_BUNDLE = "default"

WEIGHTS, CONFIG, CARD = "weights.safetensors", "config.json", "README.md"
GRAPH, INT8_GRAPH, FILMS = "step.onnx", "step.int8.onnx", "films.safetensors"
CODE_GRAPH = "codes-{}.onnx"
EDGE_GRAPHS = "edge-{}-send.onnx", "edge-{}-hear.onnx"
"""With the number of codebooks."""


class BundleConfig(BaseModel):
    """What ``config.json`` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str
    text_encoder: str
    codec: AnyCodecConfig
    masker: AnyMaskerConfig

    @model_validator(mode="after")
    def _fits(self) -> BundleConfig:
        if self.codec.latent % self.masker.group:
            raise ValueError(f"a latent of {self.codec.latent} has no groups of {self.masker.group}")
        return self


@dataclass(frozen=True)
class Bundle:
    """A loaded model."""

    name: str
    path: Path
    config: BundleConfig
    separator: Separator
    fingerprint: str
    """Hash of configuration and weights, the key of everything cached for this model."""

    @property
    def graph(self) -> Path | None:
        """The graph of one hop, where there is one."""
        path = self.path / GRAPH
        return path if path.is_file() else None

    @property
    def int8_graph(self) -> Path | None:
        """The graph that takes the masker's matrices as bytes, where there is one."""
        path = self.path / INT8_GRAPH
        return path if path.is_file() else None

    def code_graph(self, codebooks: int) -> Path | None:
        """The graph of one frame of codes of that many codebooks, where there is one."""
        path = self.path / CODE_GRAPH.format(codebooks)
        return path if path.is_file() else None

    def edge_graphs(self, codebooks: int) -> tuple[Path, Path] | None:
        """The graphs of a frame of so many codebooks that is sent, and that is heard, if there are any."""
        send, hear = (self.path / name.format(codebooks) for name in EDGE_GRAPHS)
        return (send, hear) if send.is_file() and hear.is_file() else None

    @property
    def films(self) -> Path | None:
        """FiLM parameters that came with it, where there are any."""
        path = self.path / FILMS
        return path if path.is_file() else None


def bundle_folders() -> dict[str, Path]:
    """Every bundle that can be named, by name."""
    shipped = Path(__file__).parents[1] / "bundles"
    own = user_data_path("rtsep") / "bundles"
    found = (config.parent for place in (shipped, own) for config in sorted(place.glob(f"*/{CONFIG}")))
    return {folder.name: folder for folder in found}


def lighter_bundle(name: str) -> str | None:
    """The lightest of the other bundles there are, if its weights are at most half as many."""
    weights = {each: folder / WEIGHTS for each, folder in bundle_folders().items()}
    sizes = {each: path.stat().st_size for each, path in weights.items() if path.is_file()}
    lightest = min(sizes, key=lambda each: sizes[each], default=None)
    if lightest is None or name not in sizes or 2 * sizes[lightest] > sizes[name]:
        return None
    return lightest


def find_bundle(name: str) -> Path:
    """The folder of a bundle, by name or path.

    Raises:
        BundleError: there is none.
    """
    known = bundle_folders()
    if name in known:
        return known[name]
    path = Path(name).expanduser()
    if (path / CONFIG).is_file():
        return path
    if name in codec_folders():
        raise BundleError(
            f"{name} is a codec without a masker: train one, see 'rtsep train' and docs/published.md"
        )
    raise BundleError(
        f"no bundle {name!r}: have {', '.join(known) or 'none'}, or give a folder that holds {CONFIG}"
    )


def read_config(folder: Path) -> BundleConfig:
    """Read and check ``config.json``.

    Raises:
        BundleError: it cannot be read, or a key is unknown, missing or out of range.
    """
    try:
        return BundleConfig.model_validate_json((folder / CONFIG).read_bytes())
    except OSError as error:
        raise BundleError(f"cannot read {folder / CONFIG}: {error.strerror}") from error
    except ValidationError as error:
        raise BundleError(f"{folder / CONFIG}: {fault_of(error)}") from error


def load_bundle(name: str = DEFAULT_BUNDLE) -> Bundle:
    """Load a bundle by name or path, ready for inference on the CPU in float32.

    Raises:
        BundleError: there is no such bundle, its files are damaged, or a tensor is missing, left
            over, or of another shape than the configuration says.
    """
    folder = find_bundle(name)
    config = read_config(folder)
    weights = folder / WEIGHTS
    tensors = {}
    try:
        digest = hashlib.sha256((folder / CONFIG).read_bytes())
        digest.update(weights.read_bytes())
        with safe_open(weights, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118 - safe_open is no mapping
                tensors[key] = file.get_tensor(key).float()
    except (OSError, SafetensorError) as error:
        raise BundleError(f"cannot read {weights}: {error}; fetch or copy the bundle again") from error
    separator = Separator(config.codec, config.masker)
    _check(tensors, separator.state_dict(), weights)
    separator.load_state_dict(tensors)
    separator.eval().requires_grad_(False)
    return Bundle(folder.name, folder, config, separator, digest.hexdigest()[:16])


def _check(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor], path: Path) -> None:
    """Compare names and shapes, so that the message names the tensor and both shapes."""
    for name, tensor in wanted.items():
        if name not in found:
            raise BundleError(f"{path}: tensor {name} of shape {tuple(tensor.shape)} is missing")
        if found[name].shape != tensor.shape:
            raise BundleError(
                f"{path}: tensor {name} has shape {tuple(found[name].shape)}, "
                f"the configuration asks for {tuple(tensor.shape)}"
            )
        if not found[name].isfinite().all():
            raise BundleError(f"{path}: tensor {name} holds values that are not finite")
    if extra := found.keys() - wanted.keys():
        raise BundleError(f"{path}: tensor {min(extra)} is not part of the configured model")


def save_bundle(folder: Path, config: BundleConfig, separator: Separator, card: str) -> None:
    """Write a bundle; weights in half precision. What was prepared of other weights there goes."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in (folder / FILMS, *folder.glob("*.onnx")):
        stale.unlink(missing_ok=True)
    tensors = {name: tensor.half().cpu().contiguous() for name, tensor in separator.state_dict().items()}
    save_file(tensors, folder / WEIGHTS)
    (folder / CONFIG).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (folder / CARD).write_text(card, encoding="utf-8")
