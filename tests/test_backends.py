"""Which way a hop is run: chosen by time, remembered, and the same sound by all of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import builders
import pytest
import torch

from rtsep.errors import BundleError
from rtsep.models import backends
from rtsep.models.bundle import GRAPH, INT8_GRAPH, Bundle, load_bundle
from rtsep.models.int8 import quantized
from rtsep.models.onnx import Step, onnx_step
from rtsep.models.separator import Mix


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    return load_bundle()


def run(bundle: Bundle, step: Step, hops: int) -> torch.Tensor:
    """The sound of one prompt, by that step."""
    separator = bundle.separator
    generator = torch.Generator().manual_seed(0)
    film = torch.randn(1, 1, 1, separator.condition_size, generator=generator)
    one, none = torch.ones(1), torch.zeros(1)
    mix, state = Mix(one, none, one[None], none), separator.initial_state(1, 1, 1, 1)
    waves = []
    for _ in range(hops):
        sound = 0.1 * torch.randn(1, 1, separator.hop, generator=generator)
        separation, state = step(sound, film, state, mix)
        waves.append(separation.wave)
    return torch.cat(waves, dim=-1)


@torch.inference_mode()
def test_bytes_for_the_maskers_matrices_change_the_sound_by_less_than_40_db(shipped: Bundle) -> None:
    hops = 2 * shipped.config.masker.window
    ways = backends.backends(shipped)
    assert list(ways) == ["eager", "graph", "int8"]
    eager, graph, small = (run(shipped, make(), hops) for make in ways.values())
    assert (graph - eager).abs().max() <= 1e-4
    error = (small - eager).square().mean() / eager.square().mean()
    assert 0 < error <= 1e-4


def test_a_weight_as_bytes_is_the_weight_to_a_126th_of_each_rows_largest() -> None:
    weight = torch.randn(5, 3, 4) * torch.tensor([1e-3, 1.0, 10.0, 0.0, 5.0])[:, None, None]
    stored, scale = quantized(weight)
    assert stored.dtype == torch.int8
    assert stored.abs().max() == 63
    found = (stored.T * scale[:, None]).unflatten(1, (3, 4))
    limit = weight.abs().amax(dim=(1, 2), keepdim=True) / 126
    assert ((found - weight).abs() <= 1.001 * limit + 1e-20).all()


def fake_times(monkeypatch: pytest.MonkeyPatch, times: dict[str, float]) -> list[int]:
    """Have the benchmark find those times; returns how often it was asked."""
    asked: list[int] = []

    def found(bundle: Bundle, steps: list[Step]) -> list[float]:
        asked.append(len(steps))
        return list(times.values())

    monkeypatch.setattr(backends, "_times_ms", found)
    return asked


def test_the_fastest_is_chosen_once_and_remembered(
    shipped: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = tmp_path / "deep" / "backends.json"
    asked = fake_times(monkeypatch, {"eager": 3.0, "graph": 1.0, "int8": 2.0})
    for _ in range(2):
        assert backends.choose_backend(shipped, memory=memory).name == "graph"
    assert asked == [3]
    assert list(json.loads(memory.read_text()).values()) == ["graph"]
    assert backends.choose_backend(shipped, "int8", memory).name == "int8"
    assert backends.choose_backend(shipped, memory=memory).name == "graph"


@pytest.mark.parametrize("damage", ["{", "[]", '{"key": 1}'])
def test_a_damaged_memory_is_measured_anew(
    shipped: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    memory = tmp_path / "backends.json"
    memory.write_text(damage)
    asked = fake_times(monkeypatch, {"eager": 3.0, "graph": 2.0, "int8": 1.0})
    assert backends.choose_backend(shipped, memory=memory).name == "int8"
    assert asked == [3]


def test_the_short_benchmark_times_every_way(shipped: Bundle, tmp_path: Path) -> None:
    chosen = backends.choose_backend(shipped, memory=tmp_path / "backends.json")
    assert chosen.name in ("eager", "graph", "int8")
    with torch.inference_mode():
        assert run(shipped, chosen.step, 3).isfinite().all()


def test_a_bundle_without_graphs_runs_eager_and_says_what_it_has_not(tmp_path: Path) -> None:
    bundle = builders.tiny_bundle(tmp_path / "bundle")
    assert backends.choose_backend(bundle, memory=tmp_path / "memory.json").name == "eager"
    with pytest.raises(BundleError, match="has no int8 here: use eager"):
        backends.choose_backend(bundle, "int8")


@pytest.mark.parametrize("name", [GRAPH, INT8_GRAPH])
def test_another_models_graph_is_refused_in_one_line(shipped: Bundle, name: str) -> None:
    with pytest.raises(BundleError, match="not this model's graph"):
        onnx_step(shipped.path / name, builders.tiny_separator())


def test_on_an_accelerator_the_model_itself_runs(shipped: Bundle, tmp_path: Path) -> None:
    bundle = builders.tiny_bundle(tmp_path / "bundle")
    for name in (GRAPH, INT8_GRAPH):
        (bundle.path / name).write_bytes((shipped.path / name).read_bytes())
    bundle.separator.to("meta")  # stands for an accelerator
    ways: dict[backends.Name, Callable[[], Step]] = backends.backends(bundle)
    assert list(ways) == ["eager"]
