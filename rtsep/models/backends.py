"""What runs one hop of a bundle, and which of the ways is the fastest here.

- ``eager``: the model itself, in PyTorch; the only one on a graphics card.
- ``graph``: the same arithmetic as one ONNX graph, in float32.
- ``int8``: that graph with the matrices of the masker's layers as bytes; all else stays as it is.
"""

from __future__ import annotations

import json
import logging
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from platformdirs import user_cache_path

from rtsep.errors import BundleError
from rtsep.models.bundle import Bundle
from rtsep.models.onnx import Step, onnx_step
from rtsep.models.separator import Mix

logger = logging.getLogger(__name__)

Name = Literal["eager", "graph", "int8"]

_HOPS = 40
"""Hops of the short benchmark, about a quarter of a second for all ways together."""


class Backend(NamedTuple):
    """A way to run one hop, and its name."""

    name: Name
    step: Step


def backends(bundle: Bundle) -> dict[Name, Callable[[], Step]]:
    """The ways there are for a bundle where its weights are; the surest first."""
    ways: dict[Name, Callable[[], Step]] = {"eager": lambda: bundle.separator.step}
    if bundle.separator.device.type == "cpu":
        if (graph := bundle.graph) is not None:
            ways["graph"] = lambda: onnx_step(graph, bundle.separator)
        if (small := bundle.int8_graph) is not None:
            ways["int8"] = lambda: onnx_step(small, bundle.separator)
    return ways


def choose_backend(bundle: Bundle, name: Name | None = None, memory: Path | None = None) -> Backend:
    """The way asked for, or the fastest here, by a short benchmark that is remembered.

    Args:
        bundle: loaded; where its weights are is where it runs.
        name: the way; the fastest by default.
        memory: file that remembers, in the user's cache folder by default.

    Raises:
        BundleError: the way asked for does not exist for this bundle, or a graph is damaged.
    """
    ways = backends(bundle)
    if name is not None and name not in ways:
        raise BundleError(f"bundle {bundle.name} has no {name} here: use {' or '.join(ways)}")
    memory = memory or user_cache_path("rtsep") / "backends.json"
    known = _read(memory)
    key = _key(bundle, ways)
    chosen = name or known.get(key)
    if chosen in ways:
        return Backend(chosen, ways[chosen]())
    steps = {each: way() for each, way in ways.items()}
    times = _times_ms(bundle, list(steps.values())) if len(steps) > 1 else [0.0]
    chosen = min(zip(times, steps, strict=True))[1]
    _write(memory, known | {key: chosen})
    return Backend(chosen, steps[chosen])


@torch.inference_mode()
def _times_ms(bundle: Bundle, steps: list[Step]) -> list[float]:
    """The median time of a hop each way; they take turns, so that all meet the same moods of the machine."""
    separator = bundle.separator
    device = separator.device
    sound = 0.1 * torch.randn(1, 1, separator.hop, device=device)
    film = torch.zeros(1, 1, 1, separator.condition_size, device=device)
    one, none = torch.ones(1, device=device), torch.zeros(1, device=device)
    mix = Mix(one, none, one[None], none)
    states = [separator.initial_state(1, 1, 1, 1) for _ in steps]
    times = torch.zeros(_HOPS, len(steps))
    for row in times:
        for way, step in enumerate(steps):
            started = time.perf_counter()
            separation, states[way] = step(sound, film, states[way], mix)
            separation.wave.cpu()  # a graphics card is done only when the sound is here
            row[way] = 1000 * (time.perf_counter() - started)
    medians: list[float] = times[_HOPS // 4 :].median(dim=0).values.tolist()
    return medians


def _key(bundle: Bundle, ways: dict[Name, Callable[[], Step]]) -> str:
    """What the answer depends on: the model, what can run it, the machine."""
    import onnxruntime

    parts = (bundle.fingerprint, *ways, torch.__version__, onnxruntime.__version__, platform.machine())
    return " ".join((*parts, platform.node()))


def _read(path: Path) -> dict[str, Name]:
    """What is remembered; nothing where the file is missing or damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, known: dict[str, Name]) -> None:
    """Best effort: what cannot be kept is measured again at the next start."""
    partial = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        logger.warning("cannot remember the fastest backend in %s: %s", path, error)
