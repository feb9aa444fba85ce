"""The graph of one hop: what the eager forward computes, for any number of prompts, channels and outputs."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

import builders
import pytest
import torch
from torch import Tensor

from rtsep.cli import main
from rtsep.errors import BundleError
from rtsep.models.bundle import GRAPH, Bundle, load_bundle
from rtsep.models.onnx import Step, onnx_step
from rtsep.models.separator import Mix, Separator
from rtsep.pipeline import Pipeline

CLOSE = 1e-4


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    return load_bundle()


@pytest.fixture(scope="module")
def shipped_step(shipped: Bundle) -> Step:
    assert shipped.graph is not None
    return onnx_step(shipped.graph, shipped.separator)


class Exported(NamedTuple):
    """What ``rtsep bundles export`` has made, and said."""

    bundle: Path
    said: list[str]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Of a tiny separator fresh from its construction, where many weights are equal; takes about a minute."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    separator = Separator(builders.CODEC, builders.MASKER).requires_grad_(False)
    path = builders.write_bundle(tmp_path_factory.mktemp("graph") / "mine", separator)
    with redirect_stdout(io.StringIO()) as said, pytest.raises(SystemExit) as ended:
        main(["bundles", "export", str(path), "--codebooks", "1"])
    assert not ended.value.code
    return Exported(path, said.getvalue().splitlines())


@pytest.fixture(scope="module")
def tiny_graph(exported: Exported) -> Path:
    return exported.bundle / GRAPH


def some_mix(prompts: int, outputs: int, seed: int) -> Mix:
    generator = torch.Generator().manual_seed(seed)
    removed = (torch.rand(prompts, generator=generator) < 0.3).float()
    weights = torch.randn(outputs, prompts, generator=generator)
    return Mix(1 - removed, removed, weights, torch.zeros(outputs))


def difference(
    separator: Separator,
    step: Step,
    channels: int,
    prompts: int,
    outputs: int,
    hops: int,
    sound: Callable[[int], Tensor] | None = None,
) -> tuple[float, float]:
    """The largest difference of waves and of upper gains, hop by hop, each with its own state."""
    state = other = separator.initial_state(1, channels, prompts, outputs)
    worst_wave = worst_gain = 0.0
    with torch.inference_mode():
        for hop in range(hops):
            film = builders.random_films(separator, prompts, seed=hop // 20)[None, :, None]
            mix = some_mix(prompts, outputs, seed=hop // 10)
            noise = torch.from_numpy(builders.noise(separator.hop, channels, seed=hop).T.copy())[None]
            mixture = noise if sound is None else sound(hop)
            found, state = step(mixture, film, state, mix)
            expected, other = separator(mixture, film, other, mix)
            assert found.wave.shape == expected.wave.shape == (1, outputs, channels, separator.hop)
            worst_wave = max(worst_wave, float((found.wave - expected.wave).abs().max()))
            worst_gain = max(worst_gain, float((found.upper_gain - expected.upper_gain).abs().max()))
    return worst_wave, worst_gain


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("prompts", "outputs"), [(1, 1), (2, 1), (3, 2), (4, 5), (5, 1), (6, 7), (7, 3), (8, 1), (8, 9)]
)
def test_the_shipped_graph_is_the_shipped_model(
    shipped: Bundle, shipped_step: Step, channels: int, prompts: int, outputs: int
) -> None:
    wave, gain = difference(shipped.separator, shipped_step, channels, prompts, outputs, hops=40)
    assert wave <= CLOSE
    assert gain <= CLOSE


def test_the_shipped_graph_stays_the_model_past_every_window(shipped: Bundle, shipped_step: Step) -> None:
    hops = 2 * shipped.separator.masker.config.window + 10
    assert max(difference(shipped.separator, shipped_step, 2, 3, 2, hops)) <= CLOSE


def test_silence_and_full_scale_are_no_exception(shipped: Bundle, shipped_step: Step) -> None:
    size = shipped.separator.hop

    def sound(hop: int) -> Tensor:
        if hop % 20 < 10:
            return torch.zeros(1, 1, size)
        return torch.ones(1, 1, size).mul_(-1 if hop % 2 else 1)

    assert max(difference(shipped.separator, shipped_step, 1, 2, 1, 60, sound)) <= CLOSE


def test_the_pipeline_gives_the_same_by_the_graph(shipped: Bundle, shipped_step: Step) -> None:
    condition = builders.keep_all(builders.random_films(shipped.separator, 2))
    x = builders.noise(24_000, 2)
    heard = []
    for step in (None, shipped_step):
        made = Pipeline(shipped.separator, condition, 48_000, 2, step)
        made.warm_up()
        heard.append(made.push(x))
        made.set_condition(builders.keep_all(builders.random_films(shipped.separator, 5, seed=1)))
        heard.append(made.push(x))
    assert abs(heard[0] - heard[2]).max() <= CLOSE
    assert abs(heard[1] - heard[3]).max() <= CLOSE
    assert heard[1].std() > 0.001


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("prompts", "outputs"), [(1, 1), (2, 4), (8, 1)])
def test_an_exported_graph_is_every_model_of_its_shape(
    tiny_graph: Path, channels: int, prompts: int, outputs: int
) -> None:
    separator = builders.tiny_separator()
    step = onnx_step(tiny_graph, separator)
    hops = 3 * builders.MEMORY_HOPS
    wave, gain = difference(separator, step, channels, prompts, outputs, hops)
    assert wave <= 1e-5
    assert gain <= 1e-5


def test_a_graph_holds_no_weights(tiny_graph: Path) -> None:
    other = builders.transparent_separator()
    assert max(difference(other, onnx_step(tiny_graph, other), 1, 2, 1, hops=30)) <= 1e-5
    assert tiny_graph.stat().st_size < 200_000


def refusal(path: Path, separator: Separator) -> str:
    with pytest.raises(BundleError) as caught:
        onnx_step(path, separator)
    text = str(caught.value)
    assert text.startswith(f"{path}: not this model's graph (")
    assert "\n" not in text
    return text


def test_a_graph_of_another_model_is_refused_in_one_line(shipped: Bundle) -> None:
    graph, codec, masker = shipped.graph, shipped.config.codec, shipped.config.masker
    assert graph is not None

    def refused(**changes: float) -> str:
        return refusal(graph, builders.tiny_separator(codec, masker.model_copy(update=changes)))

    refusal(graph, builders.tiny_separator())
    for changes in ({"layers": 5}, {"width": 96}, {"window": 64}):
        refused(**changes)
    assert "its sound differs by" in refused(floor=0.2)


@pytest.mark.parametrize("damage", ["empty", "truncated", "text", "missing", "folder"])
def test_a_file_that_is_no_graph_is_refused_in_one_line(shipped: Bundle, tmp_path: Path, damage: str) -> None:
    path = tmp_path / GRAPH
    assert shipped.graph is not None
    match damage:
        case "empty":
            path.write_bytes(b"")
        case "truncated":
            path.write_bytes(shipped.graph.read_bytes()[:-1000])
        case "text":
            path.write_text("no graph")
        case "folder":
            path.mkdir()
    refusal(path, shipped.separator)


@pytest.mark.skipif(sys.platform == "win32", reason="the switch is there everywhere else")
def test_the_runtime_of_graphs_keeps_no_record_of_its_use_and_reports_none(
    tmp_path: Path, shipped: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    monkeypatch.delenv("CI", raising=False)  # under which it reports nothing anyhow
    for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    program = f"""
import rtsep, onnxruntime
onnxruntime.InferenceSession({str(shipped.graph)!r}, providers=["CPUExecutionProvider"])
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert not list(tmp_path.rglob("*"))


def test_the_graphs_of_a_bundle_are_made_by_one_command_and_held_against_pytorch(exported: Exported) -> None:
    names = [Path(line.split(":")[0]).name for line in exported.said]
    assert names == ["step.onnx", "step.int8.onnx", "codes-1.onnx", "edge-1-send.onnx", "edge-1-hear.onnx"]
    assert all("differs from PyTorch by" in line for line in exported.said)
    assert float(exported.said[0].split()[-4]) < CLOSE
    made = load_bundle(str(exported.bundle))
    assert made.code_graph(1) is not None
    assert made.edge_graphs(1) is not None
